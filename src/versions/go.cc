// Go: module versions are "v" and SemVer (golang.org/ref/mod#versions; missing minor and patch are 0, as in
// golang.org/x/mod/semver); OSV writes them without "v". Toolchain versions ("go1.22rc1", go.dev/doc/toolchain) are read
// as the vulnerability database writes them: 1.22.0-rc.1.

#include <string>

#include "base/strings.h"
#include "versions/compare.h"
#include "versions/digits.h"
#include "versions/invalid.h"
#include "versions/semver.h"

namespace bulwark::versions {
namespace {

Result<Semver> ParseModule(std::string_view original, std::string_view text) {
  Semver v;
  if (!TakeCore(text, v)) return NotAVersion("Go", original, "not up to three numbers without leading zeros");
  if (!TakeTail(text, v)) return NotAVersion("Go", original, "malformed after the numbers");
  return v;
}

// "1.22rc1" -> "1.22.0-rc.1", "1.22.1-custom" stays, "1.22.1 X:boringcrypto" loses what follows the space.
std::string ToolchainAsSemver(std::string_view text) {
  text = text.substr(0, text.find(' '));
  const auto number_end = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string out(text.substr(0, number_end));
  for (auto dots = std::count(out.begin(), out.end(), '.'); dots < 2; ++dots) out += ".0";
  std::string_view rest = text.substr(number_end);
  for (std::string_view word : {"beta", "rc", "alpha"}) {
    if (rest.starts_with(word)) {
      out += '-';
      out += word;
      rest.remove_prefix(word.size());
      if (!rest.empty()) out += '.';
    }
  }
  return out.append(rest);
}

// `storage` keeps the text that the parts view, if it had to be rewritten.
Result<Semver> Parse(std::string_view original, std::string& storage) {
  BW_CHECK(CheckLength("Go", original));
  if (original.starts_with("go")) {
    storage = ToolchainAsSemver(original.substr(2));
    return ParseModule(original, storage);
  }
  return ParseModule(original, original.starts_with('v') ? original.substr(1) : original);
}

}  // namespace

Result<Order> CompareGo(std::string_view a, std::string_view b) {
  std::string storage_a, storage_b;
  BW_TRY(const Semver x, Parse(a, storage_a));
  BW_TRY(const Semver y, Parse(b, storage_b));
  return CompareSemverParts(x, y);
}

}  // namespace bulwark::versions
