#pragma once
// Advisories: what a source says about one vulnerability in one package of one ecosystem or release. Feeds (feeds.cc)
// produce Records, the builder writes them into one immutable file, the index reads that file (docs/formats/advisory-file.md).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "versions/ecosystem.h"

namespace bulwark::advisory {

// What the source says about the package in this release. Stored numbers, never reused.
enum class State : std::uint8_t {
  kFixed = 1,         // affected inside `ranges` (or `versions`), not outside
  kOpen = 2,          // affected, no fix yet
  kNotAffected = 3,
  kUndetermined = 4,  // the source has not decided
  kIgnored = 5,       // affected, the vendor will not fix
  kEndOfLife = 6,     // affected or not: nobody looks any more
};
enum class Severity : std::uint8_t { kUnknown = 0, kNone = 1, kLow = 2, kMedium = 3, kHigh = 4, kCritical = 5 };
enum class Class : std::uint8_t { kVulnerability = 1, kMalicious = 2, kInformational = 3 };

std::string_view Name(State state);        // "fixed", "open", …
std::string_view Name(Severity severity);  // "unknown", "none", "low", …

// From `introduced` (inclusive; "" or "0" = the first version) to `fixed` (exclusive) or `last_affected` (inclusive);
// both empty = for ever.
struct Range {
  std::string introduced;
  std::string fixed;
  std::string last_affected;
  auto operator<=>(const Range&) const = default;
};

struct Record {
  std::string id;                     // of this record at its source: "CVE-2024-5171", "GHSA-…", "GO-2025-3707"
  std::vector<std::string> aliases;   // other ids of the same vulnerability, sorted
  versions::PackageKey package;
  State state = State::kFixed;
  Class kind = Class::kVulnerability;
  std::vector<Range> ranges;          // sorted by the ecosystem's order; may be empty if `versions` is not
  std::vector<std::string> versions;  // single affected versions beside the ranges
  Severity severity = Severity::kUnknown;
  double score = -1;                  // CVSS base score; -1 unknown
  std::string vector;                 // CVSS vector
  std::string source;                 // "debian", "osv", "starter", …
  Time published = kNever;            // kNever = unknown
  Time fixed_at = kNever;             // when a fixed version was first seen; kNever = unknown, counts as old (DESIGN 2.21)
  std::string url;
  auto operator<=>(const Record&) const = default;
};

// Known exploited: joined at match time by id and aliases.
struct KnownExploited {
  std::string cve;
  Time added = kNever;
};

// EPSS of a CVE, both from 0 to 1: joined at match time as well.
struct Epss {
  std::string cve;
  double score = 0;       // how likely exploitation within 30 days is
  double percentile = 0;  // how many CVEs have at most this score
};

}  // namespace bulwark::advisory
