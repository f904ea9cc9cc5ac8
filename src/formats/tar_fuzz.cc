// Walks the input as a tar; odd entries are read, the others skipped.

#include <algorithm>
#include <cstdlib>

#include "formats/tar.h"

namespace {

class Chunks final : public bulwark::formats::ChunkSource {
 public:
  explicit Chunks(bulwark::ByteSpan bytes) : bytes_(bytes) {}
  bulwark::Result<bulwark::ByteSpan> Next() override {
    auto chunk = bytes_.first(std::min<std::size_t>(bytes_.size(), 700));
    bytes_ = bytes_.subspan(chunk.size());
    return chunk;
  }

 private:
  bulwark::ByteSpan bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Chunks chunks({data, size});
  bulwark::formats::TarReader tar(chunks);
  bulwark::formats::TarHeader header;
  bulwark::Bytes scratch;
  for (int i = 0;; ++i) {
    auto more = tar.Next(header);
    if (!more || !*more) break;
    if (header.offset % 512 != 0 || header.offset > size) std::abort();
    if (i % 2 == 0 || header.size > 1 << 20) continue;
    auto bytes = tar.Data(scratch);
    if (!bytes) break;
    if (bytes->size() != header.size) std::abort();
  }
  return 0;
}
