// Which distribution release the packages belong to: the first half of every advisory key.
#include <algorithm>

#include "base/log.h"
#include "base/result.h"
#include "base/strings.h"
#include "catalog/assembly.h"

namespace bulwark::catalog {
namespace {

using image::GapKind;

// "Alpine:v3.19" of "3.19.1", "3.19_rc1" or "3.19.1-r0"; "Alpine:edge" of "3.20_alpha20231219": before a release branches
// off, edge bears its number. Empty if it is neither.
std::string AlpineRelease(std::string_view version) {
  std::size_t dot = version.find('.');
  if (version == "edge") return "Alpine:edge";
  if (dot == version.npos || version.find("_alpha") != version.npos) return dot == version.npos ? "" : "Alpine:edge";
  std::string_view minor = version.substr(dot + 1);
  minor = minor.substr(0, minor.find_first_not_of("0123456789"));
  if (!ParseUint(version.substr(0, dot)) || !ParseUint(minor)) return "";
  return "Alpine:v" + std::string(version.substr(0, dot + 1)) + std::string(minor);
}

// "Debian:12", "Ubuntu:22.04", "Alpine:v3.19", "Wolfi". Other members of a family build their own packages: Debian's and
// Alpine's data is not theirs.
Result<std::string> KeyOf(const image::OsRelease& os) {
  std::string name = Printable(os.pretty_name.empty() ? os.id : os.pretty_name, 100);
  if (os.id == "debian") {
    std::string_view major = std::string_view(os.version_id).substr(0, os.version_id.find('.'));
    if (os.version_id.empty()) return Error{Errc::kUnsupported, "os-release has no VERSION_ID: " + name + " is testing or unstable"};
    if (!ParseUint(major)) return Error{Errc::kUnsupported, "VERSION_ID of " + name + " is no number"};
    return "Debian:" + std::string(major);
  }
  if (os.id == "ubuntu") {
    if (os.version_id.empty()) return Error{Errc::kUnsupported, "os-release has no VERSION_ID: " + name};
    return "Ubuntu:" + os.version_id;
  }
  if (os.id == "alpine") {
    std::string release = AlpineRelease(os.version_id);
    if (release.empty()) return Error{Errc::kUnsupported, "VERSION_ID of " + name + " is no release"};
    return release;
  }
  if (os.id == "wolfi") return std::string("Wolfi");  // rolling, as OSV names it
  if (os.id == "chainguard") return std::string("Chainguard");
  return Error{Errc::kUnsupported, "no advisory data is known for the distribution " + name};
}

// os-release(5): etc/ comes first, usr/lib/ is the fall-back.
const image::MergedFile* FindOs(const std::vector<image::MergedFile>& files) {
  const image::MergedFile* found = nullptr;
  for (const image::MergedFile& file : files) {
    if (file.facts->os && (!found || file.path == "etc/os-release")) found = &file;
  }
  return found;
}

// The newest os-release of any layer, for images that lost theirs.
const image::OsRelease* FindRemovedOs(const Draft& draft) {
  for (auto layer = draft.layers.rbegin(); layer != draft.layers.rend(); ++layer) {
    for (const image::FileFacts& facts : (*layer)->files) {
      if (facts.os) return &*facts.os;
    }
  }
  return nullptr;
}

void CheckAgreement(Draft& draft) {
  const image::OsRelease* first = nullptr;
  for (const image::MergedFile& file : draft.merged.files) {
    if (!file.facts->os) continue;
    const image::OsRelease& os = *file.facts->os;
    if (first && (first->id != os.id || first->version_id != os.version_id)) {
      draft.AddGap(GapKind::kPartial, file.path, file.facts->cataloger, "etc/os-release and usr/lib/os-release name different releases");
    }
    first = &os;
  }
}

// The distribution, or release, that a package says by its name or version that it is of: base-files of Debian and Ubuntu
// ("12.4+deb12u9", "12ubuntu4.6"), Alpine's alpine-release ("3.19.1-r0"), the base layouts of Alpine and Wolfi. Empty: nothing.
std::string SaidBy(const image::Package& package) {
  const std::string_view name = package.name, version = package.version;
  if (package.ecosystem == versions::Ecosystem::kDeb && name == "base-files") {
    if (version.find("ubuntu") != version.npos) return "Ubuntu:";
    const std::string_view major = version.substr(0, version.find_first_not_of("0123456789"));
    return major.empty() ? "" : "Debian:" + std::string(major);
  }
  if (package.ecosystem != versions::Ecosystem::kApk) return "";
  if (name == "alpine-release" || name == "alpine-base") return AlpineRelease(version);
  if (name == "alpine-baselayout" || name == "alpine-baselayout-data") return "Alpine:";
  if (name == "wolfi-base" || name == "wolfi-baselayout") return "Wolfi";
  if (name == "chainguard-baselayout") return "Chainguard";
  return "";
}

// Chainguard's images are built upon Wolfi and bring a layout of their own: without that one, a changed os-release is a
// disguise.
bool IsChainguard(const Draft& draft) {
  const auto& packages = draft.inventory.packages;
  return std::any_of(packages.begin(), packages.end(), [](const InventoryPackage& p) {
    return !p.hidden && p.package.ecosystem == versions::Ecosystem::kApk && p.package.name == "chainguard-baselayout";
  });
}

bool Agrees(const Draft& draft, std::string_view said) {
  const std::string_view distribution = draft.inventory.distribution;
  if (said.ends_with(':')) return distribution.starts_with(said);
  if (said == "Wolfi" && distribution == "Chainguard") return IsChainguard(draft);
  return distribution == said;
}

// Ubuntu's base-files counts on with Debian's: its first number belongs to the releases from one LTS to the next.
bool FitsUbuntu(std::string_view release, const image::Package& package) {
  struct Lts {
    std::string_view release;
    std::uint64_t major;
  };
  static constexpr Lts kLts[] = {{"14.04", 7}, {"16.04", 9}, {"18.04", 10}, {"20.04", 11}, {"22.04", 12}, {"24.04", 13}};
  if (package.name != "base-files" || package.version.find("ubuntu") == std::string::npos) return true;
  const std::string_view version = package.version;
  const auto major = ParseUint(version.substr(0, version.find_first_not_of("0123456789")));
  if (!major) return false;
  std::uint64_t lowest = 0, highest = UINT64_MAX;
  for (const Lts& lts : kLts) {
    if (lts.release <= release) lowest = lts.major;
    if (lts.release >= release) highest = std::min(highest, lts.major);
  }
  return lowest <= *major && *major <= highest;
}

// An os-release that was changed to a distribution without advisories, or to another release where a package tells which,
// shows.
void CheckAgainstPackages(Draft& draft) {
  const std::string& distribution = draft.inventory.distribution;
  for (const InventoryPackage& p : draft.inventory.packages) {
    if (p.hidden) continue;
    const std::string said = SaidBy(p.package);
    std::string whose = said.ends_with(':') ? said.substr(0, said.size() - 1) : said;
    if (!said.empty() && Agrees(draft, said)) {
      if (!distribution.starts_with("Ubuntu:") || FitsUbuntu(distribution.substr(7), p.package)) continue;
      whose = "another release";
    }
    if (said.empty()) continue;
    draft.AddGap(GapKind::kBlind, p.package.path, "os-release", "os-release says " + distribution + " but " + p.package.name + " is of " + whose);
  }
}

// A release may be upgraded by a layer; another distribution by a layer is a disguise.
void CheckAgainstOtherLayers(Draft& draft, const image::OsRelease& os, const std::string& path) {
  for (const auto& layer : draft.layers) {
    const auto& files = layer->files;
    const bool same = std::any_of(files.begin(), files.end(), [&](const auto& f) { return f.os && f.os->id == os.id; });
    for (const image::FileFacts& facts : files) {
      if (same || !facts.os || (os.id == "chainguard" && facts.os->id == "wolfi" && IsChainguard(draft))) continue;
      draft.AddGap(GapKind::kBlind, path, "os-release",
                   "os-release says " + Printable(os.id, 40) + " but a layer brought that of " + Printable(facts.os->id, 40));
      return;
    }
  }
}

}  // namespace

void FindDistribution(Draft& draft) {
  const auto& packages = draft.inventory.packages;
  bool has_packages = std::any_of(packages.begin(), packages.end(),
                                  [](const InventoryPackage& p) { return IsDistributionPackage(p.package); });
  CheckAgreement(draft);
  const image::MergedFile* file = FindOs(draft.merged.files);
  const image::OsRelease* os = file ? &*file->facts->os : FindRemovedOs(draft);
  std::string path = file ? file->path : "etc/os-release";
  if (!file && has_packages) {
    draft.AddGap(GapKind::kBlind, path, "os-release",
                 os ? "evidence removed: only a lower layer says which distribution this is"
                    : "no os-release: the distribution of the packages is unknown");
  }
  if (!os || (!file && !has_packages)) return;
  draft.inventory.os = *os;
  auto key = KeyOf(*os);
  if (key) {
    draft.inventory.distribution = *key;
    CheckAgainstPackages(draft);
    if (has_packages) CheckAgainstOtherLayers(draft, *os, path);
  } else if (has_packages) {
    draft.AddGap(GapKind::kBlind, path, "os-release", key.error().message);
  }
}

}  // namespace bulwark::catalog
