#pragma once
// Policies: versioned YAML documents (docs/policy.md), parsed into values.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisory/model.h"
#include "base/clock.h"
#include "base/result.h"
#include "policy/facts.h"

namespace bulwark::formats {
struct YamlNode;
}

namespace bulwark::policy {

enum class Mode : std::uint8_t { kAudit = 1, kWarn = 2, kEnforce = 3 };
enum class Effect : std::uint8_t { kAllow = 1, kWarn = 2, kDeny = 3 };
// A push that is denied: refused, stored but held back from all but its pusher and scanners, or stored as any other (with a
// warning; pull and admission judge on their own).
enum class OnPush : std::uint8_t { kRefuse = 1, kQuarantine = 2, kAccept = 3 };
std::string_view Name(Mode mode);      // "audit", "warn", "enforce"
std::string_view Name(Effect effect);  // "allow", "warn", "deny"

// What a rule looks for in a finding; every set field must hold.
struct FindingMatcher {
  std::optional<advisory::Severity> severity;   // this or worse; unknown counts as Policy::on_unknown
  std::optional<bool> fix_available;
  std::optional<Millis> fix_older_than;         // an unknown fix date counts as old
  std::optional<bool> known_exploited;
  std::optional<double> score_at_least;         // an unknown score counts as the highest of its severity
  std::optional<double> epss_at_least;          // an unknown EPSS matches none
  std::vector<std::string> ids;                 // any of these ids or aliases
  std::vector<std::string> packages;            // globs of package or source package names; "*" is every name
  std::optional<advisory::Class> kind;
};

struct Rule {
  std::string id;
  Effect effect = Effect::kDeny;                // deny or warn
  FindingMatcher match;
  std::string lacks;                            // not empty: it asks for facts that nobody gathers yet ("secret"): on_error
};

// A `require` rule. It cannot be met before signatures are verified, so it denies (never passes unseen).
struct Requirement {
  std::string id;
  std::string kind;                             // "signature" or "attestation"
  std::string terms;                            // canonical text of what it asks for
};

struct Unscanned {
  Effect effect = Effect::kDeny;
  Millis hold{0};                               // deny after holding a request this long
};

struct Policy {
  std::string name;
  std::vector<std::string> repositories = {"**"};
  std::vector<PointOfUse> at = {PointOfUse::kPush, PointOfUse::kPull, PointOfUse::kAdmission};
  Mode mode = Mode::kEnforce;
  std::vector<Rule> rules;
  std::vector<Requirement> requirements;
  Unscanned unscanned;
  Effect unscannable_image = Effect::kDeny;     // blind gaps
  Effect unscannable_artifact = Effect::kAllow;
  Effect gaps = Effect::kWarn;                  // partial gaps
  advisory::Severity on_unknown = advisory::Severity::kHigh;
  Effect on_error = Effect::kDeny;              // a rule that cannot be judged
  std::map<Millis, Effect> stale_data;          // age of the advisory data -> effect
  Millis grace_running{0};                      // running digests stay allowed this long after a denial begins
  std::vector<std::string> platforms;           // of indexes; empty = all runnable ones present
  std::optional<std::vector<std::string>> artifact_types;  // allowed ones; nullopt = all
  bool artifacts_allowed = true;
  OnPush on_push = OnPush::kRefuse;             // what becomes of a push that the rules deny
  std::string revision;                         // sha256 of the canonical form
};

// Parses one YAML document. kInvalid with line and key for anything unknown, of the wrong type, or contradictory.
Result<Policy> ParsePolicy(std::string_view yaml);
Result<Policy> ReadPolicy(const formats::YamlNode& document);  // the same of a part of a larger document
// "severity=high,fix=available": the matchers of `--fail-on`.
Result<FindingMatcher> ParseMatchers(std::string_view text);
// The built-in policy `default` on `**` (DESIGN section 4).
const std::string& DefaultPolicyYaml();
Policy DefaultPolicy();
// The policy of `--fail-on`: one deny rule "fail-on", everywhere; what could not be scanned is denied too.
Policy FailOnPolicy(FindingMatcher matcher);

}  // namespace bulwark::policy
