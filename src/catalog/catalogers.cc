// The list. A row's name is stored in layer records and shown in reports. Change any answer, raise kSetVersion.
#include <algorithm>
#include <array>

#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

using image::GapKind;

constexpr std::array<Cataloger, 12> kCatalogers = {{
    // name            wants              reads               on error            is_database
    {"os-release",     IsOsRelease,       ReadOsRelease,      GapKind::kBlind,    true},
    {"dpkg",           IsDpkgStatus,      ReadDpkgStatus,     GapKind::kBlind,    true},
    {"dpkg-updates",   IsDpkgUpdate,      ReadDpkgUpdate,     GapKind::kBlind,    false},
    {"dpkg-files",     IsDpkgFileList,    ReadDpkgFileList,   GapKind::kPartial,  false},
    {"apk",            IsApkInstalled,    ReadApkInstalled,   GapKind::kBlind,    true},
    {"other-database", IsOtherDatabase,   ReadOtherDatabase,  GapKind::kBlind,    true},
    {"unread",         IsUnreadPackages,  ReadUnreadPackages, GapKind::kPartial,  false},
    {"npm",            IsNodePackage,     ReadNodePackage,    GapKind::kPartial,  false},
    {"npm-lock",       IsNpmLock,         ReadNpmLock,        GapKind::kPartial,  false},
    {"python",         IsPythonMetadata,  ReadPythonMetadata, GapKind::kPartial,  false},
    {"go",             IsProgram,         ReadGoProgram,      GapKind::kPartial,  false},
    {"java",           IsJavaArchive,     ReadJavaArchive,    GapKind::kPartial,  false},
}};

}  // namespace

std::span<const Cataloger> Catalogers() { return kCatalogers; }

bool WantedByPath(std::string_view path) {
  // Mode 0: a program is wanted under any name, so its path tells nothing.
  return std::any_of(kCatalogers.begin(), kCatalogers.end(), [&](const Cataloger& c) { return c.wants(path, 0); });
}

bool IsDatabasePath(std::string_view path) {
  return std::any_of(kCatalogers.begin(), kCatalogers.end(), [&](const Cataloger& c) { return c.is_database && c.wants(path, 0); });
}

}  // namespace bulwark::catalog
