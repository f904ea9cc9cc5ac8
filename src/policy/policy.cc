#include "policy/policy.h"

#include <cstdlib>

namespace bulwark::policy {

std::string_view Name(Mode mode) {
  switch (mode) {
    case Mode::kAudit: return "audit";
    case Mode::kWarn: return "warn";
    case Mode::kEnforce: return "enforce";
  }
  return "?";
}

std::string_view Name(Effect effect) {
  switch (effect) {
    case Effect::kAllow: return "allow";
    case Effect::kWarn: return "warn";
    case Effect::kDeny: return "deny";
  }
  return "?";
}

std::string_view Name(PointOfUse at) {
  switch (at) {
    case PointOfUse::kPush: return "push";
    case PointOfUse::kPull: return "pull";
    case PointOfUse::kAdmission: return "admission";
  }
  return "?";
}

const std::string& DefaultPolicyYaml() {
  static const std::string kText = R"(# Active without configuration on every repository.
policy: default
description: Known exploited vulnerabilities, and serious ones whose fix is a month old, are refused.
applies_to: {repositories: ["**"], at: [push, pull, admission]}
mode: enforce
rules:
  - id: known-exploited
    deny: {kev: true}
  - id: fixable-high
    deny: {severity: high, fix: available, fix_older_than: 30d}
  - id: known
    warn: {severity: none}
on_push: accept          # stored, with a warning; the pull is what is refused
on_unknown: high
unscanned: hold 30s
unscannable: {image: deny, artifact: allow}
gaps: warn
artifacts: allow
)";
  return kText;
}

Policy DefaultPolicy() {
  auto policy = ParsePolicy(DefaultPolicyYaml());
  if (!policy.ok()) std::abort();  // a text of ours
  return *std::move(policy);
}

Policy FailOnPolicy(FindingMatcher matcher) {
  Policy policy;
  policy.name = "command line";
  policy.rules.push_back({"fail-on", Effect::kDeny, std::move(matcher), ""});
  return policy;
}

}  // namespace bulwark::policy
