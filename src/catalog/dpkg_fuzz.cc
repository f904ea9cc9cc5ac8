#include <cstddef>
#include <cstdint>

#include "catalog/readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark;
  for (const char* path : {"var/lib/dpkg/status", "var/lib/dpkg/status.d/a"}) (void)catalog::ReadDpkgStatus({path, ByteSpan(data, size), 0644});
  for (const char* path : {"var/lib/dpkg/info/a.list", "var/lib/dpkg/info/a.md5sums"}) {
    (void)catalog::ReadDpkgFileList({path, ByteSpan(data, size), 0644});
  }
  (void)catalog::ReadOsRelease({"etc/os-release", ByteSpan(data, size), 0644});
  return 0;
}
