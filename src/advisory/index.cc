// The advisory file, read where it lies. Opening reads it once, front to back: checksum, bounds of every table and every
// number in every record. So a look-up cannot meet damage, and what it decodes is still bounds-checked, because the
// checksum is no secret. 300,000 records (about 20 MB) open in well under 50 ms.

#include "advisory/index.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "advisory/file_format.h"
#include "advisory/osv_ids.h"
#include "base/digest.h"
#include "base/limits.h"
#include "base/unique_fd.h"

namespace bulwark::advisory {
namespace file {

std::uint64_t Hash(ByteSpan bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t HashKey(std::string_view ecosystem, std::string_view name) {
  std::string key;
  key.reserve(ecosystem.size() + 1 + name.size());
  key.append(ecosystem).append(1, '\0').append(name);
  return Hash(AsBytes(key));
}

std::optional<std::uint64_t> CveNumber(std::string_view id) {
  if (id.empty() || CveIn(id) != id) return std::nullopt;
  std::uint32_t year = 0, number = 0;  // of digits alone, as CveIn has seen; "0001" is 1
  if (std::from_chars(id.data() + 4, id.data() + 8, year).ec != std::errc()) return std::nullopt;
  if (std::from_chars(id.data() + 9, id.data() + id.size(), number).ec != std::errc()) return std::nullopt;
  return std::uint64_t{year} << 32 | number;
}

}  // namespace file

namespace {

Error Corrupt(std::string_view why) { return Error{Errc::kCorrupt, fmt::format("advisory file: {}", why)}; }

// Who holds the bytes: a mapping or a string.
class Holder {
 public:
  explicit Holder(std::string bytes) : bytes_(std::move(bytes)), span_(AsBytes(bytes_)) {}
  Holder(void* mapped, std::size_t size) : mapped_(mapped), span_(static_cast<const std::uint8_t*>(mapped), size) {}
  ~Holder() {
    if (mapped_ != nullptr) munmap(mapped_, span_.size());
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ByteSpan bytes() const { return span_; }

 private:
  std::string bytes_;
  void* mapped_ = nullptr;
  ByteSpan span_;
};

// A table of T in the file. The offset is a multiple of 8 and the file starts at one.
template <typename T>
std::span<const T> TableOf(ByteSpan section) {
  return {reinterpret_cast<const T*>(section.data()), section.size() / sizeof(T)};
}

class FlatIndex final : public Index {
 public:
  explicit FlatIndex(std::unique_ptr<Holder> holder) : holder_(std::move(holder)) {}
  Status Check();

  std::string revision() const override { return Digest::FromBytes(DigestAlgorithm::kSha256, header_.revision).str(); }
  Time data_date() const override { return Time(Millis(header_.data_date)); }
  std::vector<SourceInfo> sources() const override;
  std::uint64_t records() const override { return header_.records; }
  void Find(const versions::PackageKey& key, const std::function<bool(const Record&)>& each) const override;
  Coverage Covers(std::string_view ecosystem) const override;
  std::optional<KnownExploited> Exploited(std::string_view cve) const override;
  std::optional<Epss> EpssOf(std::string_view cve) const override;
  bool EachKey(const std::function<void(const versions::PackageKey&, std::uint64_t)>& each) const override;

 private:
  Status CheckHeader();
  Status CheckStrings() const;
  Status CheckTables() const;
  Status CheckRecords() const;
  ByteSpan Section(file::Section s) const {
    return holder_->bytes().subspan(header_.extents[s].offset, header_.extents[s].size);
  }
  std::string_view Text(std::uint64_t id) const;
  const file::Key* FindKey(const versions::PackageKey& key) const;
  bool Decode(file::Cursor& in, Record& into) const;
  bool SkipRecord(file::Cursor& in) const;

  std::unique_ptr<Holder> holder_;
  file::Header header_;
  std::span<const std::uint32_t> string_offsets_, slots_, covered_;
  std::string_view string_bytes_;
  std::span<const file::Key> keys_;
  ByteSpan records_;
  std::span<const file::Exploited> exploited_;
  std::span<const file::Source> sources_;
  std::span<const file::Epss> epss_;
};

Status FlatIndex::Check() {
  BW_CHECK(CheckHeader());
  string_offsets_ = TableOf<std::uint32_t>(Section(file::kStringOffsets));
  string_bytes_ = AsText(Section(file::kStringBytes));
  slots_ = TableOf<std::uint32_t>(Section(file::kSlots));
  keys_ = TableOf<file::Key>(Section(file::kKeys));
  records_ = Section(file::kRecords);
  exploited_ = TableOf<file::Exploited>(Section(file::kExploited));
  sources_ = TableOf<file::Source>(Section(file::kSources));
  covered_ = TableOf<std::uint32_t>(Section(file::kCovered));
  epss_ = TableOf<file::Epss>(Section(file::kEpss));
  BW_CHECK(CheckStrings());
  BW_CHECK(CheckTables());
  return CheckRecords();
}

Status FlatIndex::CheckHeader() {
  const ByteSpan bytes = holder_->bytes();
  if (bytes.size() < file::HeaderSize(file::kSectionsBefore3)) return Corrupt("too short for a header");
  header_ = {};
  std::memcpy(static_cast<void*>(&header_), bytes.data(), offsetof(file::Header, extents));
  if (header_.magic != file::kMagic) return Corrupt("it does not start as one");
  if (header_.version > file::kVersion) {
    return Error{Errc::kUnsupported, fmt::format("advisory file of format {}: this program reads up to {}",
                                                 header_.version, file::kVersion)};
  }
  // Files of before have a section less, and with it a shorter header.
  const std::uint32_t sections = header_.version < 3 ? file::kSectionsBefore3 : file::kSectionCount;
  const std::size_t size = file::HeaderSize(sections), hash_at = size - sizeof header_.header_hash;
  if (bytes.size() < size) return Corrupt("too short for a header");
  std::memcpy(&header_.header_hash, bytes.data() + hash_at, sizeof header_.header_hash);
  if (header_.header_hash != file::Hash(bytes.subspan(0, hash_at))) return Corrupt("the header's checksum is wrong");
  if (header_.sections != sections || header_.file_size != bytes.size()) return Corrupt("truncated");
  std::memcpy(header_.extents.data(), bytes.data() + offsetof(file::Header, extents), sections * sizeof(file::Extent));
  for (std::uint32_t i = 0; i < sections; ++i) {
    const file::Extent& e = header_.extents[i];
    if (e.offset % 8 != 0 || e.offset < size || e.offset > bytes.size() || e.size > bytes.size() - e.offset ||
        e.size > UINT32_MAX) {
      return Corrupt("a section lies outside the file");
    }
  }
  if (header_.payload_hash != file::Hash(bytes.subspan(size))) return Corrupt("the checksum is wrong");
  return {};
}

Status FlatIndex::CheckStrings() const {
  if (string_offsets_.size() < 2 || string_offsets_[0] != 0 || string_offsets_[1] != 0 ||
      string_offsets_.back() != string_bytes_.size()) {
    return Corrupt("the string table is wrong");
  }
  bool ordered = true;
  for (std::size_t i = 1; i < string_offsets_.size(); ++i) ordered &= string_offsets_[i - 1] <= string_offsets_[i];
  if (!ordered) return Corrupt("the string table is out of order");
  return {};
}

Status FlatIndex::CheckTables() const {
  const std::size_t strings = string_offsets_.size() - 1;
  if (slots_.empty() || (slots_.size() & (slots_.size() - 1)) != 0 || slots_.size() <= keys_.size()) {
    return Corrupt("the slot table has a wrong size");
  }
  std::size_t used = 0;
  for (std::uint32_t slot : slots_) {
    if (slot > keys_.size()) return Corrupt("a slot names no key");
    used += slot != 0;
  }
  if (used != keys_.size()) return Corrupt("keys without slots");
  for (std::uint32_t id : covered_) {
    if ((id & ~file::kComplete) >= strings) return Corrupt("a string that is not there");
  }
  for (const auto& e : exploited_) {
    if (e.cve >= strings) return Corrupt("a string that is not there");
  }
  for (const auto& s : sources_) {
    if (s.name >= strings) return Corrupt("a string that is not there");
  }
  for (std::size_t i = 0; i < epss_.size(); ++i) {
    if (epss_[i].score > file::kEpssOne || epss_[i].percentile > file::kEpssOne) return Corrupt("an EPSS above 1");
    if (i > 0 && epss_[i - 1].cve >= epss_[i].cve) return Corrupt("EPSS is out of order");
  }
  return {};
}

// Every record of every key, one behind the other without gaps.
Status FlatIndex::CheckRecords() const {
  const std::size_t strings = string_offsets_.size() - 1;
  file::Cursor in(records_);
  std::uint64_t total = 0;
  for (const auto& key : keys_) {
    if (key.ecosystem >= strings || key.name >= strings) return Corrupt("a string that is not there");
    if (key.offset != records_.size() - in.left()) return Corrupt("records are not where their key says");
    for (std::uint32_t i = 0; i < key.count; ++i) {
      if (!SkipRecord(in)) return Corrupt("a malformed record");
    }
    total += key.count;
  }
  if (in.left() != 0 || total != header_.records) return Corrupt("the number of records is wrong");
  return {};
}

// Walks over one record. False if it is malformed or names a string that is not there.
bool FlatIndex::SkipRecord(file::Cursor& in) const {
  const std::size_t strings = string_offsets_.size() - 1;
  bool good = true;
  auto text = [&] { good &= in.Varint() < strings; };
  auto texts = [&](std::uint64_t each) {
    std::uint64_t count = in.Varint();
    if (count > in.left()) good = false;
    for (; good && count > 0; --count) {
      for (std::uint64_t i = 0; i < each; ++i) text();
    }
  };
  text();
  texts(1);
  const std::uint8_t state = in.Byte(), kind = in.Byte(), severity = in.Byte(), score = in.Byte();
  good &= state >= 1 && state <= 6 && kind >= 1 && kind <= 3 && severity <= 5 && (score <= 100 || score == file::kNoScore);
  text();
  text();
  in.Varint();
  in.Varint();
  good &= in.Varint() / 2 < strings;
  texts(3);
  texts(1);
  return good && in.ok();
}

std::string_view FlatIndex::Text(std::uint64_t id) const {
  if (id + 1 >= string_offsets_.size()) return {};
  const std::uint32_t from = string_offsets_[id], to = string_offsets_[id + 1];
  if (from > to || to > string_bytes_.size()) return {};
  return string_bytes_.substr(from, to - from);
}

// Overwrites all of `r` but its package; the strings keep their memory from one record to the next.
bool FlatIndex::Decode(file::Cursor& in, Record& r) const {
  auto text = [&](std::string& into) { into.assign(Text(in.Varint())); };
  auto count = [&] { return std::min<std::uint64_t>(in.Varint(), in.left()); };
  text(r.id);
  r.aliases.resize(count());
  for (std::string& alias : r.aliases) text(alias);
  r.state = static_cast<State>(in.Byte());
  r.kind = static_cast<Class>(in.Byte());
  r.severity = static_cast<Severity>(in.Byte());
  const std::uint8_t score = in.Byte();
  r.score = score == file::kNoScore ? -1 : score / 10.0;
  text(r.vector);
  text(r.source);
  r.published = file::UnpackTime(in.Varint());
  r.fixed_at = file::UnpackTime(in.Varint());
  const std::uint64_t url = in.Varint();
  r.url.assign(Text(url / 2));
  if (url % 2 == 1) r.url += r.id;
  r.ranges.resize(count());
  for (Range& range : r.ranges) text(range.introduced), text(range.fixed), text(range.last_affected);
  r.versions.resize(count());
  for (std::string& version : r.versions) text(version);
  return in.ok();
}

std::vector<SourceInfo> FlatIndex::sources() const {
  std::vector<SourceInfo> out;
  for (const auto& s : sources_) out.push_back({std::string(Text(s.name)), s.records, s.errors, Time(Millis(s.data_date))});
  return out;
}

const file::Key* FlatIndex::FindKey(const versions::PackageKey& key) const {
  std::size_t at = file::HashKey(key.ecosystem, key.name) & (slots_.size() - 1);
  for (std::size_t probes = 0; probes < slots_.size() && slots_[at] != 0; ++probes) {
    const file::Key& found = keys_[slots_[at] - 1];
    if (Text(found.name) == key.name && Text(found.ecosystem) == key.ecosystem) return &found;
    at = (at + 1) & (slots_.size() - 1);
  }
  return nullptr;
}

void FlatIndex::Find(const versions::PackageKey& key, const std::function<bool(const Record&)>& each) const {
  const file::Key* found = FindKey(key);
  if (found == nullptr || found->offset > records_.size()) return;
  file::Cursor in(records_.subspan(found->offset));
  Record record;
  record.package = key;
  for (std::uint32_t i = 0; i < found->count; ++i) {
    if (!Decode(in, record)) return;  // not reachable after Check
    if (!each(record)) return;
  }
}

Coverage FlatIndex::Covers(std::string_view ecosystem) const {
  auto named = [&](std::uint32_t id) { return Text(id & ~file::kComplete) == ecosystem; };
  auto found = std::find_if(covered_.begin(), covered_.end(), named);
  if (found == covered_.end()) return {};
  if (*found & file::kComplete) return {true, true, 0};
  // Keys are sorted by the text of their ecosystem first.
  auto key = std::lower_bound(keys_.begin(), keys_.end(), ecosystem,
                              [&](const file::Key& k, std::string_view wanted) { return Text(k.ecosystem) < wanted; });
  Coverage out{true, false, 0};
  for (; key != keys_.end() && Text(key->ecosystem) == ecosystem; ++key) out.records += key->count;
  return out;
}

std::optional<KnownExploited> FlatIndex::Exploited(std::string_view cve) const {
  const auto it = std::lower_bound(exploited_.begin(), exploited_.end(), cve,
                                   [&](const file::Exploited& e, std::string_view wanted) { return Text(e.cve) < wanted; });
  if (it == exploited_.end() || Text(it->cve) != cve) return std::nullopt;
  return KnownExploited{std::string(cve), Time(Millis(it->added))};
}

std::optional<Epss> FlatIndex::EpssOf(std::string_view cve) const {
  const auto number = file::CveNumber(cve);
  if (!number) return std::nullopt;
  const auto it = std::lower_bound(epss_.begin(), epss_.end(), *number, [](const file::Epss& e, std::uint64_t wanted) { return e.cve < wanted; });
  if (it == epss_.end() || it->cve != *number) return std::nullopt;
  return Epss{std::string(cve), static_cast<double>(it->score) / file::kEpssOne, static_cast<double>(it->percentile) / file::kEpssOne};
}

bool FlatIndex::EachKey(const std::function<void(const versions::PackageKey&, std::uint64_t)>& each) const {
  for (const auto& key : keys_) each({std::string(Text(key.ecosystem)), std::string(Text(key.name))}, key.content);
  return true;
}

Result<std::shared_ptr<const Index>> Checked(std::unique_ptr<Holder> holder) {
  auto index = std::make_shared<FlatIndex>(std::move(holder));
  BW_CHECK(index->Check());
  return std::shared_ptr<const Index>(std::move(index));
}

}  // namespace

Result<std::shared_ptr<const Index>> OpenIndex(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError(fmt::format("open the advisory file {}", path));
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return ErrnoError(fmt::format("read the size of {}", path));
  if (!S_ISREG(info.st_mode) || info.st_size < static_cast<off_t>(file::HeaderSize(file::kSectionsBefore3))) {
    return Error{Errc::kCorrupt, fmt::format("{} is no advisory file", path)};
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd.get(), 0);
  if (mapped == MAP_FAILED) return ErrnoError(fmt::format("map {}", path));
  auto index = Checked(std::make_unique<Holder>(mapped, size));
  if (!index) return std::move(index).error().Wrap(path);
  return index;
}

Result<std::shared_ptr<const Index>> IndexOfBytes(std::string bytes) {
  return Checked(std::make_unique<Holder>(std::move(bytes)));
}

}  // namespace bulwark::advisory
