// bulwark user create|list|password|disable|grant at a registry; reset-admin in a data directory

#include <string>

#include "app/reset_admin.h"
#include "cli/exit_code.h"
#include "cli/item_table.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"

namespace bulwark::cli {
namespace {

Status Grant(const UserArguments& a, remote::RegistryClient& client) {
  BW_CHECK(client.Api("POST", "/api/v1/users/" + a.name + "/grants",
                      formats::JsonWriter().BeginObject().Field("role", a.role).Field("repositories", a.repositories).EndObject().Take()));
  NoteLine(a.name + " is " + a.role + " of " + a.repositories);
  return {};
}

Status Create(const UserArguments& a, remote::RegistryClient& client) {
  BW_TRY(std::string password, ReadPassword("Password for " + a.name + ": "));
  formats::JsonWriter body;
  body.BeginObject().Field("name", a.name).Field("password", password).Field("kind", a.kind.empty() ? "user" : a.kind.c_str()).EndObject();
  BW_CHECK(client.Api("POST", "/api/v1/users", body.Take()));
  NoteLine("user " + a.name + " was created");
  return a.role.empty() ? Status() : Grant(a, client);
}

// The own password is another call than somebody else's: the only one open to an account whose password must be changed.
Status SetPassword(const UserArguments& a, remote::RegistryClient& client) {
  BW_TRY(auto reference, ParseRegistryHost(a.registry));
  BW_TRY(auto login, CredentialsFor(reference.host, a.login));
  BW_TRY(std::string password, ReadPassword("New password for " + a.name + ": "));
  formats::JsonWriter body;
  if (login && login->username == a.name) {
    BW_CHECK(client.Api("PUT", "/api/v1/self/password", body.BeginObject().Field("current", login->password).Field("new", password).EndObject().Take()));
    NoteLine("your password was changed");
    return {};
  }
  BW_CHECK(client.Api("PUT", "/api/v1/users/" + a.name + "/password", body.BeginObject().Field("password", password).EndObject().Take()));
  NoteLine("the password of " + a.name + " was set; it must be changed at the next log-in (bulwark user password)");
  return {};
}

Status Run(const UserArguments& a) {
  using Verb = UserArguments::Verb;
  if (a.verb == Verb::kResetAdmin) {
    BW_TRY(std::string password, ReadPassword("New password for admin: "));
    BW_CHECK(app::ResetAdmin(a.data, password));
    NoteLine("the password of admin was set");
    return {};
  }
  BW_TRY(auto session, OpenApi(a.registry, a.login));
  auto& client = session->client;
  switch (a.verb) {
    case Verb::kCreate: return Create(a, client);
    case Verb::kGrant: return Grant(a, client);
    case Verb::kDisable:
      BW_CHECK(client.Api("PATCH", "/api/v1/users/" + a.name, R"({"disabled":true})"));
      NoteLine("user " + a.name + " is disabled");
      return {};
    case Verb::kPassword: return SetPassword(a, client);
    case Verb::kList: case Verb::kResetAdmin: break;
  }
  BW_TRY(auto response, client.Api("GET", "/api/v1/users", ""));
  if (a.format == "json" || (a.format.empty() && !OutIsTerminal())) return WriteOutput("", response.body + "\n");
  BW_TRY(auto table, ItemTable(response.body, {"name", "kind", "disabled", "must_change_password", "created"}));
  return WriteOutput("", table);
}

}  // namespace

int RunUser(const UserArguments& a) {
  auto status = Run(a);
  return status ? kPass : Fail(status.error());
}

}  // namespace bulwark::cli
