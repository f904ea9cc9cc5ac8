#pragma once
// Rights at the door of every use case, and the audit records of who was turned away. Which answer a stranger gets does
// not depend on whether the repository exists (attacks: search-and-cursor-leak, recycled-names).

#include <string>
#include <string_view>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/result.h"
#include "service/names.h"
#include "service/registry.h"
#include "storage/content.h"
#include "storage/db/database.h"

namespace bulwark::audit {
struct Event;
}

namespace bulwark::service {

class Rights {
 public:
  // All outlive it.
  Rights(storage::Database& database, auth::Authenticator& authenticator, const Clock& clock)
      : database_(database), authenticator_(authenticator), clock_(clock) {}

  // The repository, if the caller holds `verb` there. kUnauthenticated: a stranger; kNotFound: nothing the caller may
  // see; kDenied: seen, but without that right. `action` names the refusal in the audit log.
  Result<storage::Repository> Repository(const Caller& caller, const RepoName& name, auth::Verb verb,
                                         std::string_view action);
  // The right alone, for a repository that may not exist yet.
  Status Require(const Caller& caller, std::string_view repository, auth::Verb verb, std::string_view action);
  // A right that is not about one repository.
  Status RequireAnywhere(const Caller& caller, auth::Verb verb, std::string_view action, std::string_view object);

  Result<bool> Holds(const auth::Principal& principal, auth::Verb verb, std::string_view repository) const;
  // What the principal's grants say, whatever the token's scope: create, pull-blocked and scan are never in a client's
  // scope.
  Result<bool> OwnerHolds(const auth::Principal& principal, auth::Verb verb, std::string_view repository) const;

  // Records the refusal and gives the error back. A stranger's are not recorded: they are how log-in begins.
  Error Refuse(const Caller& caller, std::string_view action, std::string_view object, Error error);
  audit::Event Event(const Caller& caller, std::string_view action, std::string object) const;

 private:
  storage::Database& database_;
  auth::Authenticator& authenticator_;
  const Clock& clock_;
};

// "project/app@sha256:…"
std::string ObjectName(const RepoName& name, const Digest& digest);

}  // namespace bulwark::service
