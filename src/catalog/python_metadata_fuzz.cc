#include <cstddef>
#include <cstdint>

#include "catalog/readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark;
  (void)catalog::ReadPythonMetadata({"x.dist-info/METADATA", ByteSpan(data, size), 0755});
  return 0;
}
