#pragma once
// Text of rights: token scopes (Docker token specification, "Token Scope Documentation") and the globs of grants. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "base/result.h"

namespace bulwark::auth {

// "repository:team/app:pull,push": what a client asks for. One string may hold several, separated by spaces. What cannot
// name a right here (another resource type or class, a name that is no repository, an unknown action) is dropped: the token
// then does not hold it. Scopes of one repository are joined. kLimit above limits::kTokenScopes parts, kInvalid for control
// characters and parts above limits::kScopeBytes.
//   pull -> pull
//   push -> push, create, sign and pull-blocked, each if held: clients that sign ask for "pull,push" (DESIGN 2.2)
//   *    -> every verb; other actions are verbs by their own name
// "registry:catalog:*" (Docker token specification) gives the scope kCatalogScope.
Result<std::vector<Scope>> ParseScopes(const std::vector<std::string>& asked);

// Behind a name at log-in: "alice+sign". cosign and notation read what they are to sign under a token for pull alone, before
// they ask for one to push, so the log-in says what they do not (docs/adr/0009-log-ins-that-sign.md).
inline constexpr std::string_view kSignSuffix = "+sign";
// Adds the verb sign to the scope of every repository.
void AddSign(std::vector<Scope>& scopes);

// As stored in table tokens: "team/app:pull,push team/lib:pull".
std::string EncodeScopes(const std::vector<Scope>& scopes);
Result<std::vector<Scope>> DecodeScopes(std::string_view stored);  // kCorrupt

// A repository glob of a grant: components of [a-z0-9._-?*], "**" only as a whole component, no empty, "." or ".."
// component, at most limits::kNameBytes. kInvalid.
Status CheckRepositoryGlob(std::string_view glob);

// Whether every name that `inner` matches surely is one that the grant's glob `outer` matches. False where it is not
// decided: only "**", the same text, and a literal "x/**" before what begins with "x/" are.
bool Covers(std::string_view outer, std::string_view inner);

// Lower case, spaces off both ends; nullopt unless it then is [a-z0-9][a-z0-9._-]{0,63}. One spelling an account.
std::optional<std::string> NormaliseUserName(std::string_view name);

}  // namespace bulwark::auth
