// Gaps of package files that are not read: one an ecosystem instead of one a file. Lists of what was wanted are left out
// where the installed packages were read: then they only say it once more.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>

#include "catalog/assembly.h"
#include "catalog/paths.h"
#include "catalog/unread_packages.h"

namespace bulwark::catalog {
namespace {

using versions::Ecosystem;

// What is installed beside the distribution's packages.
class Installed {
 public:
  explicit Installed(const Inventory& inventory) {
    for (const InventoryPackage& p : inventory.packages) {
      if (p.package.locked_only || p.hidden || p.ownership == Ownership::kVerified) continue;
      if (p.package.ecosystem == Ecosystem::kNpm) AddProject(p.package.path);
      if (p.package.ecosystem == Ecosystem::kPyPI) python_ = python_ || !IsInstaller(p.package.name);
      if (p.package.ecosystem == Ecosystem::kGo) go_ = go_ || p.package.name != "stdlib";
      if (p.package.ecosystem == Ecosystem::kMaven) java_ = true;
    }
  }

  bool Answers(std::string_view ecosystem, std::string_view path) const {
    if (ecosystem == "npm") return projects_.contains(FolderOf(path));
    if (ecosystem == "PyPI") return python_;
    if (ecosystem == "Go") return go_;
    return ecosystem == "Maven" && java_;
  }

 private:
  // "app" for app/node_modules/a/package.json.
  void AddProject(std::string_view path) {
    constexpr std::string_view kModules = "node_modules/";
    std::size_t at = path.starts_with(kModules) ? 0 : path.find("/node_modules/");
    if (at != path.npos) projects_.emplace(path.substr(0, at));
  }
  // They come with every Python and say nothing about what was installed with them.
  static bool IsInstaller(std::string_view name) {
    static constexpr std::array<std::string_view, 4> kNames = {"pip", "setuptools", "wheel", "uv"};
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
  }

  std::set<std::string, std::less<>> projects_;
  bool python_ = false, go_ = false, java_ = false;
};

}  // namespace

void JoinUnread(Draft& draft) {
  Installed installed(draft.inventory);
  std::map<std::string_view, std::vector<image::Gap>> by_ecosystem;
  std::vector<image::Gap>& gaps = draft.inventory.gaps;
  for (image::Gap& gap : gaps) {
    const UnreadPackages* row = gap.cataloger == kUnreadCataloger ? FindUnread(gap.path) : nullptr;
    if (!row) continue;
    if (row->says == UnreadPackages::Says::kInstalled || !installed.Answers(row->ecosystem, gap.path)) by_ecosystem[row->ecosystem].push_back(gap);
    gap.reason.clear();
  }
  std::erase_if(gaps, [](const image::Gap& gap) { return gap.cataloger == kUnreadCataloger && gap.reason.empty(); });
  for (auto& [ecosystem, files] : by_ecosystem) {
    image::Gap first = *std::min_element(files.begin(), files.end());
    if (files.size() > 1) first.reason += " (and " + std::to_string(files.size() - 1) + " more files of " + std::string(ecosystem) + ")";
    gaps.push_back(std::move(first));
  }
}

}  // namespace bulwark::catalog
