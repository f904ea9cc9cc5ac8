#include <cstddef>
#include <cstdint>

#include "catalog/readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark;
  (void)catalog::ReadNpmLock({"package-lock.json", ByteSpan(data, size), 0755});
  (void)catalog::ReadNodePackage({"node_modules/a/package.json", ByteSpan(data, size), 0644});
  return 0;
}
