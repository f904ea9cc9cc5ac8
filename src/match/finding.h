#pragma once
// Findings: packages x advisories, each with its proof (DESIGN 2.5, 2.6).

#include <cstdint>
#include <string>
#include <vector>

#include "advisory/index.h"
#include "base/clock.h"
#include "catalog/inventory.h"

namespace bulwark::match {

// Three answers. Not affected ones are kept only where they explain something (suppression, VEX).
enum class Answer : std::uint8_t { kAffected = 1, kNotAffected = 2, kUnknown = 3 };
enum class Confidence : std::uint8_t { kLow = 1, kMedium = 2, kHigh = 3 };

struct Finding {
  std::string key;                   // stable 16 hex digits of (id, ecosystem, package, version, path): names it in exceptions and lists
  std::string id;                    // preferred id: the CVE if there is one
  std::vector<std::string> aliases;  // all other ids, sorted
  Answer answer = Answer::kAffected;
  advisory::State state = advisory::State::kFixed;
  advisory::Class kind = advisory::Class::kVulnerability;
  Confidence confidence = Confidence::kHigh;

  // The package it is about.
  versions::Ecosystem ecosystem = versions::Ecosystem::kDeb;
  std::string key_ecosystem;         // "Debian:12", "npm": where it was looked up
  std::string package;               // binary package name
  std::string version;
  std::string source_package;        // distributions: what was looked up
  std::string path;
  Digest layer;
  std::uint32_t layer_index = 0;
  std::string cataloger;
  std::string owned_by;              // "owned?": a distribution package claims the file, not proven (DESIGN 2.12)
  bool development = false;

  // The advisory and the comparison.
  std::string fixed_version;         // smallest version that clears this finding; empty if none
  Time fixed_at = kNever;            // when that fix was first seen; kNever = unknown, counts as old
  advisory::Severity severity = advisory::Severity::kUnknown;
  double score = -1;
  std::string vector;
  bool known_exploited = false;
  double epss = -1;                  // EPSS score and percentile, 0 to 1; -1 unknown
  double epss_percentile = -1;
  std::string source;                // advisory source
  std::string record;                // its record id
  std::string range;                 // "< 1.2.3", ">= 1.0, < 1.2.3 or = 2.0"
  std::string comparison;            // "1.2.2 < 1.2.3 (deb)", "no order: …"
  std::string url;
  auto operator<=>(const Finding&) const = default;
};

// What the data says about an ecosystem or release of which the image has packages.
struct EcosystemCoverage {
  std::string ecosystem;
  advisory::Coverage coverage;
};

struct Findings {
  std::vector<Finding> findings;         // sorted by (severity desc, id, package, path); aliases of one package merged
  std::vector<image::Gap> gaps;          // packages of an ecosystem without data or with only a choice of records
  std::vector<Finding> suppressed;       // language matches that distribution data answers (DESIGN 2.12), with the reason in `comparison`
  std::vector<EcosystemCoverage> coverage;  // sorted
};

// Pure. Equal inputs give equal output.
Findings Find(const catalog::Inventory& inventory, const advisory::Index& advisories);

std::string_view Name(Answer answer);
std::string_view Name(Confidence confidence);

}  // namespace bulwark::match
