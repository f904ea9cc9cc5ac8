// Which distribution release the packages belong to: the first half of every advisory key.
#include <algorithm>

#include "base/log.h"
#include "base/result.h"
#include "base/strings.h"
#include "catalog/assembly.h"

namespace bulwark::catalog {
namespace {

using image::GapKind;

// "Debian:12", "Ubuntu:22.04". Other members of the family build their own packages; Debian's data is not theirs.
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

// base-files of Debian carries the release's number ("12.4+deb12u9"): an os-release that was changed to a release
// without advisories shows.
void CheckAgainstBaseFiles(Draft& draft, const image::OsRelease& os) {
  if (os.id != "debian") return;
  for (const InventoryPackage& p : draft.inventory.packages) {
    if (p.package.ecosystem != versions::Ecosystem::kDeb || p.package.name != "base-files" || p.hidden) continue;
    std::string_view version = p.package.version;
    std::string_view major = version.substr(0, version.find_first_not_of("0123456789"));
    if (major.empty() || major == std::string_view(os.version_id).substr(0, os.version_id.find('.'))) continue;
    draft.AddGap(GapKind::kBlind, p.package.path, "os-release",
                 "os-release says Debian " + Printable(os.version_id, 20) + " but base-files is of Debian " + std::string(major));
  }
}

}  // namespace

void FindDistribution(Draft& draft) {
  const auto& packages = draft.inventory.packages;
  bool has_packages = std::any_of(packages.begin(), packages.end(),
                                  [](const InventoryPackage& p) { return p.package.ecosystem == versions::Ecosystem::kDeb; });
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
    CheckAgainstBaseFiles(draft, *os);
  } else if (has_packages) {
    draft.AddGap(GapKind::kBlind, path, "os-release", key.error().message);
  }
}

}  // namespace bulwark::catalog
