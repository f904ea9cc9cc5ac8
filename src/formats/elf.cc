#include "formats/elf.h"

#include <algorithm>
#include <cstring>

namespace bulwark::formats {
namespace {

constexpr std::size_t kHeader32 = 52, kHeader64 = 64;
constexpr std::size_t kSection32 = 40, kSection64 = 64, kSegment32 = 32, kSegment64 = 56;
constexpr std::uint32_t kNoBits = 8;
constexpr std::uint64_t kExtendedIndex = 0xffff;  // SHN_XINDEX, PN_XNUM: the value is in section 0

struct Table {
  std::uint64_t offset = 0, count = 0, entry = 0;
};

// A table's bytes; empty if it is not wholly in the file or its entries are smaller than the format's. The count may
// come from a 64-bit field, so it is compared by division.
ByteSpan TableBytes(ByteSpan file, const Table& table, std::size_t least) {
  if (table.entry < least || table.offset > file.size()) return {};
  if (table.count > (file.size() - table.offset) / table.entry) return {};
  return file.subspan(table.offset, table.count * table.entry);
}

ByteSpan Range(ByteSpan file, std::uint64_t offset, std::uint64_t size, bool& outside) {
  outside = offset > file.size() || size > file.size() - offset;
  return outside ? ByteSpan() : file.subspan(offset, size);
}

std::string_view NameAt(ByteSpan strings, std::uint64_t at) {
  if (at >= strings.size()) return {};
  std::string_view rest = AsText(strings.subspan(at));
  std::size_t end = rest.find('\0');
  return end == rest.npos ? std::string_view() : rest.substr(0, end);
}

class Reader {
 public:
  explicit Reader(ByteSpan file) : file_(file) {}
  Result<Elf> Read();

 private:
  std::uint64_t Word(std::size_t at) const { return elf_.Load(file_, at, elf_.wide ? 8 : 4); }
  std::uint64_t Half(std::size_t at) const { return elf_.Load(file_, at, 2); }
  ElfSection ParseSection(ByteSpan header);
  ElfSegment ParseSegment(ByteSpan header);
  void ReadSections(Table table, std::uint64_t names);
  void ReadSegments(Table table);

  ByteSpan file_;
  Elf elf_;
};

Result<Elf> Reader::Read() {
  if (!LooksLikeElf(file_) || file_.size() < 16) return Error{Errc::kCorrupt, "not an ELF file"};
  std::uint8_t klass = file_[4], order = file_[5];
  if ((klass != 1 && klass != 2) || (order != 1 && order != 2)) return Error{Errc::kCorrupt, "unknown ELF class or byte order"};
  elf_.wide = klass == 2;
  elf_.big_endian = order == 2;
  if (file_.size() < (elf_.wide ? kHeader64 : kHeader32)) return Error{Errc::kCorrupt, "ELF header is cut off"};
  elf_.type = static_cast<std::uint16_t>(Half(16));
  elf_.machine = static_cast<std::uint16_t>(Half(18));
  std::size_t halves = elf_.wide ? 54 : 42;  // e_phentsize; e_phnum, e_shentsize, e_shnum, e_shstrndx follow
  Table segments{Word(elf_.wide ? 32 : 28), Half(halves + 2), Half(halves)};
  Table sections{Word(elf_.wide ? 40 : 32), Half(halves + 6), Half(halves + 4)};
  std::uint64_t names = Half(halves + 8);
  // Large counts live in section 0 (gABI, "sh_size", "sh_link", "sh_info" of index 0).
  ByteSpan zero = TableBytes(file_, {sections.offset, sections.offset ? 1u : 0u, sections.entry}, elf_.wide ? kSection64 : kSection32);
  if (!zero.empty()) {
    if (sections.count == 0) sections.count = elf_.Load(zero, elf_.wide ? 32 : 20, elf_.wide ? 8 : 4);
    if (names == kExtendedIndex) names = elf_.Load(zero, elf_.wide ? 40 : 24, 4);
    if (segments.count == kExtendedIndex) segments.count = elf_.Load(zero, elf_.wide ? 44 : 28, 4);
  }
  if (sections.offset) ReadSections(sections, names);
  if (segments.offset) ReadSegments(segments);
  return std::move(elf_);
}

void Reader::ReadSections(Table table, std::uint64_t names) {
  ByteSpan bytes = TableBytes(file_, table, elf_.wide ? kSection64 : kSection32);
  elf_.sections_damaged = bytes.empty() && table.count != 0;
  // The table lies in the file, so its size bounds what is allocated here.
  std::vector<std::uint32_t> name_offsets;
  for (; !bytes.empty(); bytes = bytes.subspan(table.entry)) {
    elf_.sections.push_back(ParseSection(bytes));
    name_offsets.push_back(static_cast<std::uint32_t>(elf_.Load(bytes, 0, 4)));
  }
  if (names >= elf_.sections.size()) return;
  ByteSpan strings = elf_.sections[names].bytes;
  for (std::size_t i = 0; i < elf_.sections.size(); ++i) elf_.sections[i].name = NameAt(strings, name_offsets[i]);
}

ElfSection Reader::ParseSection(ByteSpan header) {
  ElfSection section;
  unsigned word = elf_.wide ? 8 : 4;
  section.type = static_cast<std::uint32_t>(elf_.Load(header, 4, 4));
  section.flags = elf_.Load(header, 8, word);
  section.address = elf_.Load(header, 8u + word, word);
  if (section.type == kNoBits) return section;
  section.bytes = Range(file_, elf_.Load(header, 8u + 2 * word, word), elf_.Load(header, 8u + 3 * word, word), section.outside);
  return section;
}

void Reader::ReadSegments(Table table) {
  ByteSpan bytes = TableBytes(file_, table, elf_.wide ? kSegment64 : kSegment32);
  elf_.segments_damaged = bytes.empty() && table.count != 0;
  for (; !bytes.empty(); bytes = bytes.subspan(table.entry)) elf_.segments.push_back(ParseSegment(bytes));
}

ElfSegment Reader::ParseSegment(ByteSpan header) {
  ElfSegment segment;
  segment.type = static_cast<std::uint32_t>(elf_.Load(header, 0, 4));
  segment.flags = static_cast<std::uint32_t>(elf_.Load(header, elf_.wide ? 4 : 24, 4));
  segment.address = elf_.Load(header, elf_.wide ? 16 : 8, elf_.wide ? 8 : 4);
  std::uint64_t offset = elf_.Load(header, elf_.wide ? 8 : 4, elf_.wide ? 8 : 4);
  segment.bytes = Range(file_, offset, elf_.Load(header, elf_.wide ? 32 : 16, elf_.wide ? 8 : 4), segment.outside);
  return segment;
}

}  // namespace

bool LooksLikeElf(ByteSpan file) { return file.size() >= 4 && std::memcmp(file.data(), "\x7f" "ELF", 4) == 0; }

Result<Elf> ReadElf(ByteSpan file) { return Reader(file).Read(); }

const ElfSection* Elf::Section(std::string_view name) const {
  auto at = std::find_if(sections.begin(), sections.end(), [&](const ElfSection& s) { return s.name == name; });
  return at == sections.end() ? nullptr : &*at;
}

std::optional<ByteSpan> Elf::AtAddress(std::uint64_t address) const {
  for (const ElfSegment& segment : segments) {
    if (segment.type != 1 || address < segment.address || address - segment.address >= segment.bytes.size()) continue;
    return segment.bytes.subspan(address - segment.address);
  }
  return std::nullopt;
}

std::uint64_t Elf::Load(ByteSpan bytes, std::size_t offset, unsigned width) const {
  if (offset > bytes.size() || width > bytes.size() - offset) return 0;
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; ++i) {
    std::size_t at = big_endian ? offset + i : offset + width - 1 - i;
    value = value << 8 | bytes[at];
  }
  return value;
}

}  // namespace bulwark::formats
