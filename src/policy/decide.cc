// Judging one manifest. Judge collects what each matching policy says (Speak applies mode and grace), then Finish puts
// the answers together: deny beats pending beats warn beats allow.

#include "policy/decide.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/stable_sort.h"
#include "base/log.h"
#include "base/strings.h"
#include "policy/matcher.h"
#include "policy/message.h"

namespace bulwark::policy {
namespace {

using match::Finding;

// How long after it was last seen a digest counts as running (DESIGN 2.23).
constexpr Millis kRunning = std::chrono::hours(24);

// A denial may be put off for what runs already, unless it says that nothing is known about the image.
enum class Grace : bool { kNo, kYes };

class Judge {
 public:
  Judge(const Facts& facts, PointOfUse at, Time as_of) : facts_(facts), at_(at), time_(as_of) {}

  void Add(const Policy& policy) {
    ++policies_;
    if (facts_.artifact) JudgeArtifact(policy);
    JudgeScan(policy);
    JudgeGaps(policy);
    JudgeAge(policy);
    for (const Rule& rule : policy.rules) JudgeRule(policy, rule);
    for (const Requirement& requirement : policy.requirements) JudgeRequirement(policy, requirement);
  }

  Decision Finish() &&;

 private:
  void JudgeArtifact(const Policy& policy);
  void JudgeScan(const Policy& policy);
  void JudgePending(const Policy& policy);
  void JudgeGaps(const Policy& policy);
  void JudgeAge(const Policy& policy);
  void JudgeRule(const Policy& policy, const Rule& rule);
  void JudgeRequirement(const Policy& policy, const Requirement& requirement);

  void Speak(const Policy& policy, Effect effect, Grace grace, Reason reason);
  bool InGrace(const Policy& policy);
  const Exception* Excepted(const Finding& finding);
  bool InForce(const Exception& exception);
  std::vector<const image::Gap*> GapsOf(image::GapKind kind) const;

  const Facts& facts_;
  PointOfUse at_;
  Horizon time_;
  std::size_t policies_ = 0;
  bool denied_ = false, refused_ = false, pending_ = false, warned_ = false;
  Millis hold_{0};
  std::vector<Reason> reasons_;
  std::set<std::string, std::less<>> graced_;                          // policies whose grace has been announced
  std::map<const Exception*, std::set<const Finding*>> used_;
};

Reason NewReason(const Policy& policy, std::string rule, std::string_view text) {
  return {Effect::kDeny, policy.name, std::move(rule), PolicyMessage(policy, text), 1, {}};
}

void Judge::JudgeArtifact(const Policy& policy) {
  bool allowed = policy.artifacts_allowed;
  if (policy.artifact_types) {
    allowed = std::find(policy.artifact_types->begin(), policy.artifact_types->end(), facts_.artifact_type) !=
              policy.artifact_types->end();
  }
  if (allowed) return;
  std::string type = facts_.artifact_type.empty() ? "without a type" : "of type " + Printable(facts_.artifact_type, 200);
  Speak(policy, Effect::kDeny, Grace::kNo, NewReason(policy, "artifacts", fmt::format("artifacts {} are not allowed", type)));
}

void Judge::JudgeScan(const Policy& policy) {
  if (facts_.pending) return JudgePending(policy);
  auto blind = GapsOf(image::GapKind::kBlind);
  if (!facts_.scanned && facts_.artifact) {
    Speak(policy, policy.unscannable_artifact, Grace::kNo,
          NewReason(policy, "unscannable", "the artifact has not been scanned"));
  } else if (!facts_.scanned) {
    Speak(policy, policy.unscanned.effect, Grace::kNo, NewReason(policy, "unscanned", "the image has not been scanned"));
  }
  if (blind.empty()) return;
  Reason reason = NewReason(policy, "unscannable", "not fully scanned: " + GapsText(blind));
  reason.count = static_cast<std::uint32_t>(blind.size());
  Speak(policy, facts_.artifact ? policy.unscannable_artifact : policy.unscannable_image, Grace::kNo, std::move(reason));
}

void Judge::JudgePending(const Policy& policy) {
  const Unscanned& unscanned = policy.unscanned;
  bool accepted = at_ == PointOfUse::kPush && policy.on_push == OnPush::kAccept;
  bool holds = !accepted && policy.mode == Mode::kEnforce && unscanned.effect == Effect::kDeny && unscanned.hold > Millis(0);
  std::string text = "the scan is not finished";
  if (holds) text += fmt::format("; a request waits for it up to {}", FormatDuration(unscanned.hold));
  Reason reason = NewReason(policy, "unscanned", text);
  if (!holds) return Speak(policy, unscanned.effect, Grace::kNo, std::move(reason));
  hold_ = pending_ ? std::min(hold_, unscanned.hold) : unscanned.hold;
  pending_ = true;
  reasons_.push_back(std::move(reason));
}

void Judge::JudgeGaps(const Policy& policy) {
  auto partial = GapsOf(image::GapKind::kPartial);
  if (partial.empty()) return;
  Reason reason = NewReason(policy, "gaps", "not read: " + GapsText(partial));
  reason.count = static_cast<std::uint32_t>(partial.size());
  Speak(policy, policy.gaps, Grace::kYes, std::move(reason));
}

void Judge::JudgeAge(const Policy& policy) {
  if (facts_.artifact) return;  // nothing of it was compared with advisories
  Effect worst = Effect::kAllow;
  Millis limit{0};
  for (const auto& [age, effect] : policy.stale_data) {
    // Data of unknown age is as old as any.
    bool old = facts_.data_date == kNever || time_.Reached(After(facts_.data_date, age));
    if (old && effect > worst) worst = effect, limit = age;
  }
  if (worst == Effect::kAllow) return;
  std::string text = facts_.data_date == kNever
                         ? "the age of the advisory data is not known"
                         : fmt::format("the advisory data of {} is older than {}", FormatTime(facts_.data_date),
                                       FormatDuration(limit));
  Speak(policy, worst, Grace::kYes, NewReason(policy, "stale_data", text));
}

// Exploited ones first, then by severity as judged, then those that can be fixed; else in the order given.
void PutWorstFirst(std::vector<const Finding*>& offending, advisory::Severity on_unknown) {
  StableSort(offending, [&](const Finding* a, const Finding* b) {
    auto rank = [&](const Finding* f) {
      return std::tuple(f->known_exploited, JudgedSeverity(*f, on_unknown), f->answer == match::Answer::kAffected,
                        HasFix(*f));
    };
    return rank(a) > rank(b);
  });
}

void Judge::JudgeRule(const Policy& policy, const Rule& rule) {
  if (!rule.lacks.empty()) {
    return Speak(policy, std::min(policy.on_error, rule.effect), Grace::kNo,
                 NewReason(policy, rule.id, fmt::format("rule {} cannot be judged: no {} facts", rule.id, rule.lacks)));
  }
  std::vector<const Finding*> offending;
  for (const Finding& finding : facts_.findings) {
    if (!MatchesWithin(rule.match, finding, policy.on_unknown, time_)) continue;
    if (const Exception* exception = Excepted(finding)) {
      used_[exception].insert(&finding);
    } else {
      offending.push_back(&finding);
    }
  }
  if (offending.empty()) return;
  PutWorstFirst(offending, policy.on_unknown);
  Reason reason{rule.effect, policy.name, rule.id, FindingsMessage(policy, rule.id, offending),
                static_cast<std::uint32_t>(offending.size()), {}};
  for (std::size_t i = 0; i < std::min(offending.size(), kReasonFindings); ++i) {
    reason.findings.push_back(offending[i]->key);
  }
  Speak(policy, rule.effect, Grace::kYes, std::move(reason));
}

void Judge::JudgeRequirement(const Policy& policy, const Requirement& requirement) {
  Speak(policy, Effect::kDeny, Grace::kNo,
        NewReason(policy, requirement.id,
                  fmt::format("rule {} requires a verified {}, and there are no {} facts: this version does not verify "
                              "them, so the rule cannot be met",
                              requirement.id, requirement.kind, requirement.kind)));
}

void Judge::Speak(const Policy& policy, Effect effect, Grace grace, Reason reason) {
  reason.effect = effect;
  if (policy.mode == Mode::kAudit) {
    reason.effect = Effect::kAllow;
  } else if (policy.mode == Mode::kWarn || (at_ == PointOfUse::kPush && policy.on_push == OnPush::kAccept)) {
    reason.effect = std::min(effect, Effect::kWarn);
  } else if (effect == Effect::kDeny && grace == Grace::kYes && InGrace(policy)) {
    reason.effect = Effect::kWarn;
  }
  if (reason.effect == Effect::kDeny) {
    denied_ = true;
    refused_ = refused_ || policy.on_push != OnPush::kQuarantine;
  }
  warned_ = warned_ || reason.effect == Effect::kWarn;
  reasons_.push_back(std::move(reason));
}

// Whether a denial that stands now is put off, because the digest ran when it began. Announces it once a policy.
bool Judge::InGrace(const Policy& policy) {
  if (at_ == PointOfUse::kPush || policy.grace_running <= Millis(0) || !facts_.running_since) return false;
  Time seen = *facts_.running_since;
  Time began = facts_.denied_since.value_or(seen);
  if (After(seen, kRunning) < began) return false;  // it did not run any more when the denial began
  Time end = After(began, policy.grace_running);
  if (time_.Reached(end)) return false;
  if (graced_.insert(policy.name).second) {
    Reason reason = NewReason(policy, "grace", fmt::format("the image is running; its denial is put off until {}", FormatTime(end)));
    reason.effect = Effect::kWarn;
    reasons_.push_back(std::move(reason));
  }
  return true;
}

// The exception that covers the finding: the first one in force, by id.
const Exception* Judge::Excepted(const Finding& finding) {
  const Exception* found = nullptr;
  for (const Exception& e : facts_.exceptions) {
    bool package = e.package == "*" || (!e.package.empty() && (e.package == finding.package || e.package == finding.source_package));
    if (!package || !IsAbout(finding, e.vulnerability) || !InForce(e)) continue;
    if (found == nullptr || e.id < found->id) found = &e;
  }
  return found;
}

bool Judge::InForce(const Exception& e) {
  std::string_view author = Trim(e.author), approver = Trim(e.approver);
  if (approver.empty() || author.empty() || EqualsIgnoreCase(author, approver)) return false;
  if (!GlobMatch(e.repository, facts_.repository)) return false;
  bool here = e.reference == "*" || e.reference == facts_.digest.str() ||
              std::find(facts_.tags.begin(), facts_.tags.end(), e.reference) != facts_.tags.end();
  if (!here || e.expires == kNever) return false;
  return time_.Reached(e.created) && !time_.Reached(e.expires);
}

std::vector<const image::Gap*> Judge::GapsOf(image::GapKind kind) const {
  std::vector<const image::Gap*> gaps;
  for (const image::Gap& gap : facts_.gaps) {
    // A kind that this program does not know is the worse one.
    image::GapKind known = gap.kind == image::GapKind::kPartial ? gap.kind : image::GapKind::kBlind;
    if (known == kind) gaps.push_back(&gap);
  }
  return gaps;
}

Decision Judge::Finish() && {
  if (policies_ == 0) {
    denied_ = refused_ = true;
    reasons_.push_back({Effect::kDeny, "", "no policy",
                        fmt::format("no policy applies to {} at {}, so it is denied", Printable(facts_.repository, 300),
                                    Name(at_)), 1, {}});
  }
  for (const auto& [exception, findings] : used_) {
    Reason reason{Effect::kAllow, "", "exception", ExceptionMessage(*exception, **findings.begin(), findings.size()),
                  static_cast<std::uint32_t>(findings.size()), {}};
    for (const Finding* finding : findings) {
      if (reason.findings.size() < kReasonFindings) reason.findings.push_back(finding->key);
    }
    reasons_.push_back(std::move(reason));
  }
  StableSort(reasons_, [](const Reason& a, const Reason& b) { return a.effect > b.effect; });
  Decision decision;
  decision.outcome = denied_    ? Outcome::kDeny
                     : pending_ ? Outcome::kPending
                     : warned_  ? Outcome::kWarn
                                : Outcome::kAllow;
  decision.reasons = std::move(reasons_);
  if (decision.outcome == Outcome::kPending) decision.hold = hold_;
  decision.quarantine = denied_ && at_ == PointOfUse::kPush && !refused_;
  decision.valid_until = time_.until();
  return decision;
}

}  // namespace

std::string_view Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAllow: return "allow";
    case Outcome::kWarn: return "warn";
    case Outcome::kDeny: return "deny";
    case Outcome::kPending: return "pending";
  }
  return "?";
}

bool Applies(const Policy& policy, std::string_view repository, PointOfUse at) {
  return std::find(policy.at.begin(), policy.at.end(), at) != policy.at.end() &&
         std::any_of(policy.repositories.begin(), policy.repositories.end(),
                     [&](const std::string& glob) { return GlobMatch(glob, repository); });
}

Decision Decide(const Facts& facts, std::span<const Policy> policies, PointOfUse at, Time as_of) {
  Judge judge(facts, at, as_of);
  for (const Policy& policy : policies) {
    if (Applies(policy, facts.repository, at)) judge.Add(policy);
  }
  return std::move(judge).Finish();
}

bool DeniedWithoutGrace(const Decision& decision) {
  return decision.outcome == Outcome::kDeny ||
         std::any_of(decision.reasons.begin(), decision.reasons.end(), [](const Reason& r) { return r.rule == "grace"; });
}

}  // namespace bulwark::policy
