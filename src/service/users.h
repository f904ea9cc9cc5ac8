#pragma once
// Users, passwords and grants for the product API and the command line.

#include <functional>
#include <string>
#include <vector>

#include "auth/auth.h"
#include "service/service.h"

namespace bulwark::service {

struct UserView {
  auth::User user;
  std::vector<auth::Grant> grants;
};

// Whoever made a change finds every cached right forgotten when it is acknowledged.
class Users {
 public:
  explicit Users(Service& service) : service_(service) {}
  Result<std::vector<UserView>> List(const Caller& caller, std::int64_t after, std::size_t limit);
  Result<UserView> Get(const Caller& caller, const std::string& name);
  // With a password that must be changed at the first log-in, unless the account is a service or cluster. kInvalid,
  // kExists.
  Result<UserView> Create(const Caller& caller, const std::string& name, const std::string& password,
                          auth::PrincipalKind kind);
  Status SetDisabled(const Caller& caller, const std::string& name, bool disabled);
  // Another one's: must be changed then. kInvalid.
  Status SetPassword(const Caller& caller, const std::string& name, const std::string& password);
  // The caller's own; `current` is checked again. kUnauthenticated.
  Status ChangeOwnPassword(const Caller& caller, const std::string& current, const std::string& password);
  Result<auth::Grant> AddGrant(const Caller& caller, const std::string& name, const std::string& role,
                               const std::string& repositories);
  Status RemoveGrant(const Caller& caller, const std::string& name, std::int64_t grant);

 private:
  Status Change(const Caller& caller, const std::string& action, const std::string& object, const std::string& what,
                const std::function<Status(storage::Tx&)>& change);
  Result<UserView> View(const storage::ReadTx& tx, auth::User user) const;
  Service& service_;
};

}  // namespace bulwark::service
