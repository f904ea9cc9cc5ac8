#pragma once
// Ecosystems: where packages come from, how they are named and how their versions are ordered.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulwark::versions {

// Numbers are stored in layer records and advisory files; they are never reused.
enum class Ecosystem : std::uint8_t {
  kDeb = 1,    // Debian and derivatives; the advisory key adds the release: "Debian:12"
  kApk = 2,
  kRpm = 3,
  kNpm = 10,
  kPyPI = 11,
  kGo = 12,
  kMaven = 13,
  kCargo = 14,
  kRubyGems = 15,
  kPackagist = 16,
  kNuGet = 17,
};

// The name in OSV records and in advisory keys of language packages: "npm", "PyPI", "Go", "Maven"; for distributions
// the type name "deb", "apk", "rpm" (their advisory keys are release names such as "Debian:12").
std::string_view Name(Ecosystem ecosystem);
// The purl type: "deb", "npm", "pypi", "golang", "maven", …
std::string_view PurlType(Ecosystem ecosystem);
// Of a name of either kind or an OSV ecosystem with a suffix ("Debian:12", "npm", "golang", "semver"); nullopt if unknown.
std::optional<Ecosystem> ParseEcosystem(std::string_view name);

// The name under which advisories are looked up: PEP 503 for PyPI, "group:artifact" for Maven, lower case where the
// ecosystem folds case. Other names are returned as they are.
std::string NormalizeName(Ecosystem ecosystem, std::string_view name);

// Key of the advisory index.
struct PackageKey {
  std::string ecosystem;  // "Debian:12", "npm", "PyPI", …
  std::string name;       // normalized; the source package for distributions
  auto operator<=>(const PackageKey&) const = default;
};

}  // namespace bulwark::versions
