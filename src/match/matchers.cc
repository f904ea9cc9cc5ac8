#include "match/matchers.h"

#include <array>

namespace bulwark::match {
namespace {

using versions::Ecosystem;

bool IsDistribution(Ecosystem e) { return e == Ecosystem::kDeb || e == Ecosystem::kApk || e == Ecosystem::kRpm; }
bool IsLanguage(Ecosystem e) { return !IsDistribution(e); }

// Binary packages inherit what is known of the source package they were built from. Those of another family than the
// distribution (a dpkg database in an Alpine image) belong to no distribution that is known.
Subject OfDistribution(const catalog::InventoryPackage& p, const catalog::Inventory& inventory) {
  const image::Package& package = p.package;
  const bool own = versions::ParseEcosystem(inventory.distribution) == package.ecosystem;
  return {{own ? inventory.distribution : "", package.source_name.empty() ? package.name : package.source_name},
          package.ecosystem,
          package.source_version.empty() ? package.version : package.source_version};
}

Subject OfLanguage(const catalog::InventoryPackage& p, const catalog::Inventory&) {
  const image::Package& package = p.package;
  return {{std::string(versions::Name(package.ecosystem)), versions::NormalizeName(package.ecosystem, package.name)},
          package.ecosystem,
          package.version};
}

}  // namespace

std::span<const Matcher> Matchers() {
  static constexpr std::array kMatchers{
      Matcher{"distribution", IsDistribution, OfDistribution, Trust::kBest, image::GapKind::kBlind},
      Matcher{"language", IsLanguage, OfLanguage, Trust::kAny, image::GapKind::kPartial},
  };
  return kMatchers;
}

int AuthorityOf(std::string_view source) {
  if (source.starts_with("starter")) return 2;
  return source == "debian" || source == "debian-tracker" || source == "secdb" ? 0 : 1;
}

}  // namespace bulwark::match
