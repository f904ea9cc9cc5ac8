#pragma once
// Facts: what one file of one layer says. Cataloguers (catalog/) produce them, layer records keep them, merge picks the
// ones that survive in an image. Plain values without behaviour; docs/formats/layer-record.md has their encoding.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "versions/ecosystem.h"

namespace bulwark::image {

// One package as its metadata names it.
struct Package {
  versions::Ecosystem ecosystem = versions::Ecosystem::kDeb;
  std::string name;            // as the ecosystem writes it ("group:artifact" for Maven, module path for Go)
  std::string version;         // verbatim
  std::string arch;            // distributions only
  std::string source_name;     // distributions: the source package (same as name where none is recorded)
  std::string source_version;  // its version, epoch and revision included
  std::string license;         // as declared, unparsed; may be empty
  std::string path;  // cleaned path in the layer without leading "/"; inside archives "a.jar!/b.jar!/META-INF/x"
  bool development = false;  // a development-only dependency of a lock file
  bool locked_only = false;  // named by a lock file; not proven to be installed
  auto operator<=>(const Package&) const = default;
};

// What could not be read. Blind: the image counts as unscanned. Partial: reported, policy decides by `gaps:`.
enum class GapKind : std::uint8_t { kPartial = 1, kBlind = 2 };
struct Gap {
  GapKind kind = GapKind::kBlind;
  std::string path;       // file, or empty for the whole layer
  std::string cataloger;  // who met it; "layer" for stream and tar, "merge" for the file tree
  std::string reason;     // one sentence
  auto operator<=>(const Gap&) const = default;
};

// os-release(5).
struct OsRelease {
  std::string id;          // "debian"
  std::string version_id;  // "12"; empty for rolling releases
  std::string codename;    // VERSION_CODENAME
  std::string pretty_name;
  std::vector<std::string> id_like;
  auto operator<=>(const OsRelease&) const = default;
};

// A distribution package's claim to a file.
struct OwnedFile {
  std::string path;     // cleaned, without leading "/"
  std::string package;  // binary package name
  std::string md5;      // lower-case hex as recorded, or empty
  auto operator<=>(const OwnedFile&) const = default;
};

// Everything that one cataloguer read out of one file.
struct FileFacts {
  std::uint32_t entry = 0;  // index into LayerRecord::entries
  std::string cataloger;    // row name in catalog/catalogers.cc; empty: no cataloguer had a use for the file
  std::string read_as;      // the final path under which it was read again (image::Unread); empty: its own path
  std::string md5;          // of the file's bytes, lower-case hex: compared with OwnedFile::md5
  std::vector<Package> packages;
  std::vector<OwnedFile> owned;
  std::optional<OsRelease> os;
  std::vector<Gap> gaps;
  auto operator<=>(const FileFacts&) const = default;
};

}  // namespace bulwark::image
