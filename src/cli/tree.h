#pragma once
// Directories and single files as layers: a tar of what cataloguers want, so that they are read in the same sandbox.

#include <string>

#include "base/result.h"
#include "remote/image_files.h"

namespace bulwark::cli {

// The tree below `root` on its own file system, links not followed. Files that no cataloguer wants are there with their
// names and modes but without data.
Result<remote::OpenedFile> PackTree(const std::string& root);
// One file under its own name, executable.
Result<remote::OpenedFile> PackFile(const std::string& path);

}  // namespace bulwark::cli
