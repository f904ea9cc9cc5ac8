#include <algorithm>
#include <set>
#include <tuple>

#include "catalog/analyze.h"
#include "catalog/assembly.h"

namespace bulwark::catalog {
namespace {

// Sorted and unique, so that equal images give equal inventories.
void Order(Inventory& inventory) {
  auto key = [](const InventoryPackage& p) { return std::tie(p.package.ecosystem, p.package.name, p.package.version, p.package.path); };
  auto& packages = inventory.packages;
  std::sort(packages.begin(), packages.end(), [&](const InventoryPackage& a, const InventoryPackage& b) {
    return key(a) != key(b) ? key(a) < key(b) : a < b;
  });
  packages.erase(std::unique(packages.begin(), packages.end()), packages.end());
  std::sort(inventory.gaps.begin(), inventory.gaps.end());
  inventory.gaps.erase(std::unique(inventory.gaps.begin(), inventory.gaps.end()), inventory.gaps.end());
}

// The path in the final tree of something inside `file`, which calls it by the name it was read under.
std::string FinalPath(const image::MergedFile& file, const image::LayerRecord& record, const std::string& path) {
  std::string_view base = file.facts->read_as;
  if (base.empty() && file.facts->entry < record.entries.size()) base = record.entries[file.facts->entry].path;
  return path.starts_with(base) ? file.path + path.substr(base.size()) : path;
}

InventoryPackage ToInventory(const Draft& draft, const image::MergedFile& file, const image::Package& package) {
  InventoryPackage out;
  out.package = package;
  out.package.path = FinalPath(file, *draft.layers[file.layer], package.path);
  if (file.layer < draft.digests.size()) out.layer = draft.digests[file.layer];
  out.layer_index = file.layer;
  out.cataloger = file.facts->cataloger;
  return out;
}

}  // namespace

Assembled Assemble(const std::vector<const image::LayerRecord*>& layers, const std::vector<Digest>& layer_digests) {
  Draft draft{layers, layer_digests, {}, {}};
  auto merged = image::Merge(layers, WantedByPath, IsDatabasePath);
  if (!merged) {
    draft.AddGap(image::GapKind::kBlind, "", "merge", merged.error().message);
    return {std::move(draft.inventory), {}};
  }
  draft.merged = *std::move(merged);
  draft.inventory.gaps = draft.merged.gaps;
  CollectPackages(draft);
  AddHiddenPackages(draft);
  FindDistribution(draft);
  CompareLocks(draft);
  FindOwners(draft);
  JoinUnread(draft);
  Order(draft.inventory);
  return {std::move(draft.inventory), std::move(draft.merged.unread)};
}

void Draft::AddGap(image::GapKind kind, std::string path, std::string cataloger, std::string reason) {
  inventory.gaps.push_back({kind, std::move(path), std::move(cataloger), std::move(reason)});
}

void CollectPackages(Draft& draft) {
  std::set<std::tuple<versions::Ecosystem, std::string, std::string, std::string>> seen;
  for (const image::MergedFile& file : draft.merged.files) {
    for (const image::Package& package : file.facts->packages) {
      if (IsDistributionPackage(package) && !seen.insert({package.ecosystem, package.name, package.version, package.arch}).second) continue;
      draft.inventory.packages.push_back(ToInventory(draft, file, package));
    }
  }
}

void AddHiddenPackages(Draft& draft) {
  using Name = std::tuple<versions::Ecosystem, std::string, std::string>;
  std::set<Name> known;
  for (const InventoryPackage& p : draft.inventory.packages) known.insert({p.package.ecosystem, p.package.name, p.package.arch});
  // Newest first: the newest layer that shows a package tells its version.
  for (const image::MergedFile& file : draft.merged.hidden_databases) {
    for (const image::Package& package : file.facts->packages) {
      if (!known.insert({package.ecosystem, package.name, package.arch}).second) continue;
      InventoryPackage hidden = ToInventory(draft, file, package);
      hidden.hidden = true;
      draft.inventory.packages.push_back(std::move(hidden));
    }
  }
}

bool Inventory::blind() const {
  return std::any_of(gaps.begin(), gaps.end(), [](const image::Gap& gap) { return gap.kind == image::GapKind::kBlind; });
}

}  // namespace bulwark::catalog
