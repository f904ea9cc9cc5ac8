#include "catalog/paths.h"

#include <algorithm>
#include <array>

namespace bulwark::catalog {

std::string_view FileName(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

std::string_view FolderOf(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

bool HasFolder(std::string_view path, std::string_view name) {
  for (std::string_view rest = FolderOf(path); !rest.empty(); rest = FolderOf(rest)) {
    if (FileName(rest) == name) return true;
  }
  return false;
}

bool IsProgramPlace(std::string_view path) {
  std::string_view folder = FileName(FolderOf(path));
  if (folder == "bin" || folder == "sbin" || folder == "libexec" || folder == "games") return true;
  if (path.starts_with("usr/local/")) return true;
  static constexpr std::array<std::string_view, 12> kManaged = {"usr/", "lib/", "lib32/", "lib64/", "libx32/", "etc/", "var/lib/",
                                                                "var/cache/", "dev/", "proc/", "sys/", "boot/"};
  return std::none_of(kManaged.begin(), kManaged.end(), [&](std::string_view m) { return path.starts_with(m); });
}

bool HasProgramName(std::string_view path) {
  std::string_view name = FileName(path);
  std::size_t dot = name.rfind('.');
  if (dot == name.npos || dot == 0) return true;
  std::string_view extension = name.substr(dot + 1);
  static constexpr std::array<std::string_view, 6> kPrograms = {"bin", "run", "exe", "elf", "out", "AppImage"};
  if (std::find(kPrograms.begin(), kPrograms.end(), extension) != kPrograms.end()) return true;
  return extension.find_first_not_of("0123456789") == extension.npos;
}

bool IsDistributionPlace(std::string_view path) {
  static constexpr std::array<std::string_view, 4> kPlaces = {"usr/", "etc/", "var/", "boot/"};
  std::string merged = MergedUsr(path);
  return !merged.starts_with("usr/local/") && std::any_of(kPlaces.begin(), kPlaces.end(), [&](std::string_view p) { return merged.starts_with(p); });
}

std::string MergedUsr(std::string_view path) {
  for (std::string_view top : {"bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/"}) {
    if (path.starts_with(top)) return "usr/" + std::string(path);
  }
  return std::string(path);
}

}  // namespace bulwark::catalog
