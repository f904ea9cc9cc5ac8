// Packages as package URLs (purl-spec, purl-types).

#include "base/strings.h"
#include "formats/purl.h"
#include "sbom/cyclonedx.h"
#include "versions/ecosystem.h"

namespace bulwark::sbom {
namespace {

using versions::Ecosystem;

// "debian" and "debian-12" of "Debian:12".
struct Distribution {
  std::string id, release;
};

Distribution ReadDistribution(const std::string& text) {
  std::size_t colon = text.find(':');
  Distribution d{ToLower(text.substr(0, colon)), ""};
  if (colon != std::string::npos) d.release = d.id + "-" + ToLower(text.substr(colon + 1));
  return d;
}

void NameByPath(const std::string& name, formats::Purl& purl) {
  std::size_t slash = name.rfind('/');
  if (slash != std::string::npos) purl.name_space = name.substr(0, slash);
  purl.name = slash == std::string::npos ? name : name.substr(slash + 1);
}

void NameOfDistribution(const image::Package& package, const std::string& distribution, formats::Purl& purl) {
  Distribution d = ReadDistribution(distribution);
  purl.name_space = d.id;
  purl.name = package.name;
  if (!package.arch.empty()) purl.qualifiers.emplace_back("arch", package.arch);
  if (!d.release.empty()) purl.qualifiers.emplace_back("distro", d.release);
  if (package.source_name.empty() || package.source_name == package.name) return;
  bool same_version = package.source_version.empty() || package.source_version == package.version;
  purl.qualifiers.emplace_back("upstream", package.source_name + (same_version ? "" : "@" + package.source_version));
}

}  // namespace

std::string PackageUrl(const image::Package& package, const std::string& distribution) {
  formats::Purl purl;
  purl.type = versions::PurlType(package.ecosystem);
  purl.version = package.version;
  switch (package.ecosystem) {
    case Ecosystem::kDeb:
    case Ecosystem::kApk:
    case Ecosystem::kRpm:
      if (distribution.empty()) return "";  // whose package it is cannot be told
      NameOfDistribution(package, distribution, purl);
      break;
    case Ecosystem::kMaven: {
      std::size_t colon = package.name.find(':');
      if (colon == std::string::npos) return "";
      purl.name_space = package.name.substr(0, colon);
      purl.name = package.name.substr(colon + 1);
      break;
    }
    case Ecosystem::kNpm:
    case Ecosystem::kGo:
    case Ecosystem::kPackagist: NameByPath(package.name, purl); break;
    case Ecosystem::kPyPI:
    case Ecosystem::kCargo:
    case Ecosystem::kRubyGems:
    case Ecosystem::kNuGet: purl.name = package.name; break;
  }
  auto text = formats::BuildPurl(std::move(purl));
  return text.ok() ? *std::move(text) : "";
}

}  // namespace bulwark::sbom
