#include <cstddef>
#include <cstdint>

#include "catalog/readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)bulwark::catalog::ReadApkInstalled({"lib/apk/db/installed", bulwark::ByteSpan(data, size), 0644});
  return 0;
}
