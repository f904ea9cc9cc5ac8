#pragma once
// The names under which the files of a finished tree can be reached, as far as they matter. For merge.cc.

#include <functional>
#include <string>

#include "image/file_tree.h"
#include "image/merge.h"

namespace bulwark::image {

struct Names {
  // A wanted name that leads through links to a file: `name` is not where the file lies.
  std::function<void(const std::string& name, FileTree::Id file)> alias;
  // A wanted name that leads nowhere: dangling, or a loop.
  std::function<void(const std::string& name, FileTree::Outcome outcome)> broken;
};

// Reports names behind (a) the well-known places of package databases, through any number of links, (b) links to
// files, and (c) links to folders, two levels below them. False if limits::kAliasChecks ended the search early.
bool FindAliases(const FileTree& tree, WantsPath wants, const Names& names);

}  // namespace bulwark::image
