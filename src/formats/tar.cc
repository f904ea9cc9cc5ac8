#include "formats/tar.h"

// Follows the structure of Go's reader (archive/tar/reader.go in behaviour, not in text), so that what it refuses is
// refused here and what it accepts has the same name, link, type and data:
// https://pkg.go.dev/archive/tar, https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html

#include <algorithm>
#include <climits>
#include <cstring>
#include <optional>

#include "base/limits.h"
#include "base/strings.h"
#include "formats/tar_fields.h"

namespace bulwark::formats {
namespace {

constexpr std::uint64_t kBlock = 512;

Error Corrupt(std::string_view what) { return {Errc::kCorrupt, "tar: " + std::string(what)}; }

bool AllZero(ByteSpan bytes) {
  // A block of zeros equals itself shifted by one.
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Links, devices, folders and pipes have no data whatever their size field says.
bool HasNoData(char type) { return type >= '1' && type <= '6'; }

const std::string* Find(const std::map<std::string, std::string, std::less<>>& pax, std::string_view key) {
  auto found = pax.find(key);
  return found == pax.end() || found->second.empty() ? nullptr : &found->second;
}

}  // namespace

Result<bool> TarReader::Next(TarHeader& header) {
  Pax pax;
  std::string long_name, long_link;
  bool started = false;
  header = {};
  for (;;) {
    BW_CHECK(Skip(left_));
    left_ = 0;
    BW_TRY(std::size_t padding, ReadUpTo(block_, padding_));
    if (padding < padding_) return false;  // a short last block ends the archive
    padding_ = 0;
    if (!started) header.offset = position_;
    started = true;
    std::int64_t size = 0;
    BW_TRY(bool more, ReadHeader(header, size));
    if (!more) return false;
    BW_CHECK(BeginData(header.type, size));
    switch (header.type) {
      case 'x':
      case 'g': {
        BW_TRY(pax, ReadPax());
        if (header.type == 'x') continue;
        header.name.clear();
        return true;
      }
      case 'L': {
        BW_TRY(long_name, ReadSpecial());
        continue;
      }
      case 'K': {
        BW_TRY(long_link, ReadSpecial());
        continue;
      }
      default: break;
    }
    BW_CHECK(MergePax(header, size, pax));
    if (!long_name.empty()) header.name = long_name;
    if (!long_link.empty()) header.link = long_link;
    if (header.type == '\0') header.type = header.name.ends_with('/') ? '5' : '0';
    BW_CHECK(BeginData(header.type, size));
    BW_CHECK(BeginSparse(header, size, pax));
    if (header.type == 'S') header.type = '0';
    size_ = header.size = HasNoData(header.type) ? 0 : static_cast<std::uint64_t>(size);
    return true;
  }
}

// Two zero blocks, one at the very end, or nothing at all end the archive.
Result<bool> TarReader::ReadHeader(TarHeader& header, std::int64_t& size) {
  BW_TRY(std::size_t n, ReadUpTo(block_, kBlock));
  if (n == 0) return false;
  if (n < kBlock) return Corrupt("truncated in a header");
  if (AllZero(block_)) {
    BW_TRY(n, ReadUpTo(block_, kBlock));
    if (n == 0) return false;
    if (n < kBlock) return Corrupt("truncated at the end");
    if (!AllZero(block_)) return Corrupt("one zero block and then other data");
    return false;
  }
  std::span<const std::uint8_t, kBlock> block(block_);
  if (!tar::ChecksumFits(block)) return Corrupt("a header has a wrong checksum");
  auto dialect = tar::DialectOf(block);
  header.type = static_cast<char>(block[156]);
  header.name = tar::FieldText(block.subspan(0, 100));
  header.link = tar::FieldText(block.subspan(157, 100));
  auto mode = tar::FieldNumber(block.subspan(100, 8));
  auto declared = tar::FieldNumber(block.subspan(124, 12));
  bool good = mode && declared && tar::FieldNumber(block.subspan(108, 8)) && tar::FieldNumber(block.subspan(116, 8)) &&
              tar::FieldNumber(block.subspan(136, 12));
  std::string_view prefix;
  if (dialect != tar::Dialect::kV7) {
    good = good && tar::FieldNumber(block.subspan(329, 8)) && tar::FieldNumber(block.subspan(337, 8));
    if (dialect == tar::Dialect::kUstar) prefix = tar::FieldText(block.subspan(345, 155));
    if (dialect == tar::Dialect::kStar) {
      prefix = tar::FieldText(block.subspan(345, 131));
      good = good && tar::FieldNumber(block.subspan(476, 12)) && tar::FieldNumber(block.subspan(488, 12));
    }
    // Old Go wrote a prefix into GNU headers, over atime and ctime: believed where these are no numbers.
    auto is_time = [&](std::size_t at) { return block[at] == 0 || tar::FieldNumber(block.subspan(at, 12)); };
    if (dialect == tar::Dialect::kGnu && !(is_time(345) && is_time(357))) {
      prefix = tar::FieldText(block.subspan(345, 155));
      if (std::any_of(prefix.begin(), prefix.end(), [](char c) { return c & 0x80; })) prefix = {};
    }
  }
  if (!good) return Corrupt("a header holds a malformed number");
  if (!prefix.empty()) header.name = std::string(prefix) + "/" + header.name;
  header.mode = static_cast<std::uint32_t>(*mode) & 07777;
  size = *declared;
  return true;
}

Status TarReader::BeginData(char type, std::int64_t size) {
  if (HasNoData(type)) size = 0;
  if (size < 0) return Corrupt("negative size");
  sparse_ = false;
  left_ = static_cast<std::uint64_t>(size);
  padding_ = (kBlock - left_ % kBlock) % kBlock;
  return {};
}

Result<std::string> TarReader::ReadSpecial() {
  if (left_ > limits::kTarSpecialBytes) return Error{Errc::kLimit, "tar: an extension header is larger than 1 MiB"};
  Bytes bytes;
  BW_CHECK(ReadData(std::exchange(left_, 0), bytes));
  return std::string(tar::FieldText(bytes));
}

Result<TarReader::Pax> TarReader::ReadPax() {
  if (left_ > limits::kTarSpecialBytes) return Error{Errc::kLimit, "tar: a pax header is larger than 1 MiB"};
  Bytes bytes;
  BW_CHECK(ReadData(std::exchange(left_, 0), bytes));
  Pax pax;
  std::string map;  // sparse 0.0 has one record a number; made 0.1 here
  std::size_t numbers = 0;
  for (std::string_view text = AsText(bytes); !text.empty();) {
    auto record = tar::TakePaxRecord(text);
    if (!record) return Corrupt("malformed pax header");
    bool is_offset = record->key == "GNU.sparse.offset", is_length = record->key == "GNU.sparse.numbytes";
    if (!is_offset && !is_length) {
      pax.insert_or_assign(std::string(record->key), std::string(record->value));
      continue;
    }
    if (is_offset != (numbers % 2 == 0) || record->value.find(',') != std::string_view::npos)
      return Corrupt("malformed sparse records in a pax header");
    if (numbers++ > 0) map += ',';
    map += record->value;
  }
  if (numbers > 0) pax["GNU.sparse.map"] = std::move(map);
  return pax;
}

Status TarReader::MergePax(TarHeader& header, std::int64_t& size, const Pax& pax) {
  if (auto* value = Find(pax, "path")) header.name = *value;
  if (auto* value = Find(pax, "linkpath")) header.link = *value;
  for (std::string_view key : {"uid", "gid", "size"}) {
    auto* value = Find(pax, key);
    if (!value) continue;
    auto number = tar::Decimal(*value);
    if (!number) return Corrupt("malformed number in a pax header");
    if (key == "size") size = *number;
  }
  for (std::string_view key : {"atime", "mtime", "ctime"}) {
    auto* value = Find(pax, key);
    if (value && !tar::IsPaxTime(*value)) return Corrupt("malformed time in a pax header");
  }
  return {};
}

Status TarReader::BeginSparse(TarHeader& header, std::int64_t& size, const Pax& pax) {
  regions_.clear();
  if (header.type == 'S') {
    BW_CHECK(ReadOldSparse(size));
  } else {
    auto* major = Find(pax, "GNU.sparse.major");
    auto* minor = Find(pax, "GNU.sparse.minor");
    bool is_0x = major && minor && *major == "0" && (*minor == "0" || *minor == "1");
    bool is_10 = major && minor && *major == "1" && *minor == "0";
    if (!is_0x && !is_10 && (major || minor || !Find(pax, "GNU.sparse.map"))) return {};
    if (auto* name = Find(pax, "GNU.sparse.name")) header.name = *name;
    auto* real = Find(pax, "GNU.sparse.size");
    if (!real) real = Find(pax, "GNU.sparse.realsize");
    if (real) {
      auto number = tar::Decimal(*real);
      if (!number) return Corrupt("malformed size of a sparse file");
      size = *number;
    }
    BW_CHECK(is_10 ? ReadSparse1x0() : ReadSparse0x1(pax));
  }
  if (HasNoData(header.type)) return Corrupt("a sparse entry that is no file");
  sparse_ = true;
  return CheckRegions(size);
}

// Four regions in the header (byte 386), 21 in each extension block.
Status TarReader::ReadOldSparse(std::int64_t& size) {
  std::span<const std::uint8_t, kBlock> block(block_);
  if (tar::DialectOf(block) != tar::Dialect::kGnu) return Corrupt("a sparse header that is not GNU's");
  auto real = tar::FieldNumber(block.subspan(483, 12));
  if (!real) return Corrupt("malformed size of a sparse file");
  size = *real;
  std::size_t at = 386, slots = 4;
  for (std::uint64_t total = 96; total < limits::kTarSpecialBytes; total += kBlock) {
    for (std::size_t i = 0; i < slots && block[at + 24 * i] != 0; ++i) {
      auto offset = tar::FieldNumber(block.subspan(at + 24 * i, 12));
      auto length = tar::FieldNumber(block.subspan(at + 24 * i + 12, 12));
      if (!offset || !length) return Corrupt("malformed sparse map");
      BW_CHECK(AddRegion(*offset, *length));
    }
    if (block[at + 24 * slots] == 0) return {};
    BW_CHECK(ReadFully(block_, kBlock));
    at = 0;
    slots = 21;
  }
  return Error{Errc::kLimit, "tar: a sparse map is too long"};
}

// "count\n" and then "offset\nlength\n" pairs in the first blocks of the data.
Status TarReader::ReadSparse1x0() {
  std::string text;
  std::size_t used = 0;
  std::uint64_t total = 0;
  auto token = [&]() -> Result<std::int64_t> {
    std::size_t end;
    while ((end = text.find('\n', used)) == std::string::npos) {
      total += kBlock;
      if (total > limits::kTarSpecialBytes) return Error{Errc::kLimit, "tar: a sparse map is too long"};
      if (left_ < kBlock) return Corrupt("truncated sparse map");
      text.erase(0, used);
      used = 0;
      BW_CHECK(ReadFully(block_, kBlock));
      left_ -= kBlock;
      text.append(reinterpret_cast<const char*>(block_), kBlock);
    }
    auto number = tar::Decimal(std::string_view(text).substr(used, end - used));
    used = end + 1;
    if (!number) return Corrupt("malformed sparse map");
    return *number;
  };
  BW_TRY(std::int64_t count, token());
  if (count < 0) return Corrupt("malformed sparse map");
  for (std::int64_t i = 0; i < count; ++i) {
    BW_TRY(std::int64_t offset, token());
    BW_TRY(std::int64_t length, token());
    BW_CHECK(AddRegion(offset, length));
  }
  return {};
}

Status TarReader::ReadSparse0x1(const Pax& pax) {
  auto* blocks = Find(pax, "GNU.sparse.numblocks");
  std::int64_t count = blocks ? tar::Decimal(*blocks).value_or(-1) : -1;
  std::vector<std::string_view> numbers;
  if (auto* map = Find(pax, "GNU.sparse.map")) numbers = Split(*map, ',');
  if (count < 0 || count > static_cast<std::int64_t>(limits::kTarSpecialBytes) ||
      numbers.size() != 2 * static_cast<std::size_t>(count))
    return Corrupt("malformed sparse map");
  for (std::size_t i = 0; i < numbers.size(); i += 2) {
    auto offset = tar::Decimal(numbers[i]), length = tar::Decimal(numbers[i + 1]);
    if (!offset || !length) return Corrupt("malformed sparse map");
    BW_CHECK(AddRegion(*offset, *length));
  }
  return {};
}

Status TarReader::AddRegion(std::int64_t offset, std::int64_t length) {
  if (regions_.size() >= limits::kTarSparseEntries) return Error{Errc::kLimit, "tar: a sparse map is too long"};
  regions_.push_back({offset, length});
  return {};
}

Status TarReader::CheckRegions(std::int64_t size) const {
  std::int64_t end = 0;
  for (const Region& r : regions_) {
    if (r.offset < end || r.length < 0 || r.offset > INT64_MAX - r.length || r.offset + r.length > size)
      return Corrupt("a sparse map that does not fit its file");
    end = r.offset + r.length;
  }
  if (size < 0) return Corrupt("negative size");
  return {};
}

Result<ByteSpan> TarReader::Data(Bytes& scratch) {
  scratch.clear();
  if (!sparse_) {
    if (left_ <= chunk_.size()) {
      auto n = static_cast<std::size_t>(left_);
      ByteSpan data = chunk_.first(n);
      chunk_ = chunk_.subspan(n);
      position_ += left_;
      left_ = 0;
      return data;
    }
    // Address space only until bytes arrive; growing by doubling would hold a large file twice.
    scratch.reserve(static_cast<std::size_t>(std::min(left_, limits::kCatalogedFileBytes)));
    BW_CHECK(ReadData(left_, scratch));
    left_ = 0;
    return ByteSpan(scratch);
  }
  scratch.reserve(static_cast<std::size_t>(std::min(size_, limits::kCatalogedFileBytes)));
  for (const Region& r : regions_) {
    auto length = static_cast<std::uint64_t>(r.length);
    if (length > left_) return Corrupt("a sparse file lacks data");
    scratch.resize(static_cast<std::size_t>(r.offset));
    BW_CHECK(ReadData(length, scratch));
    left_ -= length;
  }
  if (left_ > 0) return Corrupt("a sparse file holds data outside its map");
  scratch.resize(static_cast<std::size_t>(size_));
  return ByteSpan(scratch);
}

Result<bool> TarReader::Parts(const std::function<bool(ByteSpan)>& each) {
  if (sparse_) return false;
  while (left_ > 0) {
    if (chunk_.empty()) {
      BW_TRY(chunk_, source_.Next());
      if (chunk_.empty()) return Corrupt("truncated in an entry's data");
    }
    auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, chunk_.size()));
    ByteSpan part = chunk_.first(take);
    chunk_ = chunk_.subspan(take);
    position_ += take;
    left_ -= take;
    if (!each(part)) return true;
  }
  return true;
}

// Appends; grows with what arrives, not with what was promised.
Status TarReader::ReadData(std::uint64_t n, Bytes& into) {
  while (n > 0) {
    if (chunk_.empty()) {
      BW_TRY(chunk_, source_.Next());
      if (chunk_.empty()) return Corrupt("truncated in an entry's data");
    }
    auto take = static_cast<std::size_t>(std::min<std::uint64_t>(n, chunk_.size()));
    into.insert(into.end(), chunk_.begin(), chunk_.begin() + static_cast<std::ptrdiff_t>(take));
    chunk_ = chunk_.subspan(take);
    position_ += take;
    n -= take;
  }
  return {};
}

Result<std::size_t> TarReader::ReadUpTo(std::uint8_t* into, std::size_t n) {
  std::size_t done = 0;
  while (done < n) {
    if (chunk_.empty()) {
      BW_TRY(chunk_, source_.Next());
      if (chunk_.empty()) break;
    }
    std::size_t take = std::min(n - done, chunk_.size());
    std::memcpy(into + done, chunk_.data(), take);
    chunk_ = chunk_.subspan(take);
    position_ += take;
    done += take;
  }
  return done;
}

Status TarReader::ReadFully(std::uint8_t* into, std::size_t n) {
  BW_TRY(std::size_t done, ReadUpTo(into, n));
  return done == n ? Status() : Corrupt("truncated in a sparse map");
}

Status TarReader::Skip(std::uint64_t n) {
  while (n > 0) {
    if (chunk_.empty()) {
      BW_TRY(chunk_, source_.Next());
      if (chunk_.empty()) return Corrupt("truncated in an entry's data");
    }
    auto take = static_cast<std::size_t>(std::min<std::uint64_t>(n, chunk_.size()));
    chunk_ = chunk_.subspan(take);
    position_ += take;
    n -= take;
  }
  return {};
}

Status TarReader::SkipTo(std::uint64_t offset) {
  left_ = padding_ = 0;
  if (offset < position_) return Corrupt("an entry lies before the point of reading");
  return Skip(offset - position_);
}

Result<bool> TarReader::RestHasData() {
  bool found = false;
  for (;;) {
    found = found || !AllZero(chunk_);
    position_ += chunk_.size();
    BW_TRY(chunk_, source_.Next());
    if (chunk_.empty()) return found;
  }
}

}  // namespace bulwark::formats
