#include "image/merge_names.h"

#include <string_view>

#include "base/limits.h"

namespace bulwark::image {
namespace {

using Id = FileTree::Id;
using Kind = FileTree::Kind;

// Where distributions keep what decides about an image. The last components alone would not show that such a place is
// reached through several links; a cataloguer with a new fixed place adds it here. "/" at the end: every file in it.
constexpr std::string_view kWellKnown[] = {
    "etc/os-release",       "usr/lib/os-release",       "etc/alpine-release",     "etc/debian_version",
    "etc/redhat-release",   "var/lib/dpkg/status",      "var/lib/dpkg/status.d/", "var/lib/dpkg/info/",
    "lib/apk/db/installed", "usr/lib/apk/db/installed", "var/lib/rpm/",           "usr/lib/sysimage/rpm/",
    "usr/share/rpm/",       "var/lib/pacman/local/",    "usr/lib/opkg/status",    "var/lib/opkg/status",
};
// Patterns such as "x.dist-info/METADATA" need one folder above the file.
constexpr int kLevels = 2;

std::string_view LastTwo(std::string_view path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return path;
  slash = path.rfind('/', slash - 1);
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

class Search {
 public:
  Search(const FileTree& tree, WantsPath wants, const Names& names) : tree_(tree), wants_(wants), names_(names) {}

  bool Run() {
    for (std::string_view name : kWellKnown) WellKnown(name);
    tree_.Each([&](Id id, const std::string& path) {
      if (tree_.node(id).kind == Kind::kSymlink) Link(id, path);
    });
    return left_ > 0;
  }

 private:
  void WellKnown(std::string_view name) {
    bool is_folder = name.ends_with('/');
    if (is_folder) name.remove_suffix(1);
    FileTree::Place place = tree_.Follow(name);
    if (place.outcome != FileTree::Outcome::kFound) {
      // A missing one is normal; one behind a loop is not.
      if (place.outcome == FileTree::Outcome::kLoop && !is_folder && wants_(name))
        names_.broken(std::string(name), place.outcome);
      return;
    }
    if (tree_.PathOf(place.id) == name) return;  // its own path: not behind a link
    if (is_folder) Below(place.id, std::string(name), 1);
    else Check(place.id, std::string(name));
  }

  void Link(Id id, const std::string& path) {
    FileTree::Place target = tree_.Target(id);
    if (target.outcome != FileTree::Outcome::kFound) {
      if (Spend() && wants_(path)) names_.broken(path, target.outcome);
      return;
    }
    if (tree_.node(target.id).kind != Kind::kDirectory) return Check(target.id, path);
    // pnpm and others link whole folders by the thousand, under the same last two names: patterns see no difference.
    if (LastTwo(path) != LastTwo(tree_.PathOf(target.id))) Below(target.id, path, kLevels);
  }

  void Below(Id folder, const std::string& path, int levels) {
    for (Id child = tree_.node(folder).first_child; child != FileTree::kNone; child = tree_.node(child).next) {
      if (!Spend()) return;
      std::string name = path + "/" + std::string(tree_.NameOf(child));
      Id at = child;
      if (tree_.node(child).kind == Kind::kSymlink) {
        FileTree::Place target = tree_.Target(child);
        if (target.outcome != FileTree::Outcome::kFound) {
          if (wants_(name)) names_.broken(name, target.outcome);
          continue;
        }
        at = target.id;
      }
      if (tree_.node(at).kind == Kind::kDirectory) {
        if (levels > 1) Below(at, name, levels - 1);
      } else {
        Check(at, name);
      }
    }
  }

  void Check(Id id, const std::string& name) {
    if (tree_.node(id).kind == Kind::kFile && Spend() && wants_(name)) names_.alias(name, id);
  }

  bool Spend() {
    if (left_ > 0) --left_;
    return left_ > 0;
  }

  const FileTree& tree_;
  WantsPath wants_;
  const Names& names_;
  std::uint64_t left_ = limits::kAliasChecks;
};

}  // namespace

bool FindAliases(const FileTree& tree, WantsPath wants, const Names& names) { return Search(tree, wants, names).Run(); }

}  // namespace bulwark::image
