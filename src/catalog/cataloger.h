#pragma once
// A cataloguer sees one file of one layer and returns facts (STYLE section 2). Adding one: one file, one row in
// catalogers.cc, one case folder under testdata/, and kSetVersion + 1.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "image/facts.h"

namespace bulwark::catalog {

// Raised whenever any answer changes: stored layer records of older sets are read again.
inline constexpr std::uint32_t kSetVersion = 6;

struct LayerFile {
  std::string_view path;  // cleaned, without leading "/"
  ByteSpan bytes;
  std::uint32_t mode = 0;
};

// What a cataloguer returns; the runner puts entry, cataloguer name and checksum to it. An error becomes a gap.
struct Facts {
  std::vector<image::Package> packages;
  std::vector<image::OwnedFile> owned;
  std::optional<image::OsRelease> os;
  std::vector<image::Gap> gaps;  // parts of the file that could not be read
};

// If a file cannot be read: is the image blind (a package database) or is only this one file missing?
struct Cataloger {
  std::string_view name;
  bool (*wants)(std::string_view path, std::uint32_t mode);
  Result<Facts> (*read)(const LayerFile& file);
  image::GapKind on_error;
  bool is_database = false;  // removing this file from an image removes evidence
};

std::span<const Cataloger> Catalogers();  // the list, catalogers.cc

// Whether some cataloguer wants a file for its path alone (programs are wanted for their mode as well), and whether one
// of those is a database. For image::Merge.
bool WantedByPath(std::string_view path);
bool IsDatabasePath(std::string_view path);

}  // namespace bulwark::catalog
