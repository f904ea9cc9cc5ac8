#include "http/access.h"

#include "service/names.h"

namespace bulwark::http {
namespace {

using auth::Verb;

Error UnknownName(std::string_view repository) {
  // In words and code what the registry says of a repository that is not there: the two must not differ.
  return Error{Errc::kNotFound, "NAME_UNKNOWN: no repository " + std::string(repository)};
}

Result<std::optional<Refusal>> CheckRepository(auth::Authenticator& authenticator, Verb verb, const auth::Principal& principal,
                                               std::string_view repository) {
  if (auto name = service::RepoName::Parse(repository); !name.ok())
    return std::optional(Refusal{Error{Errc::kInvalid, "NAME_INVALID: " + name.error().message}, {}, false});
  BW_TRY(bool allowed, authenticator.Allowed(principal, verb, repository));
  if (allowed) return std::optional<Refusal>();
  const std::string missing = std::string(auth::Name(verb)) + " in " + std::string(repository);
  if (!principal.scopes) {
    BW_TRY(bool sees, authenticator.Allowed(principal, Verb::kPull, repository));
    if (!sees) return std::optional(Refusal{UnknownName(repository), {}, false});
    return std::optional(Refusal{Error{Errc::kDenied, "DENIED: " + principal.name + " has no right to " + missing}, {}, false});
  }
  // A token narrows its owner's rights: what may be said depends on what the owner may see.
  auth::Principal owner = principal;
  owner.scopes.reset();
  BW_TRY(bool owner_sees, authenticator.Allowed(owner, Verb::kPull, repository));
  if (!owner_sees) return std::optional(Refusal{UnknownName(repository), {}, false});
  BW_TRY(bool owner_may, authenticator.Allowed(owner, verb, repository));
  // Another token would do, and clients ask for one at 401 alone (Docker token specification). A new token that names the scope of
  // the challenge holds what its owner may, so nobody asks for ever.
  if (owner_may)
    return std::optional(Refusal{Error{Errc::kUnauthenticated, "the token gives no right to " + missing}, "insufficient_scope", true});
  return std::optional(Refusal{Error{Errc::kDenied, "DENIED: insufficient_scope: the token gives no right to " + missing}, "insufficient_scope", true});
}

Result<std::optional<Refusal>> CheckAnywhere(auth::Authenticator& authenticator, Verb verb, const auth::Principal& principal) {
  BW_TRY(bool allowed, authenticator.AllowedAnywhere(principal, verb));
  if (allowed) return std::optional<Refusal>();
  return std::optional(Refusal{Error{Errc::kDenied, "DENIED: " + principal.name + " has no right to " + std::string(auth::Name(verb))}, {}, false});
}

}  // namespace

std::optional<Refusal> CheckAccess(auth::Authenticator& authenticator, Access access, bool has_name, const auth::Principal& principal,
                                   Scheme scheme, std::string_view repository) {
  if (access == Access::kPublic) return std::nullopt;
  const bool by_password = scheme == Scheme::kBasic;
  if ((access == Access::kPasswordOnly || access == Access::kSelf) && !by_password)
    return Refusal{Error{Errc::kUnauthenticated, "log in by name and password"}, {}, true};
  if (principal.must_change_password && access != Access::kSelf)
    return Refusal{Error{Errc::kDenied, "DENIED: the password must be changed first (bulwark user password)"}, {}, false};
  const auto verb = VerbOf(access);
  if (!verb) return std::nullopt;
  auto checked = has_name ? CheckRepository(authenticator, *verb, principal, repository) : CheckAnywhere(authenticator, *verb, principal);
  if (!checked.ok()) return Refusal{std::move(checked).error(), {}, false};
  return *std::move(checked);
}

std::string ScopeFor(Access access, bool has_name, std::string_view repository) {
  const auto verb = VerbOf(access);
  if (!has_name || !verb || !service::RepoName::Parse(repository).ok()) return {};
  // Clients that push also look: a token for one of the two would be asked for twice.
  const std::string verbs = *verb == Verb::kPush ? "pull,push" : std::string(auth::Name(*verb));
  return "repository:" + std::string(repository) + ":" + verbs;
}

}  // namespace bulwark::http
