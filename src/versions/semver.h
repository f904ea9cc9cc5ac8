#pragma once
// Parts of a SemVer version, shared by npm's and Go's reading of it. Views into the text that was parsed.

#include <compare>
#include <string_view>

namespace bulwark::versions {

struct Semver {
  std::string_view major, minor, patch;  // digits; "" counts as 0
  std::string_view prerelease;           // without "-"; "" if none
};

// Takes one to three dotted numbers without leading zeros off `text`; only after the third may more text follow.
bool TakeCore(std::string_view& text, Semver& into);

// Takes "-prerelease" and "+build" off `rest`, which must then be empty. False if they are malformed.
bool TakeTail(std::string_view rest, Semver& into);

// SemVer 2.0.0 section 11; build metadata does not count.
std::strong_ordering CompareSemverParts(const Semver& a, const Semver& b);

}  // namespace bulwark::versions
