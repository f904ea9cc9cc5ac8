#include "service/gate.h"

#include <algorithm>

#include "audit/audit.h"
#include "service/document.h"

namespace bulwark::service {
namespace {

using auth::Verb;
using policy::Outcome;
using policy::PointOfUse;

constexpr std::size_t kShownReasons = 3;
constexpr std::size_t kHoldersRead = 1000;   // manifests looked at for one blob; what is beyond counts as refused
constexpr std::size_t kHoldersJudged = 8;    // of those, where the stored verdict does not serve

Time FirstExpiry(const Verdicts& verdicts) {
  Time first = Time::max();
  for (const Verdict& verdict : verdicts) first = std::min(first, verdict.decision.valid_until);
  return first;
}

}  // namespace

// What the caller may do beyond an ordinary pull.
struct Gate::Standing {
  std::string name;  // of the repository, as the caller writes it
  storage::PrincipalId principal{};
  bool known = false;         // not a stranger
  bool writes = false;        // the request's token holds push or sign here
  bool sees_blocked = false;  // may read bytes of denied images, and says so
  bool scans = false;
  bool brought = true;        // for bytes: they came into the repository with this principal

  // Of a manifest that others are refused; `held`: quarantined.
  std::optional<Pass> Exempts(bool held, storage::PrincipalId pushed_by) const {
    if (held && known && brought && pushed_by == principal) return Pass{"quarantined, read by its pusher"};
    if (held && scans) return Pass{"quarantined, read with the right to scan"};
    if (!held && writes) return Pass{"denied, read under a token that may push or sign"};
    if (!held && sees_blocked) return Pass{"denied, read with the right pull-blocked"};
    return std::nullopt;
  }
};

Result<Gate::Standing> Gate::StandingOf(const Caller& caller, const storage::Repository& repository) const {
  Standing out;
  const auth::Principal& principal = caller.principal;
  out.name = caller.NameOf(repository.name);
  out.principal = storage::PrincipalId{principal.id};
  out.known = principal.kind != auth::PrincipalKind::kAnonymous;
  if (!out.known) return out;
  out.writes = !principal.only_pulls(repository.name);
  // A token that is scoped to pull is gated whoever owns it: the right must be meant, by a wider scope or by its name.
  BW_TRY(bool named, rights_.Holds(principal, Verb::kPullBlocked, repository.name));
  BW_TRY(bool owned, rights_.OwnerHolds(principal, Verb::kPullBlocked, repository.name));
  // A log-in that only signs (NAME+sign) asked for no bytes.
  BW_TRY(bool pushes, rights_.Holds(principal, Verb::kPush, repository.name));
  out.sees_blocked = principal.scopes.has_value() && ((pushes && owned) || named);
  BW_TRY(out.scans, rights_.OwnerHolds(principal, Verb::kScan, repository.name));
  return out;
}

Result<Pass> Gate::Manifest(const Caller& caller, const storage::Repository& repository, const Digest& digest) {
  BW_TRY(Standing standing, StandingOf(caller, repository));
  std::string refusal;
  BW_TRY(auto pass, Judge(standing, repository, digest, &refusal, true));
  if (pass) return *std::move(pass);
  return {Errc::kDenied, std::move(refusal)};
}

Result<std::optional<Pass>> Gate::Judge(const Standing& standing, const storage::Repository& repository,
                                        const Digest& digest, std::string* refusal, bool may_wait) {
  BW_TRY(Verdicts verdicts, engine_.Current(repository.id, digest));
  BW_TRY(auto subject,
         database_.Read([&](const storage::ReadTx& tx) { return FindSubject(tx, repository.id, digest); }));
  if (!subject) return {Errc::kNotFound, "MANIFEST_UNKNOWN: " + digest.str()};
  const policy::Decision& push = verdicts[IndexOf(PointOfUse::kPush)].decision;
  const bool held = subject->quarantined && (push.outcome == Outcome::kDeny || push.outcome == Outcome::kPending);
  if (held) {
    if (auto exempt = standing.Exempts(held, subject->pushed_by)) return exempt;
    *refusal = RefusalText("the image is quarantined", standing.name, digest, push);
    return std::optional<Pass>();
  }
  if (subject->evidence) return std::optional(Pass{{}, FirstExpiry(verdicts)});
  policy::Decision pull = verdicts[IndexOf(PointOfUse::kPull)].decision;
  if (pull.outcome == Outcome::kAllow || pull.outcome == Outcome::kWarn)
    return std::optional(Pass{{}, FirstExpiry(verdicts)});
  if (auto exempt = standing.Exempts(held, subject->pushed_by)) return exempt;
  if (pull.outcome == Outcome::kPending && may_wait) {
    BW_TRY(Verdicts waited, engine_.WaitFor(repository.id, digest, PointOfUse::kPull, pull.hold));
    pull = waited[IndexOf(PointOfUse::kPull)].decision;
    if (pull.outcome == Outcome::kAllow || pull.outcome == Outcome::kWarn) return std::optional(Pass{});
  }
  *refusal = RefusalText("the pull is refused", standing.name, digest, pull);
  return std::optional<Pass>();
}

// The manifests of the repository that name a blob, newest first.
struct Gate::Holders {
  struct One {
    Digest digest;
    PullState state;
  };
  std::optional<storage::BlobPresence> presence;  // nullopt: no such blob there
  bool released = false;  // by an image that may be pulled; the rest was not read then
  std::vector<One> read;
  bool more = false;  // than were read
};

namespace {

bool Releases(const PullState& holder) { return holder.serves && holder.allowed && holder.kind == SubjectKind::kImage; }

}  // namespace

Result<Gate::Holders> Gate::HoldersOf(const storage::Repository& repository, const Digest& digest) const {
  Holders out;
  const Time now = clock_.Now();
  BW_CHECK(database_.Read([&](const storage::ReadTx& tx) -> Status {
    out = {};
    BW_TRY(out.presence, storage::BlobInRepository(tx, repository.id, digest, now));
    BW_TRY(out.released, ImageReleases(tx, repository.id, digest, now));
    if (out.released) return {};
    std::vector<Digest> digests;
    BW_CHECK(storage::EachReferencing(tx, repository.id, storage::EdgeKind::kBlob, digest,
                                      [&](storage::ManifestId, const Digest& holder) {
                                        digests.push_back(holder);
                                        return digests.size() <= kHoldersRead;
                                      }));
    out.more = digests.size() > kHoldersRead;
    if (out.more) digests.pop_back();
    for (const Digest& holder : digests) {
      BW_TRY(auto state, FindPullState(tx, repository.id, holder, now));
      out.read.push_back({holder, state.value_or(PullState{})});
    }
    return {};
  }));
  return out;
}

Result<Pass> Gate::Blob(const Caller& caller, const storage::Repository& repository, const Digest& digest,
                        BlobUse use) {
  BW_TRY(Standing standing, StandingOf(caller, repository));
  BW_TRY(Holders holders, HoldersOf(repository, digest));
  const Error unknown{Errc::kNotFound, "BLOB_UNKNOWN: no blob " + digest.str() + " in " + repository.name};
  if (!holders.presence) return unknown;
  if (holders.released) return Pass{};
  const auto& uploaders = holders.presence->uploaders;
  const bool uploader =
      standing.known && std::find(uploaders.begin(), uploaders.end(), standing.principal) != uploaders.end();
  // Another's upload that no manifest names is nobody else's business, not even that it is there.
  if (holders.read.empty()) return uploader ? Result<Pass>(Pass{}) : Result<Pass>(unknown);
  if (use == BlobUse::kExistence && standing.writes) return Pass{};
  standing.writes = false;  // a pusher may read manifests of denied images, not their bytes
  // Else who pushes a copy of another's quarantined manifest would be the pusher of its layers.
  const bool came_first = !holders.more && holders.read.back().state.pushed_by == standing.principal;
  standing.brought = uploader || came_first;
  return JudgeBytes(standing, repository, digest, std::move(holders), use != BlobUse::kMount);
}

// Judges a holder now, and reads again what it is: only a verdict of now makes it an image that may be pulled.
Result<std::optional<Pass>> Gate::JudgeHolder(const Standing& standing, const storage::Repository& repository,
                                              const Digest& holder, PullState& state, std::string* refusal,
                                              bool may_wait) {
  auto pass = Judge(standing, repository, holder, refusal, may_wait);
  if (!pass && pass.error().code == Errc::kNotFound) return std::optional<Pass>();  // deleted meanwhile
  BW_TRY(auto now, database_.Read([&](const storage::ReadTx& tx) {
    return FindPullState(tx, repository.id, holder, clock_.Now());
  }));
  state = now.value_or(PullState{});
  return pass;
}

Result<Pass> Gate::JudgeBytes(const Standing& standing, const storage::Repository& repository, const Digest& digest,
                              Holders holders, bool may_wait) {
  may_wait = may_wait && holders.read.size() == 1;  // a single holder may be worth waiting for
  bool released = false, refused = holders.more;
  std::size_t judged = 0;
  std::string refusal;
  std::optional<Pass> exempt;
  for (Holders::One& holder : holders.read) {
    std::optional<Pass> pass;
    const bool wants_reason = refusal.empty() && holder.state.serves && !holder.state.allowed && !exempt;
    if (holder.state.serves && !wants_reason) {
      pass = holder.state.allowed ? std::optional(Pass{}) : standing.Exempts(holder.state.held, holder.state.pushed_by);
    } else if (wants_reason || judged++ < kHoldersJudged) {
      std::string why;
      BW_TRY(pass, JudgeHolder(standing, repository, holder.digest, holder.state, &why, may_wait));
      if (Releases(holder.state)) return Pass{};
      if (refusal.empty()) refusal = std::move(why);
    }
    // What was not judged counts as refused.
    released = released || (pass && !pass->exemption);
    refused = refused || !pass || pass->exemption;
    if (pass && pass->exemption && !exempt) exempt = std::move(pass);
  }
  if (released && refused) { BW_TRY(released, IsDocument(blobs_, digest)); }
  if (released) return Pass{};
  if (exempt) return *std::move(exempt);
  if (refusal.empty()) refusal = "DENIED: no image that may be pulled is known to hold " + digest.str();
  return {Errc::kDenied, std::move(refusal)};
}

Status Gate::Audit(const Caller& caller, const storage::Repository& repository, const Digest& digest,
                   const Pass& pass) {
  if (!pass.exemption) return {};
  audit::Event event = rights_.Event(caller, "gate.exemption", repository.name + "@" + digest.str());
  event.reason = *pass.exemption;
  return database_.Write([&](storage::Tx& tx) { return audit::Record(tx, event); });
}

std::string RefusalText(std::string_view what, const std::string& name, const Digest& digest,
                        const policy::Decision& decision) {
  std::string out = "DENIED: " + std::string(what) + ":";
  std::size_t shown = 0, more = 0;
  for (const policy::Reason& reason : decision.reasons) {
    bool decides = reason.effect == policy::Effect::kDeny;
    if (!decides) continue;
    if (shown == kShownReasons) {
      ++more;
      continue;
    }
    out += (shown++ == 0 ? " " : "; ") + reason.message;
  }
  if (shown == 0) out += " it has not been judged yet";
  if (more > 0) out += "; and " + std::to_string(more) + " more";
  out += ". The whole report: bulwark why " + name + "@" + digest.str();
  return out;
}

}  // namespace bulwark::service
