#include "formats/zstd.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bulwark::MemorySource source({data, size});
  bulwark::formats::ZstdReader reader(source, 20);
  bulwark::Bytes buffer(5000);
  for (int i = 0; i < 400; ++i) {
    auto n = reader.Read(buffer);
    if (!n || *n == 0) break;
  }
  return 0;
}
