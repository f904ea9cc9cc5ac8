#include "service/rights.h"

#include "audit/audit.h"
#include "base/log.h"

namespace bulwark::service {

using auth::Verb;

std::string ObjectName(const RepoName& name, const Digest& digest) { return name.str() + "@" + digest.str(); }

Result<bool> Rights::Holds(const auth::Principal& principal, Verb verb, std::string_view repository) const {
  if (principal.must_change_password) return false;
  return authenticator_.Allowed(principal, verb, repository);
}

Result<bool> Rights::OwnerHolds(const auth::Principal& principal, Verb verb, std::string_view repository) const {
  auth::Principal owner = principal;
  owner.scopes.reset();
  return Holds(owner, verb, repository);
}

Status Rights::Require(const Caller& caller, std::string_view repository, Verb verb, std::string_view action) {
  BW_TRY(bool allowed, Holds(caller.principal, verb, repository));
  if (allowed) return {};
  if (caller.principal.kind == auth::PrincipalKind::kAnonymous) return {Errc::kUnauthenticated, "log in first"};
  BW_TRY(bool sees, Holds(caller.principal, Verb::kPull, repository));
  Error error = sees ? Error{Errc::kDenied, "DENIED: " + caller.principal.name + " has no right to " +
                                                std::string(auth::Name(verb)) + " in " + std::string(repository)}
                     : Error{Errc::kNotFound, "NAME_UNKNOWN: no repository " + std::string(repository)};
  return Refuse(caller, action, repository, std::move(error));
}

Status Rights::RequireAnywhere(const Caller& caller, Verb verb, std::string_view action, std::string_view object) {
  if (!caller.principal.must_change_password) {
    BW_TRY(bool allowed, authenticator_.AllowedAnywhere(caller.principal, verb));
    if (allowed) return {};
  }
  if (caller.principal.kind == auth::PrincipalKind::kAnonymous) return {Errc::kUnauthenticated, "log in first"};
  return Refuse(
      caller, action, object,
      {Errc::kDenied, "DENIED: " + caller.principal.name + " has no right to " + std::string(auth::Name(verb))});
}

Result<storage::Repository> Rights::Repository(const Caller& caller, const RepoName& name, Verb verb,
                                               std::string_view action) {
  BW_CHECK(Require(caller, name.str(), verb, action));
  BW_TRY(auto repository,
         database_.Read([&](const storage::ReadTx& tx) { return storage::ResolveRepository(tx, name); }));
  if (!repository) return {Errc::kNotFound, "NAME_UNKNOWN: no repository " + name.str()};
  return *std::move(repository);
}

audit::Event Rights::Event(const Caller& caller, std::string_view action, std::string object) const {
  audit::Event event;
  event.at = clock_.Now();
  event.actor = caller.principal.name;
  event.actor_id = caller.principal.id;
  event.action = action;
  event.object = std::move(object);
  event.remote = caller.remote;
  return event;
}

Error Rights::Refuse(const Caller& caller, std::string_view action, std::string_view object, Error error) {
  if (error.code == Errc::kUnauthenticated) return error;
  audit::Event event = Event(caller, action, std::string(object));
  event.outcome = audit::Outcome::kRefused;
  event.reason = error.message;
  Status recorded = database_.Write([&](storage::Tx& tx) { return audit::Record(tx, event); });
  // The refusal stands even where it cannot be written down.
  if (!recorded) LogError("audit: a refusal was not recorded: " + recorded.error().message);
  return error;
}

}  // namespace bulwark::service
