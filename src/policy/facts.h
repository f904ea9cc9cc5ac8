#pragma once
// What Decide judges. Plain values, gathered by the service.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "catalog/inventory.h"
#include "match/finding.h"

namespace bulwark::policy {

enum class PointOfUse : std::uint8_t { kPush = 1, kPull = 2, kAdmission = 3 };
std::string_view Name(PointOfUse at);  // "push", …

// An accepted risk: one vulnerability in one package in one place, until a date (DESIGN section 4).
// Decide checks repository, reference, approver and dates again.
struct Exception {
  std::int64_t id = 0;
  std::string vulnerability;  // CVE or any alias; exact
  std::string package;        // package or source package name; "*" for all
  std::string repository;     // glob of repository names
  std::string reference;      // tag, digest, or "*"
  std::string reason;         // VEX justification, or "risk_accepted" with a note
  std::string note;
  std::string author;
  std::string approver;       // another person; without one the exception is not in force
  Time created{};
  Time expires = kNever;      // mandatory; kNever is refused on creation
};

// Everything known about one manifest at one repository.
struct Facts {
  std::string repository;           // "project/name"
  std::vector<std::string> tags;    // tags that point at it now
  Digest digest;
  bool artifact = false;            // not something a runtime could unpack
  std::string artifact_type;        // of an artifact; informative only
  bool scanned = false;             // all layers have facts
  bool pending = false;             // analysis is queued or under way: `unscanned` in policies decides
  std::vector<image::Gap> gaps;     // inventory and match gaps; a blind one makes it unscanned as well
  std::vector<match::Finding> findings;
  Time data_date = kNever;          // of the advisory data
  Time pushed{};                    // when the manifest came
  std::optional<Time> running_since;// last time it was seen running within 24 h (DESIGN 2.23): grace
  // Since when its stored decision has been a denial (DeniedWithoutGrace in decide.h); without one, grace counts from
  // running_since.
  std::optional<Time> denied_since;
  std::vector<Exception> exceptions;// those whose repository and reference match
};

}  // namespace bulwark::policy
