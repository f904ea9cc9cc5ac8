#include "service/gate.h"

#include <algorithm>

#include "audit/audit.h"

namespace bulwark::service {
namespace {

using auth::Verb;
using policy::Outcome;
using policy::PointOfUse;

constexpr std::size_t kShownReasons = 3;
constexpr std::size_t kReferencesTried = 1000;  // manifests looked at for one blob

}  // namespace

// What the caller may do beyond an ordinary pull.
struct Gate::Standing {
  storage::PrincipalId principal{};
  bool known = false;         // not a stranger
  bool writes = false;        // the request's token holds push or sign here
  bool sees_blocked = false;  // may read bytes of denied images, and says so
  bool scans = false;
};

Result<Gate::Standing> Gate::StandingOf(const Caller& caller, const storage::Repository& repository) const {
  Standing out;
  const auth::Principal& principal = caller.principal;
  out.principal = storage::PrincipalId{principal.id};
  out.known = principal.kind != auth::PrincipalKind::kAnonymous;
  if (!out.known) return out;
  out.writes = !principal.only_pulls(repository.name);
  // A token that is scoped to pull is gated whoever owns it: the right must be meant, by a wider scope or by its name.
  BW_TRY(bool named, rights_.Holds(principal, Verb::kPullBlocked, repository.name));
  BW_TRY(bool owned, rights_.OwnerHolds(principal, Verb::kPullBlocked, repository.name));
  out.sees_blocked = principal.scopes.has_value() && ((out.writes && owned) || named);
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
    if (standing.known && subject->pushed_by == standing.principal)
      return std::optional(Pass{"quarantined, read by its pusher"});
    if (standing.scans) return std::optional(Pass{"quarantined, read with the right to scan"});
    *refusal = RefusalText("the image is quarantined", repository.name, digest, push);
    return std::optional<Pass>();
  }
  if (subject->evidence) return std::optional(Pass{});
  policy::Decision pull = verdicts[IndexOf(PointOfUse::kPull)].decision;
  if (pull.outcome == Outcome::kAllow || pull.outcome == Outcome::kWarn) return std::optional(Pass{});
  if (standing.writes) return std::optional(Pass{"denied, read under a token that may push or sign"});
  if (standing.sees_blocked) return std::optional(Pass{"denied, read with the right pull-blocked"});
  if (pull.outcome == Outcome::kPending && may_wait) {
    BW_TRY(Verdicts waited, engine_.WaitFor(repository.id, digest, PointOfUse::kPull, pull.hold));
    pull = waited[IndexOf(PointOfUse::kPull)].decision;
    if (pull.outcome == Outcome::kAllow || pull.outcome == Outcome::kWarn) return std::optional(Pass{});
  }
  *refusal = RefusalText("the pull is refused", repository.name, digest, pull);
  return std::optional<Pass>();
}

Result<Pass> Gate::Blob(const Caller& caller, const storage::Repository& repository, const Digest& digest,
                        BlobUse use) {
  BW_TRY(Standing standing, StandingOf(caller, repository));
  std::vector<Digest> holders;
  std::optional<storage::BlobPresence> presence;
  BW_CHECK(database_.Read([&](const storage::ReadTx& tx) -> Status {
    holders.clear();
    BW_TRY(presence, storage::BlobInRepository(tx, repository.id, digest, clock_.Now()));
    return storage::EachReferencing(tx, repository.id, storage::EdgeKind::kBlob, digest,
                                    [&](storage::ManifestId, const Digest& holder) {
                                      holders.push_back(holder);
                                      return holders.size() < kReferencesTried;
                                    });
  }));
  const Error unknown{Errc::kNotFound, "BLOB_UNKNOWN: no blob " + digest.str() + " in " + repository.name};
  if (!presence) return unknown;
  if (use == BlobUse::kExistence && standing.writes) return Pass{};
  if (holders.empty()) {
    bool uploader = standing.known && std::find(presence->uploaders.begin(), presence->uploaders.end(),
                                                standing.principal) != presence->uploaders.end();
    return uploader ? Result<Pass>(Pass{}) : Result<Pass>(unknown);
  }
  Standing bytes = standing;
  bytes.writes = false;  // a pusher may read manifests of denied images, not their bytes
  std::string refusal;
  std::optional<Pass> exempt;
  for (const Digest& holder : holders) {
    std::string why;
    BW_TRY(auto pass, Judge(bytes, repository, holder, &why, holders.size() == 1));
    if (pass && !pass->exemption) return *std::move(pass);
    if (pass && !exempt) exempt = std::move(pass);
    if (refusal.empty()) refusal = std::move(why);
  }
  if (exempt) return *std::move(exempt);
  return {Errc::kDenied, std::move(refusal)};
}

Status Gate::Audit(const Caller& caller, const storage::Repository& repository, const Digest& digest,
                   const Pass& pass) {
  if (!pass.exemption) return {};
  audit::Event event = rights_.Event(caller, "gate.exemption", repository.name + "@" + digest.str());
  event.reason = *pass.exemption;
  return database_.Write([&](storage::Tx& tx) { return audit::Record(tx, event); });
}

std::string RefusalText(std::string_view what, const std::string& repository, const Digest& digest,
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
  out += ". The whole report: bulwark why " + repository + "@" + digest.str();
  return out;
}

}  // namespace bulwark::service
