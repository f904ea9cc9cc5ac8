#pragma once

#include <string_view>

namespace bulwark::catalog {

// Cuts the first line off `rest` and returns it without LF or CR LF. One line at a time, because a list of all lines of a
// hostile file would be many times its size.
inline std::string_view TakeLine(std::string_view& rest) {
  std::size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace bulwark::catalog
