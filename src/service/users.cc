#include "service/users.h"

#include <algorithm>

#include "audit/audit.h"
#include "service/rights.h"

namespace bulwark::service {
namespace {

using auth::PrincipalKind;
using auth::Verb;

Result<auth::User> Known(const storage::ReadTx& tx, const std::string& name) {
  BW_TRY(auto user, auth::FindUser(tx, name));
  if (!user) return Error{Errc::kNotFound, "no user " + name};
  return *std::move(user);
}

}  // namespace

Result<UserView> Users::View(const storage::ReadTx& tx, auth::User user) const {
  UserView out;
  BW_TRY(out.grants, auth::ListGrants(tx, user.id));
  out.user = std::move(user);
  return out;
}

Result<std::vector<UserView>> Users::List(const Caller& caller, std::int64_t after, std::size_t limit) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "user.list", "users"));
  return service_.parts().database.Read([&](const storage::ReadTx& tx) -> Result<std::vector<UserView>> {
    std::vector<UserView> out;
    BW_TRY(auto users, auth::ListUsers(tx, after, limit));
    for (auth::User& user : users) {
      BW_TRY(UserView view, View(tx, std::move(user)));
      out.push_back(std::move(view));
    }
    return out;
  });
}

Result<UserView> Users::Get(const Caller& caller, const std::string& name) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "user.list", "user:" + name));
  return service_.parts().database.Read([&](const storage::ReadTx& tx) -> Result<UserView> {
    BW_TRY(auto user, Known(tx, name));
    return View(tx, std::move(user));
  });
}

Status Users::Change(const Caller& caller, const std::string& action, const std::string& object,
                     const std::string& what, const std::function<Status(storage::Tx&)>& change) {
  Status done = service_.parts().database.Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(change(tx));
    audit::Event event = service_.rights().Event(caller, action, object);
    event.reason = what;
    return audit::Record(tx, std::move(event));
  });
  service_.parts().authenticator.Forget();
  return done;
}

Result<UserView> Users::Create(const Caller& caller, const std::string& name, const std::string& password,
                               PrincipalKind kind) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "user.create", "user:" + name));
  if (kind != PrincipalKind::kUser && kind != PrincipalKind::kService && kind != PrincipalKind::kCluster)
    return Error{Errc::kInvalid, "kind: user, service or cluster"};
  BW_CHECK(auth::CheckNewPassword(name, password));
  BW_TRY(std::string hash, auth::HashPassword(password));
  UserView out;
  BW_CHECK(Change(caller, "user.create", "user:" + name, "", [&](storage::Tx& tx) -> Status {
    BW_TRY(out.user, auth::CreateUser(tx, name, hash, kind, service_.parts().clock.Now()));
    if (kind != PrincipalKind::kUser) return {};
    out.user.must_change_password = true;  // known to who made it
    return auth::SetPassword(tx, out.user.id, hash, true);
  }));
  return out;
}

Status Users::SetDisabled(const Caller& caller, const std::string& name, bool disabled) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "user.change", "user:" + name));
  return Change(caller, "user.change", "user:" + name, disabled ? "disabled" : "enabled",
                [&](storage::Tx& tx) -> Status {
                  BW_TRY(auto user, Known(tx, name));
                  BW_CHECK(auth::SetDisabled(tx, user.id, disabled));
                  BW_TRY(bool administered, auth::AnyAdministrator(tx));
                  if (!administered) return {Errc::kConflict, "that would leave no administrator"};
                  return {};
                });
}

Status Users::SetPassword(const Caller& caller, const std::string& name, const std::string& password) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "user.password", "user:" + name));
  BW_CHECK(auth::CheckNewPassword(name, password));
  BW_TRY(std::string hash, auth::HashPassword(password));
  return Change(caller, "user.password", "user:" + name, "set by an administrator", [&](storage::Tx& tx) -> Status {
    BW_TRY(auto user, Known(tx, name));
    return auth::SetPassword(tx, user.id, hash, user.kind == PrincipalKind::kUser);
  });
}

Status Users::ChangeOwnPassword(const Caller& caller, const std::string& current, const std::string& password) {
  const std::string& name = caller.principal.name;
  if (caller.principal.kind == PrincipalKind::kAnonymous || caller.principal.scopes)
    return {Errc::kUnauthenticated, "log in with name and password"};
  BW_CHECK(service_.parts().authenticator.Password(name, current, caller.remote));
  BW_CHECK(auth::CheckNewPassword(name, password));
  if (current == password) return {Errc::kInvalid, "the new password is the old one"};
  BW_TRY(std::string hash, auth::HashPassword(password));
  return Change(caller, "user.password", "user:" + name, "changed",
                [&](storage::Tx& tx) { return auth::SetPassword(tx, caller.principal.id, hash, false); });
}

Result<auth::Grant> Users::AddGrant(const Caller& caller, const std::string& name, const std::string& role,
                                    const std::string& repositories) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "grant.add", "user:" + name));
  if (!auth::VerbsOf(role)) return Error{Errc::kInvalid, "role: unknown"};
  auth::Grant out;
  BW_CHECK(Change(caller, "grant.add", "user:" + name, role + " on " + repositories, [&](storage::Tx& tx) -> Status {
    BW_TRY(auto user, Known(tx, name));
    BW_TRY(out, auth::AddGrant(tx, user.id, role, repositories));
    return {};
  }));
  return out;
}

Status Users::RemoveGrant(const Caller& caller, const std::string& name, std::int64_t grant) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "grant.remove", "user:" + name));
  return Change(
      caller, "grant.remove", "user:" + name, "grant " + std::to_string(grant), [&](storage::Tx& tx) -> Status {
        BW_TRY(auto user, Known(tx, name));
        BW_TRY(auto grants, auth::ListGrants(tx, user.id));
        bool his = std::any_of(grants.begin(), grants.end(), [&](const auth::Grant& g) { return g.id == grant; });
        if (!his) return {Errc::kNotFound, "user " + name + " has no grant " + std::to_string(grant)};
        BW_CHECK(auth::RemoveGrant(tx, grant));
        BW_TRY(bool administered, auth::AnyAdministrator(tx));
        if (!administered) return {Errc::kConflict, "that would leave no administrator"};
        return {};
      });
}

}  // namespace bulwark::service
