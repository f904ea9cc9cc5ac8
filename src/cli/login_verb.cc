// bulwark login HOST and bulwark logout HOST: tries a log-in, and keeps or forgets it as docker does.
#include <string>

#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "remote/credential_store.h"

namespace bulwark::cli {
namespace {

Status AskForUser(Login& login) {
  if (!login.username.empty()) return {};
  if (::isatty(STDIN_FILENO) != 1) return {Errc::kInvalid, "login: name the user with --username"};
  NoteLine("user name:");
  BW_TRY(login.username, ReadLine());
  if (login.username.empty()) return {Errc::kInvalid, "login: no user was named"};
  return ReadLoginPassword(login);
}

Status LogIn(const std::string& registry, const Login& login) {
  BW_TRY(auto session, OpenApi(registry, login));
  BW_TRY(auto reference, ParseRegistryHost(registry));
  BW_CHECK(session->client.CheckLogin());
  BW_TRY(auto kept, remote::KeepLogin(reference.host, {login.username, login.password}));
  if (kept.clear_text)
    NoteLine("the password lies in " + kept.where + " in clear text (base64), readable by you alone; a credential helper named there as credsStore keeps it better");
  NoteLine("logged in to " + reference.host + " as " + login.username);
  return {};
}

Status LogOut(const std::string& registry) {
  BW_TRY(auto reference, ParseRegistryHost(registry));
  BW_TRY(auto where, remote::ForgetLogin(reference.host));
  std::string files;
  for (const auto& file : where) files += (files.empty() ? "" : " and ") + file;
  NoteLine(where.empty() ? "no log-in to " + reference.host + " was kept" : "forgot the log-in to " + reference.host + " (" + files + ")");
  return {};
}

}  // namespace

int RunLogin(const LoginArguments& a) {
  Login login = a.login;
  if (auto chosen = WithScheme(a.registry, login); !chosen) return FailUsage(chosen.error());
  if (auto asked = AskForUser(login); !asked) return FailUsage(asked.error());
  if (login.password.empty()) return FailUsage({Errc::kInvalid, "login: the password is empty"});
  auto status = LogIn(a.registry, login);
  return status ? kPass : Fail(status.error());
}

int RunLogout(const LoginArguments& a) {
  auto status = LogOut(a.registry);
  return status ? kPass : Fail(status.error());
}

}  // namespace bulwark::cli
