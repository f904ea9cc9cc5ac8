#include "formats/zip.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark;
  ByteSpan archive(data, size);
  auto zip = formats::ReadZip(archive);
  if (!zip) return 0;
  std::size_t read = 0;
  for (const auto& entry : zip->entries) {
    if (++read > 64) break;
    auto bytes = formats::ReadZipEntry(archive, entry, 1 << 16);
    if (bytes.ok() && bytes->size() > 1 << 16) std::abort();
  }
  return 0;
}
