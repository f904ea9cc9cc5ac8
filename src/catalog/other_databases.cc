// Package databases that this version cannot read. To pass over them would make a whole distribution look clean.
#include <algorithm>
#include <array>

#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

struct Known {
  std::string_view path;
  std::string_view what;
};
constexpr std::array<Known, 17> kKnown = {{
    {"var/lib/rpm/Packages", "RPM (Berkeley DB)"},
    {"var/lib/rpm/Packages.db", "RPM (ndb)"},
    {"var/lib/rpm/rpmdb.sqlite", "RPM (SQLite)"},
    {"usr/lib/sysimage/rpm/Packages", "RPM (Berkeley DB)"},
    {"usr/lib/sysimage/rpm/Packages.db", "RPM (ndb)"},
    {"usr/lib/sysimage/rpm/rpmdb.sqlite", "RPM (SQLite)"},
    {"usr/share/rpm/rpmdb.sqlite", "RPM (SQLite)"},
    {"usr/share/rpm/Packages", "RPM (Berkeley DB)"},
    {"usr/share/rpm/Packages.db", "RPM (ndb)"},
    {"var/db/xbps/pkgdb-0.38.plist", "XBPS"},
    {"var/lib/portage/world", "Portage"},
    {"usr/share/clear/bundles/os-core", "swupd"},
    {"var/lib/rpmmanifest/container-manifest-2", "RPM (distroless manifest)"},
    {"nix/var/nix/db/db.sqlite", "Nix"},
    {"usr/lib/opkg/status", "opkg"},
    {"var/lib/opkg/status", "opkg"},
    {"var/lib/pacman/local/ALPM_DB_VERSION", "pacman"},
}};

const Known* Find(std::string_view path) {
  auto at = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& known) { return known.path == path; });
  return at == kKnown.end() ? nullptr : &*at;
}

}  // namespace

bool IsOtherDatabase(std::string_view path, std::uint32_t) { return Find(path) != nullptr; }

Result<Facts> ReadOtherDatabase(const LayerFile& file) {
  const Known* known = Find(file.path);
  return Error{Errc::kUnsupported, "a package database of a kind that is not read yet: " + std::string(known ? known->what : "unknown")};
}

}  // namespace bulwark::catalog
