#pragma once
// Package files of kinds that no cataloguer reads: for the assembly, which joins their gaps. The table is in the .cc.

#include <string_view>

namespace bulwark::catalog {

inline constexpr std::string_view kUnreadCataloger = "unread";  // its row name

struct UnreadPackages {
  std::string_view pattern;    // the end of a path; in each component one "*" may stand for anything
  std::string_view ecosystem;  // as people call it: files of one are told as one
  // Where packages are installed, or a list of what was wanted (a lock file, a manifest): that is answered where the
  // installed packages are read.
  enum class Says { kInstalled, kWanted } says;
  std::string_view proof = {};  // a text without which a file of this name is something else
};

// The row of a file; nullptr if its name is none of the table's.
const UnreadPackages* FindUnread(std::string_view path);

}  // namespace bulwark::catalog
