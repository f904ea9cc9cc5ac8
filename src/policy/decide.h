#pragma once
// Decide(Facts, Policies) -> Decision. Pure: no I/O, no clock, no globals; the time is an argument (DESIGN 2.1, 4).

#include <span>
#include <string>
#include <vector>

#include "policy/facts.h"
#include "policy/policy.h"

namespace bulwark::policy {

enum class Outcome : std::uint8_t { kAllow = 1, kWarn = 2, kDeny = 3, kPending = 4 };
std::string_view Name(Outcome outcome);  // "allow", "warn", "deny", "pending"

// Why. One per rule that spoke; `findings` are keys of the first offending ones (at most kReasonFindings), `count` all.
struct Reason {
  Effect effect = Effect::kDeny;
  std::string policy;
  // Rule id, or "unscanned", "unscannable", "gaps", "stale_data", "artifacts", "grace", "exception", "no policy",
  // "platforms". An audit-only policy's reasons have kAllow and say so.
  std::string rule;
  std::string message;    // one sentence for the person whose push or pull it is, with CVE, package and fixed version
  std::uint32_t count = 0;
  std::vector<std::string> findings;
  auto operator<=>(const Reason&) const = default;
};
inline constexpr std::size_t kReasonFindings = 5;

struct Decision {
  Outcome outcome = Outcome::kDeny;
  std::vector<Reason> reasons;     // worst first
  Millis hold{0};                  // pending only: how long a request may wait for a verdict
  bool quarantine = false;         // push only: store, but hold back
  Time valid_until = kNever;       // first instant at which time alone can change the answer
  auto operator<=>(const Decision&) const = default;
};

// Judges at `as_of`. All matching policies must pass; enforce beats warn beats audit (audit reasons are listed, they
// decide nothing). No matching policy: deny.
Decision Decide(const Facts& facts, std::span<const Policy> policies, PointOfUse at, Time as_of);

// Whether the policy speaks about this repository at this point of use.
bool Applies(const Policy& policy, std::string_view repository, PointOfUse at);

// Whether the decision is a denial, or would be one without grace: what the service keeps as Facts::denied_since.
bool DeniedWithoutGrace(const Decision& decision);

// Whether a finding meets the matcher at `as_of`. What is not known never helps a finding: an unknown severity, and every
// finding that could not be compared, counts as at least `on_unknown`; not-affected ones never match.
bool Matches(const FindingMatcher& matcher, const match::Finding& finding, advisory::Severity on_unknown, Time as_of);

// The decision for an index from those of its children (DESIGN 2.3): `worst` for push and admission, best for pull.
struct ChildDecision {
  Digest digest;
  std::string platform;      // "linux/amd64"
  bool present = true;       // a missing child counts as unscanned
  bool runnable = true;      // attestation children are not
  Decision decision;
};
Decision DecideIndex(std::span<const ChildDecision> children, std::span<const Policy> policies, const std::string& repository,
                     PointOfUse at, Time as_of);

}  // namespace bulwark::policy
