// How the views are made: every plausible end record gives a directory; every local header that no directory entry
// covers is found by its signature in the bytes left over. The directory that Java reads comes first.
#include "formats/zip.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "base/limits.h"
#include "base/log.h"
#include "formats/raw_inflate.h"

namespace bulwark::formats {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50, kCentralSignature = 0x02014b50, kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50, kLocator64Signature = 0x07064b50;
constexpr std::uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr std::uint64_t kCommentBytes = 65535;
constexpr char kLocalMagic[] = {'P', 'K', 3, 4};
constexpr std::size_t kEndsConsidered = 4;

// Little-endian loads; the caller has checked the bounds.
std::uint64_t Load(ByteSpan bytes, std::uint64_t offset, int width) {
  std::uint64_t value = 0;
  for (int i = width - 1; i >= 0; --i) value = value << 8 | bytes[offset + static_cast<std::uint64_t>(i)];
  return value;
}
std::uint16_t Load16(ByteSpan b, std::uint64_t o) { return static_cast<std::uint16_t>(Load(b, o, 2)); }
std::uint32_t Load32(ByteSpan b, std::uint64_t o) { return static_cast<std::uint32_t>(Load(b, o, 4)); }

bool Fits(ByteSpan bytes, std::uint64_t offset, std::uint64_t size) {
  return offset <= bytes.size() && size <= bytes.size() - offset;
}

// One sentence a kind, with the first name and how many more there are: a hostile archive cannot blow the list up.
class Oddities {
 public:
  void Add(const std::string& kind, std::string_view name = {}) {
    auto [at, fresh] = kinds_.try_emplace(kind, name, 0);
    if (!fresh) ++at->second.second;
  }
  std::vector<std::string> Take() const {
    std::vector<std::string> out;
    for (const auto& [kind, first] : kinds_) {
      std::string text = kind;
      if (!first.first.empty()) text += ": " + Printable(first.first, 200);
      if (first.second) text += " and " + std::to_string(first.second) + " more";
      out.push_back(std::move(text));
    }
    return out;
  }

 private:
  std::map<std::string, std::pair<std::string, std::uint64_t>> kinds_;
};

// Where an end record says the central directory is.
struct Directory {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;       // the end record, or the zip64 one before it
  std::uint64_t tail = 0;      // end of everything that belongs to the end records
  std::uint64_t offset = 0;    // of the directory, as the record tells it
  std::uint64_t prefix = 0;    // bytes before the archive: offsets in it count from there
  std::uint64_t count = 0;     // declared entries
  bool exact = false;          // its comment ends where the archive's bytes end
};

struct Region {
  std::uint64_t begin = 0, end = 0;
};

class Reader {
 public:
  Reader(ByteSpan archive, std::uint64_t most) : bytes_(archive), most_(most) {}
  Result<Zip> Read();

 private:
  std::vector<Directory> FindDirectories();
  std::optional<Directory> ParseEnd(std::uint64_t at);
  void CheckOffset(const Directory& directory);
  bool ReplaceBy64(std::uint64_t end_record, Directory& directory, std::uint64_t& size, std::uint64_t& offset);
  Status ReadDirectory(const Directory& directory);
  std::optional<ZipEntry> ParseCentral(std::uint64_t at, const Directory& directory);
  void Widen(ByteSpan extra, ZipEntry& entry, bool wide_size, bool wide_stored, bool wide_header);
  Status AddWithLocal(ZipEntry entry);
  std::uint64_t EndOfData(const ZipEntry& entry);
  std::vector<Region> Uncovered();
  Status SearchLocal(Region region);
  std::optional<ZipEntry> ParseLocal(std::uint64_t at, std::uint64_t end) const;
  Status Add(const ZipEntry& entry);

  ByteSpan bytes_;
  const std::uint64_t most_;
  Zip out_;
  Oddities oddities_;
  std::vector<Region> covered_;
  std::uint64_t inflate_budget_ = limits::kArchiveBytes;
};

Result<Zip> Reader::Read() {
  std::vector<Directory> directories = FindDirectories();
  if (directories.empty()) oddities_.Add("no central directory");
  if (directories.size() > 1) oddities_.Add("more than one end record: readers may see different archives");
  for (const Directory& directory : directories) BW_CHECK(ReadDirectory(directory));
  // From here on every entry that a directory names is in out_, and its bytes are in covered_.
  for (Region region : Uncovered()) BW_CHECK(SearchLocal(region));
  if (directories.empty() && out_.entries.empty()) return Error{Errc::kCorrupt, "not a zip archive"};
  out_.oddities = oddities_.Take();
  return std::move(out_);
}

// What Java finds comes first.
std::vector<Directory> Reader::FindDirectories() {
  std::vector<Directory> out;
  if (bytes_.size() < kEndBytes) return out;
  std::uint64_t last = bytes_.size() - kEndBytes;
  std::uint64_t first = last > kCommentBytes ? last - kCommentBytes : 0;
  for (std::uint64_t at = last + 1; at-- > first && out.size() < kEndsConsidered;) {
    if (bytes_[at] != 'P' || Load32(bytes_, at) != kEndSignature) continue;
    auto directory = ParseEnd(at);
    // The last one counts even with bytes behind it, as Java has it. An earlier one must reach the end by its comment:
    // others belong to archives inside.
    if (!directory || (!out.empty() && !directory->exact)) continue;
    bool known = std::any_of(out.begin(), out.end(), [&](const Directory& d) { return d.begin == directory->begin; });
    if (known) continue;
    CheckOffset(*directory);
    out.push_back(*directory);
  }
  return out;
}

// nullopt unless a central header, or nothing for an empty archive, is where the record says.
std::optional<Directory> Reader::ParseEnd(std::uint64_t at) {
  Directory directory;
  directory.end = at;
  directory.tail = at + kEndBytes + Load16(bytes_, at + 20);
  if (directory.tail > bytes_.size()) return std::nullopt;
  directory.exact = directory.tail == bytes_.size();
  directory.count = Load16(bytes_, at + 10);
  std::uint64_t size = Load32(bytes_, at + 12), offset = Load32(bytes_, at + 16);
  bool wide = directory.count == 0xffff || size == 0xffffffff || offset == 0xffffffff;
  if (wide) ReplaceBy64(at, directory, size, offset);
  if (size > directory.end) return std::nullopt;
  directory.begin = directory.end - size;
  if (size >= kCentralBytes && Load32(bytes_, directory.begin) != kCentralSignature) return std::nullopt;
  if (size < kCentralBytes && directory.count != 0) return std::nullopt;
  directory.offset = offset;
  directory.prefix = directory.begin - std::min(offset, directory.begin);
  return directory;
}

void Reader::CheckOffset(const Directory& directory) {
  if (directory.offset > directory.begin) oddities_.Add("the end record's offset points behind the central directory");
  if (directory.prefix && Fits(bytes_, directory.offset, kCentralBytes) && Load32(bytes_, directory.offset) == kCentralSignature) {
    oddities_.Add("a second central directory lies where the end record's offset points");
  }
}

bool Reader::ReplaceBy64(std::uint64_t end_record, Directory& directory, std::uint64_t& size, std::uint64_t& offset) {
  if (end_record < kLocator64Bytes) return false;
  std::uint64_t locator = end_record - kLocator64Bytes;
  if (Load32(bytes_, locator) != kLocator64Signature) return false;
  std::uint64_t at = Load(bytes_, locator + 8, 8);
  auto is_record = [&](std::uint64_t where) {
    return where < locator && locator - where >= kEnd64Bytes && Load32(bytes_, where) == kEnd64Signature;
  };
  // With data before the archive the offset is off by its length; the record then lies right before the locator.
  if (!is_record(at)) at = locator >= kEnd64Bytes ? locator - kEnd64Bytes : locator;
  if (!is_record(at)) return false;
  directory.end = at;
  directory.count = Load(bytes_, at + 32, 8);
  size = Load(bytes_, at + 40, 8);
  offset = Load(bytes_, at + 48, 8);
  return true;
}

Status Reader::ReadDirectory(const Directory& directory) {
  covered_.push_back({directory.begin, directory.tail});
  std::uint64_t at = directory.begin, found = 0;
  while (at + kCentralBytes <= directory.end && Load32(bytes_, at) == kCentralSignature) {
    std::uint64_t length = kCentralBytes + Load16(bytes_, at + 28) + Load16(bytes_, at + 30) + Load16(bytes_, at + 32);
    if (length > directory.end - at) break;
    if (++found > most_) return {Errc::kLimit, "more than " + std::to_string(most_) + " entries"};
    if (auto entry = ParseCentral(at, directory)) BW_CHECK(AddWithLocal(*entry));
    at += length;
  }
  if (at != directory.end) oddities_.Add("the central directory is damaged or has bytes left over");
  if (found != directory.count) oddities_.Add("the end record counts another number of entries than there are");
  return {};
}

std::optional<ZipEntry> Reader::ParseCentral(std::uint64_t at, const Directory& directory) {
  ZipEntry entry;
  std::uint16_t name = Load16(bytes_, at + 28), extra = Load16(bytes_, at + 30);
  entry.name = AsText(bytes_.subspan(at + kCentralBytes, name));
  entry.encrypted = Load16(bytes_, at + 8) & 1;
  entry.method = Load16(bytes_, at + 10);
  entry.crc = Load32(bytes_, at + 16);
  entry.stored = Load32(bytes_, at + 20);
  entry.size = Load32(bytes_, at + 24);
  entry.header = Load32(bytes_, at + 42);
  Widen(bytes_.subspan(at + kCentralBytes + name, extra), entry, entry.size == 0xffffffff, entry.stored == 0xffffffff,
        entry.header == 0xffffffff);
  if (entry.header > bytes_.size() || !Fits(bytes_, entry.header + directory.prefix, kLocalBytes)) {
    oddities_.Add("a central header points outside", entry.name);
    return std::nullopt;
  }
  entry.header += directory.prefix;
  return entry;
}

// The zip64 extra field (APPNOTE 4.5.3): only the values whose 32-bit field is all ones, in this order.
void Reader::Widen(ByteSpan extra, ZipEntry& entry, bool wide_size, bool wide_stored, bool wide_header) {
  while (extra.size() >= 4) {
    std::uint16_t id = Load16(extra, 0), length = Load16(extra, 2);
    if (length > extra.size() - 4u) return;
    ByteSpan body = extra.subspan(4, length);
    extra = extra.subspan(4u + length);
    if (id != 1) continue;
    auto take = [&body](bool wanted, std::uint64_t& value) {
      if (!wanted || body.size() < 8) return;
      value = Load(body, 0, 8);
      body = body.subspan(8);
    };
    take(wide_size, entry.size);
    take(wide_stored, entry.stored);
    take(wide_header, entry.header);
    return;
  }
}

// Completes an entry of the directory by its local header, and notes where the two differ.
Status Reader::AddWithLocal(ZipEntry entry) {
  if (Load32(bytes_, entry.header) != kLocalSignature) {
    oddities_.Add("no local header where the central directory says", entry.name);
    return {};
  }
  std::uint16_t flags = Load16(bytes_, entry.header + 6);
  std::uint16_t name = Load16(bytes_, entry.header + 26), extra = Load16(bytes_, entry.header + 28);
  entry.data = entry.header + kLocalBytes + name + extra;
  if (!Fits(bytes_, entry.data, entry.stored)) {
    oddities_.Add("an entry's data ends outside", entry.name);
    entry.data = std::min<std::uint64_t>(entry.data, bytes_.size());
    entry.stored = bytes_.size() - entry.data;
  }
  covered_.push_back({entry.header, EndOfData(entry)});
  BW_CHECK(Add(entry));
  std::string_view local_name = Fits(bytes_, entry.header + kLocalBytes, name)
                                    ? AsText(bytes_.subspan(entry.header + kLocalBytes, name)) : std::string_view();
  if (Load16(bytes_, entry.header + 8) != entry.method) oddities_.Add("the local header has another method", entry.name);
  std::uint32_t local_stored = Load32(bytes_, entry.header + 18);
  if (!(flags & 8) && local_stored != 0xffffffff && local_stored != entry.stored) {
    oddities_.Add("the local header has another size", entry.name);
  }
  if (local_name == entry.name) return {};
  oddities_.Add("the local header has another name", entry.name);
  entry.name = local_name;
  entry.in_directory = false;
  return Add(entry);
}

// Where an entry's data really ends. A directory may claim more than the deflate stream has and so cover local headers
// that a reader without the directory finds; only data with such a signature in it is worth inflating to know.
std::uint64_t Reader::EndOfData(const ZipEntry& entry) {
  std::uint64_t claimed = entry.data + entry.stored;
  if (entry.method != 8 || entry.encrypted || entry.stored < kLocalBytes) return claimed;
  if (!::memmem(bytes_.data() + entry.data, entry.stored, kLocalMagic, sizeof kLocalMagic)) return claimed;
  std::uint64_t consumed = 0;
  auto inflated = InflateRaw(bytes_.subspan(entry.data, entry.stored), std::min(inflate_budget_, limits::kArchiveHeldBytes), &consumed);
  if (!inflated) {
    oddities_.Add("an entry's data could not be checked for hidden entries", entry.name);
    if (inflated.error().code == Errc::kLimit) inflate_budget_ -= std::min(inflate_budget_, limits::kArchiveHeldBytes);
    return claimed;
  }
  inflate_budget_ -= inflated->size();
  if (consumed == entry.stored) return claimed;
  oddities_.Add("an entry's data is shorter than the central directory says", entry.name);
  return entry.data + consumed;
}

// The parts of the archive that no directory and no entry of one covers, in order.
std::vector<Region> Reader::Uncovered() {
  std::sort(covered_.begin(), covered_.end(),
            [](const Region& a, const Region& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::vector<Region> out;
  std::uint64_t end = 0;
  for (const Region& region : covered_) {
    if (region.begin > end) out.push_back({end, region.begin});
    if (region.begin < end) oddities_.Add("entries overlap");
    end = std::max(end, region.end);
  }
  if (end < bytes_.size()) out.push_back({end, bytes_.size()});
  return out;
}

Status Reader::SearchLocal(Region region) {
  std::uint64_t at = region.begin;
  while (at < region.end && region.end - at >= kLocalBytes) {
    const void* hit = ::memmem(bytes_.data() + at, region.end - at, kLocalMagic, sizeof kLocalMagic);
    if (!hit) return {};
    at = static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(hit) - bytes_.data());
    auto entry = ParseLocal(at, region.end);
    if (!entry) {
      at += sizeof kLocalMagic;
      continue;
    }
    oddities_.Add("an entry that the central directory does not name", entry->name);
    BW_CHECK(Add(*entry));
    at = entry->has_sizes ? entry->data + entry->stored : entry->data;
  }
  return {};
}

// nullopt for bytes that only look like a local header.
std::optional<ZipEntry> Reader::ParseLocal(std::uint64_t at, std::uint64_t end) const {
  if (end - at < kLocalBytes) return std::nullopt;
  ZipEntry entry;
  std::uint16_t flags = Load16(bytes_, at + 6), name = Load16(bytes_, at + 26), extra = Load16(bytes_, at + 28);
  entry.in_directory = false;
  entry.header = at;
  entry.encrypted = flags & 1;
  entry.method = Load16(bytes_, at + 8);
  entry.crc = Load32(bytes_, at + 14);
  entry.stored = Load32(bytes_, at + 18);
  entry.size = Load32(bytes_, at + 22);
  entry.data = at + kLocalBytes + name + extra;
  if (name == 0 || entry.data > end || entry.method > 99) return std::nullopt;
  entry.name = AsText(bytes_.subspan(at + kLocalBytes, name));
  std::uint64_t room = end - entry.data;
  entry.has_sizes = !(flags & 8) && entry.stored != 0xffffffff && entry.stored <= room;
  if (!entry.has_sizes) entry.stored = room;
  return entry;
}

Status Reader::Add(const ZipEntry& entry) {
  if (out_.entries.size() >= most_) {
    return {Errc::kLimit, "more than " + std::to_string(most_) + " entries"};
  }
  out_.entries.push_back(entry);
  return {};
}

}  // namespace

Result<Zip> ReadZip(ByteSpan archive, std::uint64_t most) { return Reader(archive, most).Read(); }

Result<Bytes> ReadZipEntry(ByteSpan archive, const ZipEntry& entry, std::uint64_t limit) {
  if (entry.encrypted) return Error{Errc::kUnsupported, "encrypted"};
  if (!Fits(archive, entry.data, entry.stored)) return Error{Errc::kRange, "data outside the archive"};
  ByteSpan data = archive.subspan(entry.data, entry.stored);
  Bytes out;
  if (entry.method == 0) {
    if (!entry.has_sizes) return Error{Errc::kUnsupported, "stored without a size"};
    if (data.size() > limit) return Error{Errc::kLimit, "larger than the limit"};
    out.assign(data.begin(), data.end());
  } else if (entry.method == 8) {
    BW_TRY(out, InflateRaw(data, limit));
  } else {
    return Error{Errc::kUnsupported, "compression method " + std::to_string(entry.method)};
  }
  if (entry.has_sizes && (out.size() != entry.size || Crc32(out) != entry.crc)) {
    return Error{Errc::kCorrupt, "size or checksum does not fit the data"};
  }
  return out;
}

}  // namespace bulwark::formats
