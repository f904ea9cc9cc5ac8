// A hostile advisory file whose checksums are right: it is refused, or every look-up in it is safe.

#include <cstddef>
#include <cstdint>
#include <string>

#include "advisory/file_format.h"
#include "advisory/index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark::advisory;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= sizeof(file::Header)) {
    file::Header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    header.magic = file::kMagic;
    header.version = file::kVersion;
    header.sections = file::kSectionCount;
    header.file_size = size;
    header.payload_hash = file::Hash(bulwark::AsBytes(bytes).subspan(sizeof header));
    header.header_hash = file::Hash({reinterpret_cast<const std::uint8_t*>(&header), offsetof(file::Header, header_hash)});
    std::memcpy(bytes.data(), &header, sizeof header);
  }
  const auto index = IndexOfBytes(bytes);
  if (!index) return 0;
  auto all = [](const Record&) { return true; };
  (*index)->EachKey([&](const bulwark::versions::PackageKey& key, std::uint64_t) { (*index)->Find(key, all); });
  (*index)->Find({"npm", "a"}, all);
  (*index)->Covers("npm");
  (*index)->Exploited("CVE-2021-44228");
  (*index)->EpssOf("CVE-2021-44228");
  (*index)->sources();
  return 0;
}
