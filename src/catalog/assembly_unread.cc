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

// What is installed beside the distribution's packages. What one of those claims says nothing of other software, whether or
// not its checksum is recorded.
class Installed {
 public:
  explicit Installed(const Inventory& inventory) {
    for (const InventoryPackage& p : inventory.packages) {
      if (p.package.locked_only || p.hidden || p.ownership != Ownership::kNone) continue;
      if (p.package.ecosystem == Ecosystem::kNpm) AddProject(p.package.path);
      if (p.package.ecosystem == Ecosystem::kPyPI) python_ = python_ || IsPythonInstall(p.package);
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
  // Whether it was installed as a wish. Installers come with every Python, and setuptools with its own copies of others; a
  // source tree has an egg-info of itself whether or not anything was ever installed from it.
  static bool IsPythonInstall(const image::Package& package) {
    static constexpr std::array<std::string_view, 4> kInstallers = {"pip", "setuptools", "wheel", "uv"};
    if (std::find(kInstallers.begin(), kInstallers.end(), package.name) != kInstallers.end() || HasFolder(package.path, "_vendor")) return false;
    return HasFolder(package.path, "site-packages") || HasFolder(package.path, "dist-packages") || FolderOf(package.path).ends_with(".dist-info");
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
