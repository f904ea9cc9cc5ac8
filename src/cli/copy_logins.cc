#include "cli/copy_logins.h"

namespace bulwark::cli {
namespace {

bool AnyOf(const Login& login) { return !login.username.empty() || login.plain_http || !login.ca_file.empty() || !login.token_host.empty(); }

}  // namespace

Result<CopyLogins> LoginsFor(const TransferArguments& a, const CopyPlace& from, const CopyPlace& to) {
  if (!from.image && AnyOf(a.from_login)) return Error{Errc::kInvalid, "the --from-… options are for a registry as source"};
  if (!from.image && !to.image && AnyOf(a.login)) return Error{Errc::kInvalid, "no registry takes part, so there is nowhere to log in or connect to"};
  const bool any_name = !a.login.username.empty() || !a.from_login.username.empty();
  if (a.login.password_stdin && !any_name) return Error{Errc::kInvalid, "--password-stdin requires --username or --from-username"};
  CopyLogins out;
  const bool both = from.image && (!to.image || to.image->host == from.image->host);
  if (to.image) out.to = a.login;
  if (both) out.from = a.login;
  if (!a.from_login.username.empty()) {
    out.from.username = a.from_login.username;
    out.from.password = a.from_login.password;
  }
  out.from.plain_http |= a.from_login.plain_http;
  if (!a.from_login.ca_file.empty()) out.from.ca_file = a.from_login.ca_file;
  if (!a.from_login.token_host.empty()) out.from.token_host = a.from_login.token_host;
  return out;
}

}  // namespace bulwark::cli
