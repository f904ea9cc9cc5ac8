#include "service/judge.h"

#include <algorithm>
#include <array>

#include "crypto/hash.h"
#include "formats/json.h"

namespace bulwark::service {
namespace {

using policy::Outcome;
using policy::PointOfUse;

policy::Facts ToPolicyFacts(const Material& material, const Inputs& inputs, match::Findings findings) {
  policy::Facts facts;
  facts.repository = material.repository;
  facts.tags = material.tags;
  facts.digest = material.subject.digest;
  facts.data_date = inputs.index->data_date();
  facts.pushed = material.subject.pushed;
  facts.exceptions = inputs.ExceptionsFor(material.repository, material.tags, material.subject.digest);
  facts.pending = !material.facts;
  facts.scanned = material.facts.has_value();
  if (!material.facts) return facts;
  facts.artifact = material.facts->kind == SubjectKind::kArtifact;
  facts.artifact_type = material.facts->artifact_type;
  facts.gaps = material.facts->inventory->gaps;
  facts.gaps.insert(facts.gaps.end(), findings.gaps.begin(), findings.gaps.end());
  facts.findings = std::move(findings.findings);
  return facts;
}

std::string Summary(const policy::Facts& facts, const Material& material) {
  std::array<std::uint64_t, 6> counts{};
  std::uint64_t fixable = 0, exploited = 0;
  for (const match::Finding& finding : facts.findings) {
    if (finding.answer == match::Answer::kNotAffected) continue;
    ++counts[std::min<std::size_t>(static_cast<std::size_t>(finding.severity), counts.size() - 1)];
    fixable += finding.fixed_version.empty() ? 0 : 1;
    exploited += finding.known_exploited ? 1 : 0;
  }
  auto of = [&](advisory::Severity severity) { return counts[static_cast<std::size_t>(severity)]; };
  formats::JsonWriter out;
  out.BeginObject().Field("critical", of(advisory::Severity::kCritical)).Field("high", of(advisory::Severity::kHigh));
  out.Field("medium", of(advisory::Severity::kMedium))
      .Field("low", of(advisory::Severity::kLow) + of(advisory::Severity::kNone));
  out.Field("unknown", of(advisory::Severity::kUnknown)).Field("fixable", fixable).Field("known_exploited", exploited);
  std::uint64_t packages = material.facts ? material.facts->inventory->packages.size() : 0;
  out.Field("packages", packages).Field("gaps", std::uint64_t{facts.gaps.size()}).EndObject();
  return out.Take();
}

bool OnlyAge(const policy::Decision& denial) {
  return std::all_of(denial.reasons.begin(), denial.reasons.end(), [](const policy::Reason& r) {
    return r.effect != policy::Effect::kDeny || r.rule == "stale_data";
  });
}

// Whether nothing but what the advisory data says differs from what the previous denial rested on.
bool OnlyFindingsMayDiffer(const Revisions& before, const Revisions& now) {
  return before.facts == now.facts && before.policy == now.policy && before.trust == now.trust &&
         before.exceptions == now.exceptions;
}

// Data tightens at once and loosens slowly: keeps a denial that the new data would lift, until its delay is over.
void HoldLifted(const Verdict& previous, Verdict& verdict, std::vector<std::string>& events, PointOfUse at) {
  if (previous.decision.outcome != Outcome::kDeny || verdict.decision.outcome == Outcome::kDeny) return;
  if (verdict.decision.outcome == Outcome::kPending || !OnlyFindingsMayDiffer(previous.revisions, verdict.revisions))
    return;
  bool held = previous.held_until.has_value();
  if (!held && (previous.revisions.findings == verdict.revisions.findings || OnlyAge(previous.decision))) return;
  Time until = held ? *previous.held_until : verdict.as_of + kLiftDelay;
  std::string point(policy::Name(at));
  if (verdict.as_of >= until) {
    events.push_back(point + ": a denial is lifted, as the advisory data has said since " +
                     FormatTime(until - kLiftDelay));
    return;
  }
  if (!held) events.push_back(point + ": new advisory data would lift a denial; it stays until " + FormatTime(until));
  policy::Decision kept = previous.decision;
  kept.valid_until = std::min(until, verdict.decision.valid_until);
  if (!held) {
    kept.reasons.insert(kept.reasons.begin(), {policy::Effect::kDeny,
                                               "",
                                               "lift_delay",
                                               "the advisory data no longer supports this denial; it is lifted on " +
                                                   FormatTime(until) + " unless that changes",
                                               1,
                                               {}});
  }
  verdict.decision = std::move(kept);
  verdict.held_until = until;
}

void NoteChange(const Verdict& previous, const Verdict& verdict, PointOfUse at, std::vector<std::string>& events) {
  if (previous.decision.outcome == verdict.decision.outcome) return;
  events.push_back(std::string(policy::Name(at)) + ": " + std::string(policy::Name(previous.decision.outcome)) +
                   " became " + std::string(policy::Name(verdict.decision.outcome)));
}

std::string FindingsRevision(const match::Findings& findings) {
  std::string all;
  for (const match::Finding& f : findings.findings) {
    all += f.key + " " + f.id + " " + f.fixed_version + " " + std::to_string(f.fixed_at.time_since_epoch().count()) +
           " " + f.comparison;
    for (auto part : {static_cast<int>(f.answer), static_cast<int>(f.state), static_cast<int>(f.severity),
                      static_cast<int>(f.kind), f.known_exploited ? 1 : 0})
      all += " " + std::to_string(part);
    all += " " + std::to_string(f.score) + " " + std::to_string(f.epss) + "\n";
  }
  for (const image::Gap& gap : findings.gaps)
    all += std::to_string(static_cast<int>(gap.kind)) + gap.path + " " + gap.reason + "\n";
  return crypto::Sha256(AsBytes(all)).hex().substr(0, 16);
}

Judgement JudgeManifest(const Material& material, const Inputs& inputs, Time as_of, Revisions revisions) {
  match::Findings findings;
  if (material.facts && material.facts->kind == SubjectKind::kImage)
    findings = match::Find(*material.facts->inventory, *inputs.index);
  revisions.findings = FindingsRevision(findings);
  policy::Facts facts = ToPolicyFacts(material, inputs, std::move(findings));
  facts.running_since = material.running;  // Decide asks whether it ran when the denial began
  Judgement out;
  out.summary = Summary(facts, material);
  for (PointOfUse at : kPoints) {
    const Verdict* previous = material.previous ? &(*material.previous)[IndexOf(at)] : nullptr;
    Verdict& verdict = out.verdicts[IndexOf(at)];
    std::optional<Time> denied_since = previous ? previous->denied_since : std::nullopt;
    facts.denied_since = denied_since.value_or(as_of);  // a denial that begins now
    verdict.decision = policy::Decide(facts, inputs.policies, at, as_of);
    verdict.revisions = revisions;
    verdict.as_of = as_of;
    if (previous) HoldLifted(*previous, verdict, out.events, at);
    if (policy::DeniedWithoutGrace(verdict.decision)) verdict.denied_since = facts.denied_since;
    verdict.pending = material.facts ? Pending::kCurrent : Pending::kNew;
    if (previous) NoteChange(*previous, verdict, at, out.events);
  }
  return out;
}

Judgement JudgeIndex(const Material& material, const Inputs& inputs, Time as_of, const Revisions& revisions) {
  Judgement out;
  for (PointOfUse at : kPoints) {
    std::vector<policy::ChildDecision> children;
    for (const IndexChild& child : material.children) {
      policy::ChildDecision decision{child.digest, child.platform, child.present, child.runnable, {}};
      if (child.present) decision.decision = child.verdicts[IndexOf(at)].decision;
      children.push_back(std::move(decision));
    }
    Verdict& verdict = out.verdicts[IndexOf(at)];
    verdict.decision = policy::DecideIndex(children, inputs.policies, material.repository, at, as_of);
    verdict.revisions = revisions;
    verdict.as_of = as_of;
    if (policy::DeniedWithoutGrace(verdict.decision)) verdict.denied_since = as_of;
    if (!material.previous) continue;
    const Verdict& previous = (*material.previous)[IndexOf(at)];
    if (verdict.denied_since && previous.denied_since) verdict.denied_since = previous.denied_since;
    NoteChange(previous, verdict, at, out.events);
  }
  formats::JsonWriter summary;
  summary.BeginObject().Field("children", std::uint64_t{material.children.size()}).EndObject();
  out.summary = summary.Take();
  return out;
}

}  // namespace

Judgement Judge(const Material& material, const Inputs& inputs, Time as_of) {
  Revisions revisions;
  revisions.facts = material.facts                                 ? material.facts->revision
                    : material.subject.kind == SubjectKind::kIndex ? "index"
                                                                   : "none";
  revisions.data = inputs.epochs.data;
  revisions.policy = inputs.PolicyRevision(material.repository);
  revisions.trust = "none";
  revisions.exceptions = RevisionOf(inputs.ExceptionsFor(material.repository, material.tags, material.subject.digest));
  return material.subject.kind == SubjectKind::kIndex ? JudgeIndex(material, inputs, as_of, revisions)
                                                      : JudgeManifest(material, inputs, as_of, revisions);
}

}  // namespace bulwark::service
