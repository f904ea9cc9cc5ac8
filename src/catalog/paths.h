#pragma once
// Questions about cleaned paths ("usr/bin/x", no leading slash).

#include <string>
#include <string_view>

namespace bulwark::catalog {

std::string_view FileName(std::string_view path);    // behind the last slash
std::string_view FolderOf(std::string_view path);    // before it; empty at the top
bool HasFolder(std::string_view path, std::string_view name);  // some folder of the path is called so
// Whether a file there, if executable, is a program that somebody installed to be run: the bin folders of the system
// and everything outside the folders that a distribution manages.
bool IsProgramPlace(std::string_view path);
// Whether the name is one that programs have: no extension, or one like ".12" or ".bin". It does not know the content.
bool HasProgramName(std::string_view path);
// Whether distributions install there: their packages leave usr/local/ to the owner of the machine and opt/ to add-ons
// (Filesystem Hierarchy Standard 3.0, Debian Policy 9.1).
bool IsDistributionPlace(std::string_view path);
// "usr/bin/x" for "bin/x" and so on: dpkg records names of before the /usr merge.
std::string MergedUsr(std::string_view path);

}  // namespace bulwark::catalog
