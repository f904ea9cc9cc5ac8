// Which distribution package claims a file (DESIGN 2.12). A claim is the image's own word: only a checksum that fits
// makes it more. Programs that nobody claims and no cataloguer recognised are told, because nothing looks for their
// vulnerabilities (attacks: removed-evidence).
#include <algorithm>
#include <map>
#include <set>

#include "base/log.h"
#include "catalog/assembly.h"
#include "catalog/paths.h"
#include "catalog/unread_packages.h"

namespace bulwark::catalog {
namespace {

using image::GapKind;

constexpr std::size_t kNamesInReason = 5;
constexpr const char* kNoDatabase = "os-release names a distribution, but there is no package database";

// Claims by path after the /usr merge; only of packages that are installed.
class Claims {
 public:
  explicit Claims(const Draft& draft) {
    for (const InventoryPackage& p : draft.inventory.packages) {
      if (IsDistributionPackage(p.package)) sources_.try_emplace(p.package.name, p.package.source_name);
    }
    for (const image::MergedFile& file : draft.merged.files) {
      for (const image::OwnedFile& claim : file.facts->owned) {
        if (sources_.contains(claim.package)) claims_[MergedUsr(claim.path)].push_back(&claim);
      }
    }
  }

  bool Has(std::string_view path) const { return claims_.contains(MergedUsr(path)); }

  bool Verifies(std::string_view path, const std::string& md5) const {
    auto at = claims_.find(MergedUsr(path));
    if (at == claims_.end() || md5.empty()) return false;
    return std::any_of(at->second.begin(), at->second.end(), [&](const image::OwnedFile* claim) { return claim->md5 == md5; });
  }

  // Sets ownership, owner and owner_source.
  void Apply(InventoryPackage& p, std::string_view path, const std::string& md5) const {
    auto at = claims_.find(MergedUsr(path));
    if (at == claims_.end()) return;
    // Several packages may claim a path (diversions, lists beside checksums): the best claim counts.
    const image::OwnedFile* best = nullptr;
    for (const image::OwnedFile* claim : at->second) {
      Ownership ownership = claim->md5.empty() ? Ownership::kClaimed : claim->md5 == md5 ? Ownership::kVerified : Ownership::kMismatch;
      if (!best || Rank(ownership) > Rank(p.ownership)) best = claim, p.ownership = ownership;
    }
    if (!best) return;
    p.owner = best->package;
    p.owner_source = sources_.at(best->package);
  }

 private:
  // A recorded checksum says more than a list without one, also when it does not fit.
  static int Rank(Ownership ownership) {
    switch (ownership) {
      case Ownership::kVerified: return 3;
      case Ownership::kMismatch: return 2;
      case Ownership::kClaimed: return 1;
      case Ownership::kNone: break;
    }
    return 0;
  }

  std::map<std::string, std::string> sources_;                           // binary package -> source package
  std::map<std::string, std::vector<const image::OwnedFile*>> claims_;   // point into the layer records
};

std::string_view OutermostFile(std::string_view path) { return path.substr(0, path.find("!/")); }

void FindPackageOwners(Draft& draft, const Claims& claims) {
  std::map<std::string_view, const std::string*> checksums;
  for (const image::MergedFile& file : draft.merged.files) {
    if (!file.facts->packages.empty()) checksums[file.path] = &file.facts->md5;
  }
  std::set<std::string> mismatches;
  for (InventoryPackage& p : draft.inventory.packages) {
    if (IsDistributionPackage(p.package) || p.package.locked_only || p.hidden) continue;
    std::string_view path = OutermostFile(p.package.path);
    auto checksum = checksums.find(path);
    if (checksum == checksums.end()) continue;
    claims.Apply(p, path, *checksum->second);
    if (p.ownership != Ownership::kMismatch || !mismatches.insert(std::string(path)).second) continue;
    draft.AddGap(GapKind::kPartial, std::string(path), p.cataloger, "the file differs from what package " + Printable(p.owner, 100) + " recorded");
  }
}

// A program, archive or package file exactly as its distribution package brought it is covered by the distribution's own
// data: that its inside could not be identified leaves nothing unknown. Only where distributions install: what a package puts
// into opt/ (whole stacks of gems or jars) is an add-on of somebody else, of whom the distribution's data knows nothing.
void DropGapsOfOwnedFiles(Draft& draft, const Claims& claims) {
  auto inside = [](const std::string& cataloger) { return cataloger == "go" || cataloger == "java" || cataloger == kUnreadCataloger; };
  std::set<std::string_view> owned;
  for (const image::MergedFile& file : draft.merged.files) {
    if (!inside(file.facts->cataloger) || !IsDistributionPlace(file.path) || !claims.Verifies(file.path, file.facts->md5)) continue;
    // Gaps name the path in the layer, which links may make another one than the final path.
    for (const image::Gap& gap : file.facts->gaps) owned.insert(OutermostFile(gap.path));
  }
  std::erase_if(draft.inventory.gaps, [&](const image::Gap& gap) {
    return gap.kind == GapKind::kPartial && inside(gap.cataloger) && owned.contains(OutermostFile(gap.path));
  });
}

// Executable regular files of the final tree by path. Whiteouts and replacements are followed by name; that suffices to
// count what nobody knows.
std::set<std::string> VisiblePrograms(const std::vector<const image::LayerRecord*>& layers) {
  std::set<std::string> out;
  auto remove_below = [&out](const std::string& folder) {
    std::string first = folder.empty() ? "" : folder + "/";
    for (auto at = out.lower_bound(first); at != out.end() && at->starts_with(first);) at = out.erase(at);
  };
  for (const image::LayerRecord* layer : layers) {
    // A layer's whiteouts hide lower layers only, wherever they stand in the stream.
    for (const image::Entry& entry : layer->entries) {
      bool whiteout = entry.type == image::EntryType::kWhiteout;
      if (!whiteout && entry.type != image::EntryType::kOpaque) continue;
      if (whiteout) out.erase(entry.path);
      remove_below(entry.path);
    }
    for (const image::Entry& entry : layer->entries) {
      if (entry.type == image::EntryType::kWhiteout || entry.type == image::EntryType::kOpaque) continue;
      if (entry.type == image::EntryType::kDirectory) continue;
      out.erase(entry.path);
      bool program = entry.type == image::EntryType::kFile && (entry.mode & 0111) && entry.size > 0;
      if (program && IsProgramPlace(entry.path) && HasProgramName(entry.path) && !HasFolder(entry.path, "node_modules")) {
        out.insert(entry.path);
      }
    }
  }
  return out;
}

void FindUnknownPrograms(Draft& draft, const Claims& claims) {
  std::set<std::string> unknown = VisiblePrograms(draft.layers);
  std::erase_if(unknown, [&](const std::string& path) { return claims.Has(path); });
  bool has_database = false;  // an empty one knows nothing
  for (const image::MergedFile& file : draft.merged.files) {
    bool read = file.facts->cataloger == "dpkg" || file.facts->cataloger == "apk";
    bool filled = read && !(file.facts->packages.empty() && file.facts->gaps.empty());
    if (filled || file.facts->cataloger == "other-database") has_database = true;
    if (!file.facts->packages.empty()) unknown.erase(file.path);
  }
  bool nothing_known = !has_database && draft.inventory.packages.empty();
  // Of a distribution's programs the distribution's database would speak: without it they are not just some programs.
  bool lost_database = !has_database && draft.inventory.os;
  if (nothing_known && unknown.empty() && draft.merged.has_executables) {
    return draft.AddGap(GapKind::kBlind, "", "merge", "the image has executable files, but nothing in it is a known package");
  }
  if (nothing_known && unknown.empty() && lost_database) return draft.AddGap(GapKind::kBlind, "", "merge", kNoDatabase);
  if (unknown.empty()) return;
  std::string reason = std::to_string(unknown.size()) + " programs belong to no package and were not recognised: ";
  std::size_t named = 0;
  for (const std::string& path : unknown) {
    if (named == kNamesInReason) break;
    reason += (named++ ? ", " : "") + Printable(path, 200);
  }
  if (unknown.size() > named) reason += ", …";
  if (lost_database) reason += std::string("; ") + kNoDatabase;
  draft.AddGap(nothing_known || lost_database ? GapKind::kBlind : GapKind::kPartial, "", "merge", std::move(reason));
}

}  // namespace

void FindOwners(Draft& draft) {
  Claims claims(draft);
  FindPackageOwners(draft, claims);
  DropGapsOfOwnedFiles(draft, claims);
  FindUnknownPrograms(draft, claims);
}

}  // namespace bulwark::catalog
