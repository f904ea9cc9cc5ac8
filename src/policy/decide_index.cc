// The decision for an index (DESIGN 2.3). A pull is served if any runnable child may be pulled, each child being gated
// on its own; push and admission take the worst of the children that the policies name.

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/stable_sort.h"
#include "base/log.h"
#include "policy/decide.h"

namespace bulwark::policy {
namespace {

using PolicyRefs = std::vector<const Policy*>;

int Badness(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAllow: return 0;
    case Outcome::kWarn: return 1;
    case Outcome::kPending: return 2;
    case Outcome::kDeny: break;
  }
  return 3;
}

Decision Denied(std::string policy, std::string rule, std::string message) {
  Decision decision;
  decision.outcome = Outcome::kDeny;
  decision.reasons.push_back({Effect::kDeny, std::move(policy), std::move(rule), std::move(message), 1, {}});
  return decision;
}

// "linux/arm64" is named by "linux/arm64"; "linux/arm/v7" also by "linux/arm".
bool Names(const std::string& wanted, const std::string& platform) {
  return platform == wanted || (platform.starts_with(wanted) && platform[wanted.size()] == '/');
}

// A child that is not here, judged as an unscanned image of each policy.
Decision Missing(const std::string& repository, const PolicyRefs& policies, PointOfUse at, Time as_of, const std::string& what) {
  std::vector<Policy> unscanned;
  for (const Policy* policy : policies) {
    Policy only;
    only.name = policy->name;
    only.mode = policy->mode;
    only.at = policy->at;
    only.unscanned = policy->unscanned;
    only.on_push = policy->on_push;
    unscanned.push_back(std::move(only));
  }
  Facts facts;
  facts.repository = repository;
  Decision decision = Decide(facts, unscanned, at, as_of);
  for (Reason& reason : decision.reasons) reason.message += ": " + what;
  return decision;
}

// The decisions to combine, each with the platform it is about.
struct Part {
  std::string platform;
  Decision decision;
};

// An image nobody can pull by this index is no reason to serve it; no platform list applies to pulls.
std::vector<Part> PullParts(std::span<const ChildDecision> children, const std::string& repository, const PolicyRefs& policies,
                            Time as_of) {
  std::vector<Part> parts;
  for (const ChildDecision& child : children) {
    if (child.runnable && child.present) parts.push_back({child.platform, child.decision});
  }
  if (!parts.empty()) return parts;
  for (const ChildDecision& child : children) {
    if (!child.runnable) continue;
    Decision missing = Missing(repository, policies, PointOfUse::kPull, as_of, child.digest.short_str() + " is not here");
    // Whatever `unscanned` says: there is nothing to serve.
    if (missing.outcome != Outcome::kDeny) missing = Denied("", "platforms", "none of the images of this index is here");
    parts.push_back({child.platform, std::move(missing)});
  }
  return parts;
}

std::vector<Part> StrictParts(std::span<const ChildDecision> children, const std::string& repository,
                              const PolicyRefs& policies, PointOfUse at, Time as_of) {
  std::vector<Part> parts;
  auto missing = [&](const PolicyRefs& by, const std::string& platform, const std::string& what) {
    parts.push_back({platform, Missing(repository, by, at, as_of, what)});
  };
  for (const ChildDecision& child : children) {
    if (!child.runnable) continue;
    PolicyRefs by_name, by_default;
    for (const Policy* policy : policies) {
      bool named = std::any_of(policy->platforms.begin(), policy->platforms.end(),
                               [&](const std::string& wanted) { return Names(wanted, child.platform); });
      if (named) by_name.push_back(policy);
      if (policy->platforms.empty()) by_default.push_back(policy);
    }
    if (child.present && (!by_name.empty() || !by_default.empty())) parts.push_back({child.platform, child.decision});
    if (!child.present && !by_name.empty()) missing(by_name, child.platform, child.digest.short_str() + " is not here");
  }
  std::set<std::string, std::less<>> absent;
  for (const Policy* policy : policies) {
    for (const std::string& wanted : policy->platforms) {
      bool listed = std::any_of(children.begin(), children.end(), [&](const ChildDecision& child) {
        return child.runnable && Names(wanted, child.platform);
      });
      if (!listed && absent.insert(policy->name + " " + wanted).second) {
        missing({policy}, wanted, "the index has no image for it");
      }
    }
  }
  return parts;
}

void AddReasons(const Part& part, Decision& into) {
  std::string platform = part.platform.empty() ? "" : Printable(part.platform, 100) + ": ";
  for (Reason reason : part.decision.reasons) {
    reason.message.insert(0, platform);
    into.reasons.push_back(std::move(reason));
  }
}

// Best for a pull, else worst. Only the parts that have the answer give their reasons.
Decision Combine(const std::vector<Part>& parts, PointOfUse at) {
  auto badness = [](const Part& part) { return Badness(part.decision.outcome); };
  auto by_badness = [&](const Part& a, const Part& b) { return badness(a) < badness(b); };
  auto chosen = at == PointOfUse::kPull ? std::min_element(parts.begin(), parts.end(), by_badness)
                                        : std::max_element(parts.begin(), parts.end(), by_badness);
  Decision decision;
  decision.outcome = chosen->decision.outcome;
  decision.quarantine = at == PointOfUse::kPush && decision.outcome == Outcome::kDeny;
  for (const Part& part : parts) {
    decision.valid_until = std::min(decision.valid_until, part.decision.valid_until);
    if (badness(part) != badness(*chosen)) continue;
    AddReasons(part, decision);
    decision.quarantine = decision.quarantine && part.decision.quarantine;
    bool first = decision.hold == Millis(0);
    decision.hold = first ? part.decision.hold : std::min(decision.hold, part.decision.hold);
  }
  StableSort(decision.reasons, [](const Reason& a, const Reason& b) { return a.effect > b.effect; });
  return decision;
}

// An index without images (referrers by tag, a bundle of charts) is an artifact.
Decision DecideArtifactIndex(std::span<const Policy> policies, const std::string& repository, PointOfUse at, Time as_of) {
  Facts facts;
  facts.repository = repository;
  facts.artifact = facts.scanned = true;
  return Decide(facts, policies, at, as_of);
}

}  // namespace

Decision DecideIndex(std::span<const ChildDecision> children, std::span<const Policy> policies, const std::string& repository,
                     PointOfUse at, Time as_of) {
  PolicyRefs applying;
  for (const Policy& policy : policies) {
    if (Applies(policy, repository, at)) applying.push_back(&policy);
  }
  bool has_images = std::any_of(children.begin(), children.end(), [](const ChildDecision& c) { return c.runnable; });
  if (applying.empty() || !has_images) return DecideArtifactIndex(policies, repository, at, as_of);
  std::vector<Part> parts = at == PointOfUse::kPull ? PullParts(children, repository, applying, as_of)
                                                    : StrictParts(children, repository, applying, at, as_of);
  if (parts.empty()) return Denied("", "platforms", "the index holds no image that is here, so none could be judged");
  return Combine(parts, at);
}

}  // namespace bulwark::policy
