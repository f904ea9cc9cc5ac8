#pragma once
// Everything known about one layer blob after it was read once (DESIGN 2.8). Stored under (layer digest, cataloguer-set
// version, limits version). The encoding is docs/formats/layer-record.md.

#include <cstdint>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/digest.h"
#include "base/result.h"
#include "image/facts.h"

namespace bulwark::image {

enum class EntryType : std::uint8_t {
  kFile = 1,
  kDirectory = 2,
  kSymlink = 3,
  kHardlink = 4,
  kDevice = 5,
  kFifo = 6,
  kWhiteout = 7,
  kOpaque = 8
};

// One tar entry, in stream order.
struct Entry {
  EntryType type = EntryType::kFile;
  bool odd_name = false;   // the name as written needed cleaning beyond "./" (.., //, absolute, not UTF-8)
  std::uint32_t mode = 0;  // permission bits with setuid, setgid, sticky
  std::uint64_t size = 0;  // of a file's data
  // Cleaned as a runtime cleans it: no leading "/", no "..", no "."; "" is the root; a whiteout's target without ".wh.".
  std::string path = {};
  std::string link = {};     // target of a symlink (verbatim) or hard link (cleaned)
  std::uint64_t offset = 0;  // of its first header block in the tar
  auto operator<=>(const Entry&) const = default;
};

enum class Compression : std::uint8_t { kNone = 0, kGzip = 1, kZstd = 2 };

// Where inflating can start again.
struct SeekPoint {
  std::uint64_t compressed = 0;  // byte offset in the blob
  std::uint64_t inflated = 0;    // byte offset in the tar
  std::uint8_t bits = 0;         // gzip: bits of the byte before `compressed` that belong to the stream
  Bytes window;                  // gzip: up to 32 KiB before this point; empty for zstd (frame starts)
  auto operator<=>(const SeekPoint&) const = default;
};

struct LayerRecord {
  bool is_layer = false;  // false: the bytes are no tar stream (a config, an SBOM, …); the rest is empty then
  Compression compression = Compression::kNone;
  Digest diff_id;  // sha256 of the inflated bytes; empty() if the stream did not end well
  std::uint64_t blob_size = 0;
  std::uint64_t inflated_size = 0;
  std::uint32_t set_version = 0;     // catalog::kSetVersion at the time
  std::uint32_t limits_version = 0;  // limits::kLimitsVersion
  bool complete = true;              // false: a limit or an error ended it early; read again when limits or code change
  std::vector<Entry> entries;
  std::vector<FileFacts> files;  // sorted by (entry, cataloger)
  std::vector<Gap> gaps;         // of the stream itself
  std::vector<SeekPoint> seek_points;
  auto operator<=>(const LayerRecord&) const = default;
};

// Deterministic. Decode treats the bytes as foreign (a worker wrote them): kCorrupt, kLimit; never allocates by a
// declared size alone.
Bytes Encode(const LayerRecord& record);
Result<LayerRecord> DecodeLayerRecord(ByteSpan bytes);

// Memory that an entry takes in an index, heap included; the sum is bounded by limits::kLayerIndexBytes.
std::uint64_t IndexBytes(const Entry& entry);

}  // namespace bulwark::image
