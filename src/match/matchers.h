#pragma once
// Matchers: where a package of a kind is looked up and whose word counts. Adding one: one row in matchers.cc.

#include <span>
#include <string>
#include <string_view>

#include "catalog/inventory.h"
#include "versions/ecosystem.h"

namespace bulwark::match {

// A package as advisories see it.
struct Subject {
  versions::PackageKey key;
  versions::Ecosystem ecosystem = versions::Ecosystem::kDeb;  // whose order of versions counts
  std::string version;
  auto operator<=>(const Subject&) const = default;
};

// Whose word counts where sources differ about one vulnerability of one package.
enum class Trust {
  kBest,  // the most authoritative source alone (a distribution knows its own packages)
  kAny,   // affected if any source says so
};

struct Matcher {
  std::string_view name;
  bool (*wants)(versions::Ecosystem ecosystem);
  Subject (*subject)(const catalog::InventoryPackage& package, const catalog::Inventory& inventory);
  Trust trust;
  image::GapKind without_data;  // what it means that no source covers the ecosystem or release
};

std::span<const Matcher> Matchers();  // the list, matchers.cc

// Lower is more authoritative: the distribution's own data, then any database, then the starter set.
int AuthorityOf(std::string_view source);

}  // namespace bulwark::match
