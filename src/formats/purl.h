#pragma once
// Package URLs (purl-spec; ECMA-427): "pkg:type/namespace/name@version?qualifiers#subpath".

#include <compare>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bulwark::formats {

// Decoded and normalized parts.
struct Purl {
  std::string type;            // lower case
  std::string name_space;      // segments joined by "/"; may be empty
  std::string name;
  std::string version;         // may be empty
  std::vector<std::pair<std::string, std::string>> qualifiers;  // keys lower case, unique, sorted; no empty values
  std::string subpath;         // segments joined by "/"; may be empty
  auto operator<=>(const Purl&) const = default;
};

// Parses any spelling the specification admits and normalizes by the rules of the type (purl-spec/types). kInvalid for
// what it forbids (repeated keys, bad escapes, bytes that are no UTF-8, a missing name, what the type requires);
// kLimit above limits::kPurlBytes.
Result<Purl> ParsePurl(std::string_view text);

// The canonical text. The parts may be un-normalized; kInvalid if no purl can have them.
Result<std::string> BuildPurl(Purl parts);

}  // namespace bulwark::formats
