#pragma once
// What is known and decided about one image, ready to be shown. A report is a function of what it prints: digest, facts
// version, data, policy and exception revisions, as_of (DESIGN 2.6).

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "catalog/inventory.h"
#include "match/finding.h"
#include "policy/decide.h"
#include "policy/facts.h"

namespace bulwark::report {

struct PolicyRevision {
  std::string name;
  std::string revision;
};

struct Revisions {
  std::uint32_t facts_set = 0;       // catalog::kSetVersion at the time of reading
  std::uint32_t limits = 0;          // limits::kLimitsVersion then
  std::string data;                  // advisory::Index::revision()
  Time data_date = kNever;
  std::vector<PolicyRevision> policies;
  std::string exceptions;            // revision of the set of exceptions; empty if there are none
  Time as_of = kNever;
};

struct PointVerdict {
  policy::PointOfUse at = policy::PointOfUse::kPull;
  policy::Decision decision;
};

struct Report {
  std::string reference;             // as given
  Digest digest;                     // of the manifest; empty() for a folder or file
  std::string platform;              // "linux/amd64" or empty
  bool image = true;
  Revisions revisions;
  catalog::Inventory inventory;
  match::Findings findings;          // from match::Find
  std::vector<policy::Exception> exceptions;  // those that apply here: shown beside what they cover
  std::vector<PointVerdict> verdicts;         // in the order of the enum; may be empty (no policy asked)
};

// Gaps of inventory and match, unique; blind ones first.
std::vector<image::Gap> AllGaps(const Report& report);
// Any of them blind: the image counts as not fully scanned.
bool IsBlind(const Report& report);

}  // namespace bulwark::report
