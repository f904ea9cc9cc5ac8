#pragma once
// ELF files in memory (System V gABI chapter 4 and 5): section and program headers and the bytes they name. Both
// classes, both byte orders. Nothing in a header is believed: every range is checked against the file.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"

namespace bulwark::formats {

struct ElfSection {
  std::string_view name;       // empty if the string table is broken
  std::uint32_t type = 0;
  std::uint64_t flags = 0;
  std::uint64_t address = 0;
  ByteSpan bytes;              // empty for SHT_NOBITS and for ranges outside the file
  bool outside = false;        // its declared range is not in the file
};

struct ElfSegment {
  std::uint32_t type = 0;      // 1 = PT_LOAD
  std::uint32_t flags = 0;     // 1 execute, 2 write, 4 read
  std::uint64_t address = 0;
  ByteSpan bytes;
  bool outside = false;
};

struct Elf {
  bool wide = false;           // 64-bit
  bool big_endian = false;
  std::uint16_t type = 0;      // 2 executable, 3 shared object or PIE
  std::uint16_t machine = 0;
  std::vector<ElfSection> sections;
  std::vector<ElfSegment> segments;
  bool sections_damaged = false;  // a table that is declared but not in the file
  bool segments_damaged = false;

  const ElfSection* Section(std::string_view name) const;  // the first; nullptr if absent
  // Bytes from a virtual address to the end of the file-backed segment that holds it.
  std::optional<ByteSpan> AtAddress(std::uint64_t address) const;
  std::uint64_t Load(ByteSpan bytes, std::size_t offset, unsigned width) const;  // 0 outside
};

bool LooksLikeElf(ByteSpan file);
// kCorrupt if the file header itself is not whole; damaged tables are told by the flags. `file` outlives the result.
Result<Elf> ReadElf(ByteSpan file);

}  // namespace bulwark::formats
