#include "versions/ecosystem.h"

#include <array>

#include "base/strings.h"

namespace bulwark::versions {
namespace {

struct Row {
  Ecosystem ecosystem;
  std::string_view name;
  std::string_view purl;
};

constexpr std::array<Row, 11> kRows{{
    {Ecosystem::kDeb, "deb", "deb"},
    {Ecosystem::kApk, "apk", "apk"},
    {Ecosystem::kRpm, "rpm", "rpm"},
    {Ecosystem::kNpm, "npm", "npm"},
    {Ecosystem::kPyPI, "PyPI", "pypi"},
    {Ecosystem::kGo, "Go", "golang"},
    {Ecosystem::kMaven, "Maven", "maven"},
    {Ecosystem::kCargo, "crates.io", "cargo"},
    {Ecosystem::kRubyGems, "RubyGems", "gem"},
    {Ecosystem::kPackagist, "Packagist", "composer"},
    {Ecosystem::kNuGet, "NuGet", "nuget"},
}};

// Other names: OSV's distributions (their suffix is the release) and what people call an order of versions.
struct Alias {
  std::string_view name;  // lower case
  Ecosystem ecosystem;
};
constexpr std::array kAliases{
    Alias{"debian", Ecosystem::kDeb},        Alias{"ubuntu", Ecosystem::kDeb},
    Alias{"dpkg", Ecosystem::kDeb},          Alias{"alpine", Ecosystem::kApk},
    Alias{"wolfi", Ecosystem::kApk},         Alias{"chainguard", Ecosystem::kApk},
    Alias{"minimos", Ecosystem::kApk},       Alias{"alpaquita", Ecosystem::kApk},
    Alias{"almalinux", Ecosystem::kRpm},     Alias{"rocky linux", Ecosystem::kRpm},
    Alias{"red hat", Ecosystem::kRpm},       Alias{"suse", Ecosystem::kRpm},
    Alias{"opensuse", Ecosystem::kRpm},      Alias{"mageia", Ecosystem::kRpm},
    Alias{"photon os", Ecosystem::kRpm},     Alias{"azure linux", Ecosystem::kRpm},
    Alias{"openeuler", Ecosystem::kRpm},     Alias{"semver", Ecosystem::kNpm},
    Alias{"python", Ecosystem::kPyPI},       Alias{"pep440", Ecosystem::kPyPI},
    Alias{"rubygems", Ecosystem::kRubyGems},
};

const Row& RowOf(Ecosystem ecosystem) {
  for (const Row& row : kRows) {
    if (row.ecosystem == ecosystem) return row;
  }
  static constexpr Row kNone{Ecosystem::kDeb, "unknown", "generic"};  // a number from foreign bytes
  return kNone;
}

// PEP 503: runs of "-", "_" and "." become one "-", letters lower case.
std::string NormalizePyPI(std::string_view name) {
  std::string out;
  bool separator = false;
  for (char c : name) {
    if (c == '-' || c == '_' || c == '.') {
      separator = true;
      continue;
    }
    if (separator) out += '-';
    separator = false;
    out += c;
  }
  if (separator) out += '-';
  return ToLower(out);
}

}  // namespace

std::string_view Name(Ecosystem ecosystem) { return RowOf(ecosystem).name; }
std::string_view PurlType(Ecosystem ecosystem) { return RowOf(ecosystem).purl; }

std::optional<Ecosystem> ParseEcosystem(std::string_view name) {
  const std::string lower = ToLower(name.substr(0, name.find(':')));
  for (const Row& row : kRows) {
    if (lower == row.purl || EqualsIgnoreCase(lower, row.name)) return row.ecosystem;
  }
  for (const Alias& alias : kAliases) {
    if (lower == alias.name) return alias.ecosystem;
  }
  return std::nullopt;
}

std::string NormalizeName(Ecosystem ecosystem, std::string_view name) {
  switch (ecosystem) {
    case Ecosystem::kPyPI: return NormalizePyPI(name);
    case Ecosystem::kPackagist:
    case Ecosystem::kNuGet: return ToLower(name);
    default: return std::string(name);
  }
}

}  // namespace bulwark::versions
