#include "formats/elf.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark;
  ByteSpan file(data, size);
  auto elf = formats::ReadElf(file);
  if (!elf) return 0;
  auto inside = [&](ByteSpan part) { return part.empty() || (part.data() >= data && part.data() + part.size() <= data + size); };
  for (const auto& section : elf->sections) {
    if (!inside(section.bytes)) std::abort();
  }
  for (const auto& segment : elf->segments) {
    if (!inside(segment.bytes)) std::abort();
    if (auto at = elf->AtAddress(segment.address); at && !inside(*at)) std::abort();
  }
  return 0;
}
