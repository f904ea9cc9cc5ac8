// Decodes the input as a record, and as the payload of one; what decodes must encode to the same record.

#include <cstdlib>

#include <zstd.h>

#include "image/layer_record.h"

namespace {

void Try(bulwark::ByteSpan bytes) {
  auto record = bulwark::image::DecodeLayerRecord(bytes);
  if (!record) return;
  auto again = bulwark::image::DecodeLayerRecord(bulwark::image::Encode(*record));
  if (!again || !(*again == *record)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Try({data, size});
  bulwark::Bytes packed{'B', 'W', 'L', 'A', 'Y', 'E', 'R', 1};
  packed.resize(8 + ZSTD_compressBound(size));
  packed.resize(8 + ZSTD_compress(packed.data() + 8, packed.size() - 8, data, size, 1));
  Try(packed);
  return 0;
}
