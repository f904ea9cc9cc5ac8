#pragma once
// Helpers the comparators share. Numbers in versions have no upper bound, so they stay text.

#include <algorithm>
#include <compare>
#include <string_view>

namespace bulwark::versions {

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool AllDigits(std::string_view text) { return std::all_of(text.begin(), text.end(), IsDigit); }

// How many digits `text` starts with.
inline std::size_t DigitRun(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && IsDigit(text[n])) ++n;
  return n;
}

// Compares two digit strings as numbers of any size; "" counts as 0.
inline std::strong_ordering CompareNumbers(std::string_view a, std::string_view b) {
  a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
  b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

}  // namespace bulwark::versions
