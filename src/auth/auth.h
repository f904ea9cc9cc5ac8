#pragma once
// Identities, passwords, bearer tokens and grants. Any thread. Errors never tell which part was wrong.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/result.h"
#include "storage/db/database.h"

namespace bulwark::auth {

std::span<const storage::Migration> Migrations();

struct User {
  std::int64_t id = 0;
  std::string name;
  PrincipalKind kind = PrincipalKind::kUser;
  bool disabled = false;
  bool must_change_password = false;
  Time created{};
};

// A role given to a user on a glob of repositories ("team-a/**").
struct Grant {
  std::int64_t id = 0;
  std::int64_t user_id = 0;
  std::string role;        // admin, auditor, security, maintainer, developer, puller
  std::string repositories;
};
// Roles are data: their verbs.
std::optional<std::vector<Verb>> VerbsOf(std::string_view role);

// Hashing with argon2id in a bounded pool; "$argon2id$…". Slow on purpose (about 40 ms).
Result<std::string> HashPassword(std::string_view password);
// NIST SP 800-63B basics: at least 12 characters, not the user's name, not one repeated character. kInvalid says what is missing.
Status CheckNewPassword(std::string_view user, std::string_view password);

// Directory of users and grants, over a transaction, so that callers audit in the same one. After a change that took
// something away call Authenticator::Forget before acknowledging it. Names: [a-z0-9][a-z0-9._-]{0,63}. kInvalid, kExists,
// kNotFound.
Result<User> CreateUser(storage::Tx& tx, std::string_view name, std::string_view password_hash, PrincipalKind kind, Time now);
Result<std::optional<User>> FindUser(const storage::ReadTx& tx, std::string_view name);
Result<std::vector<User>> ListUsers(const storage::ReadTx& tx, std::int64_t after, std::size_t limit);
Status SetPassword(storage::Tx& tx, std::int64_t user_id, std::string_view password_hash, bool must_change);
Status SetDisabled(storage::Tx& tx, std::int64_t user_id, bool disabled);  // its tokens die with it
Status DeleteUser(storage::Tx& tx, std::int64_t user_id);  // with its grants and tokens; its id is never used again
// `repositories`: see scope.h, CheckRepositoryGlob. A one-component repository name is matched as written ("*", "**").
Result<Grant> AddGrant(storage::Tx& tx, std::int64_t user_id, std::string_view role, std::string_view repositories);
Status RemoveGrant(storage::Tx& tx, std::int64_t grant_id);
// Grants on nothing but this project: they must not wait for the next project of that name.
Status RemoveGrantsWithin(storage::Tx& tx, const std::string& project);
Result<std::vector<Grant>> ListGrants(const storage::ReadTx& tx, std::int64_t user_id);
Result<bool> AnyAdministrator(const storage::ReadTx& tx);  // an enabled one, with the role on "**"

struct IssuedToken {
  std::string token;              // opaque, 256 bits, shown once; only its hash is stored
  Time expires{};
  std::vector<Scope> granted;     // the intersection of asked and allowed
};

// Checks credentials. Caches are invalidated before a change of users, grants or tokens is acknowledged.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // kUnauthenticated (also locked out, disabled, unknown: alike in text and cost), kUnavailable when too many wait. `user` may
  // end in kSignSuffix (scope.h).
  virtual Result<Principal> Password(std::string_view user, std::string_view password, std::string_view remote) = 0;
  virtual Result<Principal> Bearer(std::string_view token) = 0;  // kUnauthenticated
  // The same from what is at hand, and a right of that principal: they never block. nullopt and false: ask Bearer, Allowed.
  virtual std::optional<Principal> BearerAtHand(std::string_view) { return std::nullopt; }
  virtual bool AllowedAtHand(const Principal&, Verb, std::string_view /*repository*/) { return false; }
  // "repository:team/app:pull,push" each (scope.h, ParseScopes); what is unknown or not held is dropped; kLimit above
  // limits::kTokenScopes, kInvalid for control characters, kDenied while a new password is due. An account has at most
  // limits::kTokensPerUser at a time: another one ends the oldest.
  virtual Result<IssuedToken> Issue(const Principal& principal, const std::vector<std::string>& scopes) = 0;
  // May the principal do that there? Token scopes narrow the user's grants, never widen them. Rights are those of now.
  virtual Result<bool> Allowed(const Principal& principal, Verb verb, std::string_view repository) = 0;
  // For verbs that are not about a repository: held by a grant on "**". A scoped token carries none of them.
  virtual Result<bool> AllowedAnywhere(const Principal& principal, Verb verb) = 0;
  // For what reaches every repository that `glob` matches, now and later: held by one grant that surely covers them (its
  // glob is "**", the same, or "x/**" without other wildcards where `glob` begins with "x/"). A scoped token: never.
  virtual Result<bool> AllowedThroughout(const Principal& principal, Verb verb, std::string_view glob) = 0;
  virtual void Forget() = 0;      // drops every cached right; called after the commit and before a change is acknowledged
};
// Both outlive it.
std::unique_ptr<Authenticator> MakeAuthenticator(storage::Database& database, const Clock& clock);

}  // namespace bulwark::auth
