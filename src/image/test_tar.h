#pragma once
// Small tars for tests, ustar by hand.

#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace bulwark::image::testing {

inline std::string TarHeaderBlock(std::string_view name, char type, std::uint64_t size, std::string_view link = {},
                                  unsigned mode = 0644) {
  char block[512] = {};
  name.copy(block, 100);
  std::snprintf(block + 100, 8, "%07o", mode & 07777);
  std::memcpy(block + 108, "0000000\0000000000", 16);
  std::snprintf(block + 124, 12, "%011llo", static_cast<unsigned long long>(size));
  std::memcpy(block + 136, "00000000000", 12);
  block[156] = type;
  link.copy(block + 157, 100);
  std::memcpy(block + 257, "ustar\00000", 8);
  std::memset(block + 148, ' ', 8);
  unsigned sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(block + 148, 8, "%06o", sum);
  return std::string(block, sizeof block);
}

inline std::string TarPadded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512);
  return data;
}

inline std::string TarFile(std::string_view name, std::string_view data, unsigned mode = 0644) {
  return TarHeaderBlock(name, '0', data.size(), {}, mode) + TarPadded(std::string(data));
}

inline std::string TarEnd() { return std::string(1024, '\0'); }

}  // namespace bulwark::image::testing
