// The decision for an index (DESIGN 2.3). A pull is served if any runnable child may be pulled, each child being gated
// on its own; push and admission take the worst of the children that the policies name.

#include <algorithm>
#include <optional>
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

// "linux/arm64" is named by "linux/arm64"; "linux/arm/v7" also by "linux/arm".
bool Names(const std::string& wanted, const std::string& platform) {
  return platform == wanted || (platform.starts_with(wanted) && platform[wanted.size()] == '/');
}

// What each policy says of an image that nobody scanned. `effect` in place of its `unscanned`, where that is asked.
Decision Unscanned(const std::string& repository, const PolicyRefs& policies, PointOfUse at, Time as_of,
                   std::optional<Effect> effect = std::nullopt) {
  std::vector<Policy> unscanned;
  for (const Policy* policy : policies) {
    Policy only;
    only.name = policy->name;
    only.mode = policy->mode;
    only.at = policy->at;
    only.unscanned = effect ? policy::Unscanned{*effect, Millis(0)} : policy->unscanned;
    only.on_push = policy->on_push;
    unscanned.push_back(std::move(only));
  }
  Facts facts;
  facts.repository = repository;
  return Decide(facts, unscanned, at, as_of);
}

// A child that is not here, judged as an unscanned image of each policy.
Decision Missing(const std::string& repository, const PolicyRefs& policies, PointOfUse at, Time as_of, const std::string& what) {
  Decision decision = Unscanned(repository, policies, at, as_of);
  for (Reason& reason : decision.reasons) reason.message += ": " + what;
  return decision;
}

// Something about the index itself, whatever `unscanned` says: an enforcing policy has that effect, the others what their
// mode makes of it. One reason, that of the strictest.
Decision AboutIndex(const std::string& repository, const PolicyRefs& policies, PointOfUse at, Time as_of, Effect effect,
                    const std::string& what) {
  Decision decision = Unscanned(repository, policies, at, as_of, effect);
  auto worst = std::max_element(decision.reasons.begin(), decision.reasons.end(),
                                [](const Reason& a, const Reason& b) { return a.effect < b.effect; });
  if (worst == decision.reasons.end()) return decision;
  Reason reason = *worst;
  reason.rule = "platforms";
  reason.message = what;
  decision.reasons = {std::move(reason)};
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
    if (missing.outcome != Outcome::kDeny)
      missing = AboutIndex(repository, policies, PointOfUse::kPull, as_of, Effect::kDeny, "none of the images of this index is here");
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
    if (child.present) continue;
    // Who names no platforms wants to know of every image before it runs; a push may come before its images.
    PolicyRefs asking = by_name;
    if (at == PointOfUse::kAdmission) asking.insert(asking.end(), by_default.begin(), by_default.end());
    if (!asking.empty()) missing(asking, child.platform, child.digest.short_str() + " is not here");
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

void Add(const Decision& note, Decision& decision) {
  if (Badness(note.outcome) > Badness(decision.outcome)) decision.outcome = note.outcome;
  decision.reasons.insert(decision.reasons.end(), note.reasons.begin(), note.reasons.end());
  StableSort(decision.reasons, [](const Reason& a, const Reason& b) { return a.effect > b.effect; });
}

// "2 of 5 images of the index are not here …"; empty if all are.
std::string MissingText(std::span<const ChildDecision> children) {
  constexpr std::size_t kNamed = 3;
  std::size_t images = 0, missing = 0;
  std::string named;
  for (const ChildDecision& child : children) {
    if (!child.runnable) continue;
    ++images;
    if (child.present || missing++ >= kNamed) continue;
    named += (named.empty() ? "" : ", ") + child.digest.short_str();
  }
  if (missing == 0) return {};
  return fmt::format("{} of {} images of the index {} not here and could not be judged: {}{}", missing, images,
                     missing == 1 ? "is" : "are", named, missing > kNamed ? ", …" : "");
}

// An index without images (referrers by tag, a bundle of charts) is an artifact. Nothing in it can run, so nothing vouches
// for it where something is about to.
Decision DecideArtifactIndex(std::span<const Policy> policies, const PolicyRefs& applying, const std::string& repository,
                             PointOfUse at, Time as_of, bool empty) {
  Facts facts;
  facts.repository = repository;
  facts.artifact = facts.scanned = true;
  Decision decision = Decide(facts, policies, at, as_of);
  if (applying.empty()) return decision;
  const std::string nothing = "the index lists no image: there is nothing to run";
  if (at == PointOfUse::kAdmission) Add(AboutIndex(repository, applying, at, as_of, Effect::kDeny, nothing), decision);
  else if (empty) Add(AboutIndex(repository, applying, at, as_of, Effect::kWarn, nothing), decision);
  return decision;
}

}  // namespace

Decision DecideIndex(std::span<const ChildDecision> children, std::span<const Policy> policies, const std::string& repository,
                     PointOfUse at, Time as_of) {
  PolicyRefs applying;
  for (const Policy& policy : policies) {
    if (Applies(policy, repository, at)) applying.push_back(&policy);
  }
  bool has_images = std::any_of(children.begin(), children.end(), [](const ChildDecision& c) { return c.runnable; });
  if (applying.empty() || !has_images) return DecideArtifactIndex(policies, applying, repository, at, as_of, children.empty());
  std::vector<Part> parts = at == PointOfUse::kPull ? PullParts(children, repository, applying, as_of)
                                                    : StrictParts(children, repository, applying, at, as_of);
  Decision decision;
  decision.outcome = Outcome::kAllow;
  if (!parts.empty()) decision = Combine(parts, at);  // none: a push before its images
  // Unknown never reads as safe: what is served or taken in says what is not here, whoever decides.
  const bool any_here = std::any_of(children.begin(), children.end(), [](const ChildDecision& c) { return c.runnable && c.present; });
  const std::string missing = any_here || at != PointOfUse::kPull ? MissingText(children) : "";  // else said already
  if (!missing.empty() && Badness(decision.outcome) <= Badness(Outcome::kWarn))
    Add(AboutIndex(repository, applying, at, as_of, Effect::kWarn, missing), decision);
  return decision;
}

}  // namespace bulwark::policy
