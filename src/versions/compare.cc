#include "versions/compare.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "base/log.h"
#include "versions/invalid.h"

namespace bulwark::versions {

Result<Order> Compare(Ecosystem ecosystem, std::string_view a, std::string_view b) {
  switch (ecosystem) {
    case Ecosystem::kDeb: return CompareDeb(a, b);
    case Ecosystem::kNpm:
    case Ecosystem::kCargo: return CompareSemver(a, b);
    case Ecosystem::kPyPI: return ComparePep440(a, b);
    case Ecosystem::kGo: return CompareGo(a, b);
    case Ecosystem::kMaven: return CompareMaven(a, b);
    case Ecosystem::kApk: return CompareApk(a, b);
    case Ecosystem::kRpm:
    case Ecosystem::kRubyGems:
    case Ecosystem::kPackagist:
    case Ecosystem::kNuGet: break;
  }
  return Error{Errc::kUnsupported, fmt::format("no version order known for {}", Name(ecosystem))};
}

Error NotAVersion(std::string_view kind, std::string_view text, std::string_view why) {
  return Error{Errc::kInvalid, fmt::format("not a {} version: \"{}\": {}", kind, Printable(text, 80), why)};
}

Status CheckLength(std::string_view kind, std::string_view text) {
  if (text.empty()) return NotAVersion(kind, text, "empty");
  if (text.size() > limits::kVersionBytes) return NotAVersion(kind, text, "too long");
  return {};
}

}  // namespace bulwark::versions
