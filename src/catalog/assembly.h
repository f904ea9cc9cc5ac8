#pragma once
// The steps of Assemble: pure functions over what merge left. Each adds to the draft; the order is in assemble.cc.

#include <string>
#include <vector>

#include "catalog/inventory.h"
#include "image/layer_record.h"
#include "image/merge.h"

namespace bulwark::catalog {

inline bool IsDistributionPackage(const image::Package& package) {
  using versions::Ecosystem;
  return package.ecosystem == Ecosystem::kDeb || package.ecosystem == Ecosystem::kApk || package.ecosystem == Ecosystem::kRpm;
}

struct Draft {
  const std::vector<const image::LayerRecord*>& layers;
  const std::vector<Digest>& digests;
  image::Merged merged;
  Inventory inventory;

  void AddGap(image::GapKind kind, std::string path, std::string cataloger, std::string reason);
};

// Packages of the visible files, with their final paths; the same distribution package is listed once.
void CollectPackages(Draft& draft);
// Packages that only hidden databases show, marked; merge has added the blind gaps. Before FindDistribution.
void AddHiddenPackages(Draft& draft);
// os-release -> Inventory::os and ::distribution. A blind gap if there are distribution packages but no advisory key for them.
void FindDistribution(Draft& draft);
// Drops lock entries of packages that the same project has installed.
void CompareLocks(Draft& draft);
// Ownership of language packages, and programs that nobody owns and no cataloguer recognised.
void FindOwners(Draft& draft);
// One gap an ecosystem for the files of unread_packages.h. After FindOwners, which drops what the distribution answers for.
void JoinUnread(Draft& draft);

}  // namespace bulwark::catalog
