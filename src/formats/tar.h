#pragma once
// Streaming tar: v7, ustar, pax (POSIX.1-2001), GNU and star headers, with long names, base-256 numbers and the sparse
// forms (old GNU, 0.0, 0.1, 1.0). Go's archive/tar decides what an archive holds, because container runtimes use it.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"

namespace bulwark::formats {

// A stream handed out piece by piece without copying.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  // The next bytes; empty at the end. Valid until the next call.
  virtual Result<ByteSpan> Next() = 0;
};

struct TarHeader {
  char type = '0';           // typeflag; '\0' and the old GNU sparse 'S' are given as '0' (or '5' for "name/" in v7)
  std::string name, link;    // as written, after pax and GNU long names
  std::uint32_t mode = 0;    // the low 12 bits
  std::uint64_t size = 0;    // of the file's data as a reader sees it, holes included; 0 for types without data
  std::uint64_t offset = 0;  // where the entry's first header block starts, extension headers included
};

// Walks the entries of one archive, front to back.
class TarReader {
 public:
  // `source` outlives the reader; its first byte has offset `at`.
  explicit TarReader(ChunkSource& source, std::uint64_t at = 0) : source_(source), position_(at) {}

  // Goes to the next entry, past data that was not read. False at the end of the archive. kCorrupt where Go's reader
  // fails, kLimit for extension headers or sparse maps beyond limits.h; nothing may be read after an error.
  Result<bool> Next(TarHeader& header);
  // All data of the current entry: a view into the source where it lies there whole, else into `scratch`. Valid until
  // the next call of anything. The caller has checked header.size.
  Result<ByteSpan> Data(Bytes& scratch);
  // The data of the current entry piece by piece, until `each` wants no more. False, and nothing is read, for sparse
  // files.
  Result<bool> Parts(const std::function<bool(ByteSpan)>& each);
  // Forgets the current entry and goes forward to where a header starts; kCorrupt if the stream ends before.
  Status SkipTo(std::uint64_t offset);
  // After the end of the archive: reads the rest of the stream; true if it holds anything but zeros.
  Result<bool> RestHasData();

  std::uint64_t position() const { return position_; }

 private:
  struct Region {
    std::int64_t offset, length;
  };
  using Pax = std::map<std::string, std::string, std::less<>>;
  using Block = std::uint8_t[512];

  Result<std::size_t> ReadUpTo(std::uint8_t* into, std::size_t n);
  Status ReadFully(std::uint8_t* into, std::size_t n);
  Status Skip(std::uint64_t n);
  Result<bool> ReadHeader(TarHeader& header, std::int64_t& size);
  Result<std::string> ReadSpecial();
  Status BeginData(char type, std::int64_t size);
  Result<Pax> ReadPax();
  Status MergePax(TarHeader& header, std::int64_t& size, const Pax& pax);
  Status BeginSparse(TarHeader& header, std::int64_t& size, const Pax& pax);
  Status ReadOldSparse(std::int64_t& size);
  Status ReadSparse1x0();
  Status ReadSparse0x1(const Pax& pax);
  Status AddRegion(std::int64_t offset, std::int64_t length);
  Status CheckRegions(std::int64_t size) const;
  Status ReadData(std::uint64_t n, Bytes& into);

  ChunkSource& source_;
  ByteSpan chunk_;
  std::uint64_t position_ = 0;
  Block block_;
  std::uint64_t left_ = 0;     // data of the current entry not read yet, as stored
  std::uint64_t padding_ = 0;  // behind it
  bool sparse_ = false;
  std::vector<Region> regions_;
  std::uint64_t size_ = 0;  // header.size of the current entry
};

}  // namespace bulwark::formats
