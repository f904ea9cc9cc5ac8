#pragma once
// The inventory of an image: packages that exist in its running file tree, with where each was seen, and what could not
// be read. Sorted, so that equal images give equal inventories.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "image/facts.h"

namespace bulwark::catalog {

// Does a distribution package own the file that named this (language) package? DESIGN 2.12.
enum class Ownership : std::uint8_t {
  kNone = 0,      // nobody claims it
  kVerified = 1,  // claimed, and the file matches the recorded checksum
  kClaimed = 2,   // claimed, no checksum recorded: not enough to suppress a finding
  kMismatch = 3,  // claimed, but the file differs: a gap
};

struct InventoryPackage {
  image::Package package;       // package.path is the path in the final tree
  Digest layer;                 // blob digest of the layer it was read from
  std::uint32_t layer_index = 0;
  std::string cataloger;
  Ownership ownership = Ownership::kNone;
  std::string owner;            // binary package that claims it
  std::string owner_source;     // its source package
  bool hidden = false;          // only lower layers show it: its database was removed (removed evidence)
  auto operator<=>(const InventoryPackage&) const = default;
};

struct Inventory {
  std::optional<image::OsRelease> os;
  std::string distribution;  // ecosystem of distribution packages in advisory keys: "Debian:12"; empty if unknown
  std::vector<InventoryPackage> packages;  // sorted by (ecosystem, name, version, path)
  std::vector<image::Gap> gaps;            // sorted, unique
  bool blind() const;        // any blind gap: the image counts as unscanned
};

}  // namespace bulwark::catalog
