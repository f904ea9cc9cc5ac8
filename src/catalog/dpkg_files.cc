// Which files dpkg's packages claim: info/PACKAGE[:ARCH].list (absolute paths, folders too) and .md5sums
// ("checksum  path", regular files), as far as IsClaimKept.
#include <algorithm>

#include "base/limits.h"
#include "catalog/lines.h"
#include "catalog/paths.h"
#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

constexpr std::string_view kInfo = "var/lib/dpkg/info/";
constexpr std::string_view kStatusFolder = "var/lib/dpkg/status.d/";

bool IsMd5(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string_view Clean(std::string_view path) {
  while (path.starts_with("./") || path.starts_with("/")) path.remove_prefix(path.starts_with("/") ? 1 : 2);
  return path;
}

}  // namespace

bool IsClaimKept(std::string_view path) {
  if (path.empty() || path.find("..") != path.npos) return false;
  return WantedByPath(path) || (path.find('/') != path.npos && IsProgramPlace(path));
}

bool IsDpkgFileList(std::string_view path, std::uint32_t) {
  bool sums = path.ends_with(".md5sums");
  if (path.starts_with(kStatusFolder)) return sums;
  return path.starts_with(kInfo) && (sums || path.ends_with(".list"));
}

Result<Facts> ReadDpkgFileList(const LayerFile& file) {
  Facts facts;
  std::string_view name = FileName(file.path);
  bool sums = name.ends_with(".md5sums");
  std::string package(name.substr(0, std::min(name.find(':'), name.rfind('.'))));
  std::uint64_t odd = 0;
  for (std::string_view rest = AsText(file.bytes); !rest.empty();) {
    std::string_view line = TakeLine(rest);
    if (line.empty()) continue;
    std::string_view md5;
    if (sums) {
      md5 = line.substr(0, line.find(' '));
      line.remove_prefix(std::min(line.size(), line.find_first_not_of(" *", md5.size())));
      if (!IsMd5(md5) || line.empty()) {
        ++odd;
        continue;
      }
    }
    std::string_view path = Clean(line);
    if (!IsClaimKept(path)) continue;
    if (facts.owned.size() >= limits::kPackagesPerLayer) return Error{Errc::kLimit, "claims too many files"};
    facts.owned.push_back({std::string(path), package, std::string(md5)});
  }
  if (odd) facts.gaps.push_back({image::GapKind::kPartial, "", "", std::to_string(odd) + " lines that are no checksum and path"});
  return facts;
}

}  // namespace bulwark::catalog
