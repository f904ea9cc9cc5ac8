// A lock file says what should be installed, node_modules what is. Where a project has both, what is installed counts;
// what only the lock file names stays, marked locked_only.
#include <algorithm>
#include <set>

#include "catalog/assembly.h"
#include "catalog/paths.h"

namespace bulwark::catalog {
namespace {

// (folder of the project, package name): "app", "left-pad" for app/node_modules/left-pad/package.json and for all below.
using InProject = std::pair<std::string, std::string>;

std::string ProjectOf(std::string_view path) {
  constexpr std::string_view kModules = "node_modules/";
  if (path.starts_with(kModules)) return {};
  std::size_t at = path.find("/node_modules/");
  return std::string(at == path.npos ? FolderOf(path) : path.substr(0, at));
}

}  // namespace

void CompareLocks(Draft& draft) {
  auto& packages = draft.inventory.packages;
  std::set<InProject> installed;
  for (const InventoryPackage& p : packages) {
    if (p.package.ecosystem != versions::Ecosystem::kNpm || p.package.locked_only) continue;
    installed.insert({ProjectOf(p.package.path), p.package.name});
  }
  std::erase_if(packages, [&](const InventoryPackage& p) {
    return p.package.locked_only && installed.contains({ProjectOf(p.package.path), p.package.name});
  });
}

}  // namespace bulwark::catalog
