#pragma once
// May this caller use this route? Blocking; free of sockets.

#include <optional>
#include <string>
#include <string_view>

#include "auth/auth.h"
#include "base/result.h"
#include "http/credentials.h"
#include "http/router.h"

namespace bulwark::http {

struct Refusal {
  Error error;
  // For the challenge of a 401, or of a 403 by a token that another token could lift (RFC 6750 section 3.1).
  std::string_view challenge_error;
  bool challenge = false;
};

// nullopt: he may. `repository` is the text of {name}; ignored where has_name is false.
std::optional<Refusal> CheckAccess(auth::Authenticator& authenticator, Access access, bool has_name, const auth::Principal& principal,
                                   Scheme scheme, std::string_view repository);
// "repository:team/app:pull,push", or "" for routes that are not about a repository.
std::string ScopeFor(Access access, bool has_name, std::string_view repository);

}  // namespace bulwark::http
