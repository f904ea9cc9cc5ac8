// First byte: the ecosystem; the rest: two versions, separated by a newline. Orders must be antisymmetric and reflexive.

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "versions/compare.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark::versions;
  if (size == 0) return 0;
  constexpr Ecosystem kKnown[] = {Ecosystem::kDeb, Ecosystem::kNpm, Ecosystem::kPyPI, Ecosystem::kGo, Ecosystem::kMaven, Ecosystem::kApk};
  const Ecosystem ecosystem = kKnown[data[0] % std::size(kKnown)];
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto end = text.find('\n');
  const std::string_view a = text.substr(0, end);
  const std::string_view b = end == std::string_view::npos ? a : text.substr(end + 1);
  const auto ab = Compare(ecosystem, a, b), ba = Compare(ecosystem, b, a), aa = Compare(ecosystem, a, a);
  if (ab.ok() != ba.ok() || (ab.ok() && !aa.ok() && ecosystem != Ecosystem::kApk)) std::abort();
  if (ab.ok() && (0 <=> *ab) != *ba) std::abort();
  if (aa.ok() && *aa != 0) std::abort();
  return 0;
}
