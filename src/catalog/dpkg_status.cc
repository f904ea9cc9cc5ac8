// dpkg's database of installed packages: one deb822 stanza a package (deb-control(5), dpkg-query(1)).
#include <array>
#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "catalog/paths.h"
#include "catalog/readers.h"
#include "formats/deb822.h"

namespace bulwark::catalog {
namespace {

constexpr std::string_view kStatus = "var/lib/dpkg/status";
constexpr std::string_view kStatusFolder = "var/lib/dpkg/status.d/";
constexpr std::string_view kUpdatesFolder = "var/lib/dpkg/updates/";

enum class OnDisk { kYes, kNo, kUnknown };

// The third word of Status; dpkg takes any white space between the words and any case. All states in which the package's
// files are on disk count, not only "installed": code that was unpacked runs as well. A state that dpkg does not know is
// not "not installed": the package counts, and the stanza is a gap.
OnDisk StateOf(std::string_view status) {
  static constexpr std::array<std::string_view, 6> kStates = {"installed", "unpacked", "half-configured", "half-installed",
                                                              "triggers-awaited", "triggers-pending"};
  std::string state = ToLower(status.substr(status.find_last_of(" \t\r\n") + 1));
  if (state == "not-installed" || state == "config-files") return OnDisk::kNo;
  return std::find(kStates.begin(), kStates.end(), state) != kStates.end() ? OnDisk::kYes : OnDisk::kUnknown;
}

image::Package ToPackage(const formats::Stanza& stanza, std::string_view path) {
  image::Package package;
  package.ecosystem = versions::Ecosystem::kDeb;
  package.name = stanza.Get("Package");
  package.version = stanza.Get("Version");
  package.arch = stanza.Get("Architecture");
  package.source_name = package.name;
  package.source_version = package.version;
  package.path = path;
  // "Source: name" or, where the versions differ (binNMUs, packages of one source with own versions), "name (version)".
  std::string_view source = stanza.Get("Source");
  if (source.empty()) return package;
  std::size_t open = source.find('(');
  package.source_name = Trim(source.substr(0, open));
  if (open == source.npos) return package;
  std::string_view version = source.substr(open + 1);
  package.source_version = Trim(version.substr(0, version.find(')')));
  return package;
}

image::Gap Blind(std::string reason) { return {image::GapKind::kBlind, "", "", std::move(reason)}; }

// Adds the package of a stanza, or a gap saying why there is none. Files of status.d have no Status: being there is it.
void AddStanza(const formats::Stanza& stanza, const LayerFile& file, bool needs_status, Facts& facts) {
  std::string where = "line " + std::to_string(stanza.line()) + ": ";
  auto status = stanza.Find("Status");
  if (!status && needs_status) return facts.gaps.push_back(Blind(where + "a package without a status"));
  for (std::string_view field : {"Package", "Version", "Status", "Source", "Architecture"}) {
    if (stanza.Repeats(field)) facts.gaps.push_back(Blind(where + "field " + std::string(field) + " is there twice"));
  }
  OnDisk on_disk = status ? StateOf(*status) : OnDisk::kYes;
  if (on_disk == OnDisk::kNo) return;
  if (on_disk == OnDisk::kUnknown) facts.gaps.push_back(Blind(where + "no status of dpkg's: " + Printable(*status, 100)));
  image::Package package = ToPackage(stanza, file.path);
  if (package.name.empty() || package.version.empty()) {
    return facts.gaps.push_back(Blind(where + "an installed package without " + (package.name.empty() ? "name" : "version")));
  }
  facts.packages.push_back(std::move(package));
}

}  // namespace

bool IsDpkgStatus(std::string_view path, std::uint32_t) {
  if (path == kStatus) return true;
  if (!path.starts_with(kStatusFolder)) return false;
  std::string_view name = path.substr(kStatusFolder.size());
  return name.find('/') == name.npos && !name.ends_with(".md5sums") && !name.ends_with(".preinst") && !name.ends_with(".postinst") &&
         !name.ends_with(".list") && !name.ends_with(".conffiles");
}

Result<Facts> ReadDpkgStatus(const LayerFile& file) {
  Facts facts;
  bool needs_status = file.path.find("/status.d/") == file.path.npos;
  formats::Deb822 stanzas(AsText(file.bytes));
  while (auto next = stanzas.Next()) {
    if (next->ok()) {
      AddStanza(**next, file, needs_status, facts);
    } else {
      facts.gaps.push_back(Blind(next->error().message));
    }
  }
  return facts;
}

// dpkg takes only names of digits; "tmp.i" is a file that it was still writing.
bool IsDpkgUpdate(std::string_view path, std::uint32_t) {
  if (!path.starts_with(kUpdatesFolder)) return false;
  std::string_view name = path.substr(kUpdatesFolder.size());
  return !name.empty() && name.find_first_not_of("0123456789") == name.npos;
}

// An entry overrides the stanza of its package in status. Which of both is on disk the interruption left open, so both are
// listed: nothing is hidden by an entry.
Result<Facts> ReadDpkgUpdate(const LayerFile& file) {
  if (file.bytes.empty()) return Facts();
  BW_TRY(Facts facts, ReadDpkgStatus(file));
  facts.gaps.push_back({image::GapKind::kPartial, "", "", "dpkg was interrupted: this entry overrides its package in var/lib/dpkg/status; both count"});
  return facts;
}

}  // namespace bulwark::catalog
