#pragma once
// Zip archives in memory (PKWARE APPNOTE 6.3.10: zip64, data descriptors, stored and deflated members). Readers of zip
// files disagree: some believe the central directory, some walk the local headers. Both views are reported, so that what
// one of them hides is seen (attacks: zip-double-truth).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/result.h"

namespace bulwark::formats {

struct ZipEntry {
  std::string_view name;          // as written; a view into the archive
  std::uint16_t method = 0;       // 0 stored, 8 deflated
  bool encrypted = false;
  bool in_directory = true;       // false: only a local header names it
  std::uint32_t crc = 0;          // of the inflated bytes; unknown if !has_sizes
  bool has_sizes = true;          // false: only a data descriptor behind the data tells sizes and crc
  std::uint64_t size = 0;         // inflated, as declared
  std::uint64_t header = 0;       // offset of its local header in the archive
  std::uint64_t data = 0;         // offset of its data
  std::uint64_t stored = 0;       // bytes of data; up to the end of its region if !has_sizes
};

struct Zip {
  std::vector<ZipEntry> entries;     // of the central directory in its order, then those only local headers name
  std::vector<std::string> oddities; // sentences: where the views differ or the structure lies; sorted, unique
};

// kCorrupt if nothing in the bytes is a zip, kLimit above `most` entries. Damage beside readable entries is
// an oddity. `archive` outlives the result.
Result<Zip> ReadZip(ByteSpan archive, std::uint64_t most = limits::kArchiveEntries);

// The inflated bytes of one entry. kUnsupported for encrypted ones and other methods; kCorrupt for damage or a wrong
// checksum; kLimit if there are more than `limit`.
Result<Bytes> ReadZipEntry(ByteSpan archive, const ZipEntry& entry, std::uint64_t limit);

}  // namespace bulwark::formats
