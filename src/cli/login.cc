#include "cli/login.h"

#include "base/strings.h"
#include "cli/terminal.h"

namespace bulwark::cli {
namespace {

std::unique_ptr<net::HttpClient> Http(const Login& login) {
  net::HttpClientOptions options;
  options.ca_file = login.ca_file;
  options.user_agent = std::string("bulwark/") + BW_VERSION;
  return net::MakeHttpClient(options);
}

bool HasScheme(std::string_view registry, std::string_view scheme) {
  return EqualsIgnoreCase(registry.substr(0, registry.find("://")), scheme) && registry.find("://") != registry.npos;
}

}  // namespace

const remote::Patience kPatience{.tries = 6, .sleep = nullptr};

Status ReadLoginPassword(Login& login) {
  if (login.username.empty()) return {};
  BW_CHECK(remote::CheckUserName(login.username));
  if (login.password_stdin) {
    BW_TRY(login.password, ReadLine());
  } else {
    BW_TRY(login.password, ReadPassword("Password of " + login.username + ": "));
  }
  if (login.password.ends_with('\r')) login.password.pop_back();  // a file with the line ends of Windows
  return {};
}

Result<std::optional<remote::Credentials>> CredentialsFor(const std::string& host, const Login& login) {
  if (login.username.empty()) return remote::FindCredentials(host);
  return std::optional<remote::Credentials>({login.username, login.password});
}

Result<std::unique_ptr<Session>> OpenSession(const remote::ImageReference& reference, const Login& login) {
  BW_TRY(auto credentials, CredentialsFor(reference.host, login));
  return NewSession(reference, login, std::move(credentials));
}

std::unique_ptr<Session> NewSession(const remote::ImageReference& reference, const Login& login, std::optional<remote::Credentials> credentials) {
  const remote::Tls tls = login.tls ? remote::Tls::kAlways : login.plain_http ? remote::Tls::kNever : remote::Tls::kUsual;
  auto out = std::make_unique<Session>(Http(login), reference, tls, std::move(credentials));
  if (auto token = ParseRegistryHost(login.token_host)) out->client.SetTokenHost(token->host);  // checked with the command line
  return out;
}

Result<remote::ImageReference> ParseRegistryHost(std::string_view registry) {
  std::string_view host = registry;
  auto scheme = host.find("://");
  const bool web = scheme == std::string_view::npos || HasScheme(registry, "http") || HasScheme(registry, "https");
  if (scheme != std::string_view::npos) host.remove_prefix(scheme + 3);
  while (host.ends_with("/")) host.remove_suffix(1);
  // The grammar of image references is the one check of host names.
  auto reference = remote::ParseImageReference(std::string(host) + "/library/any");
  if (!web || !reference || host.find('/') != std::string_view::npos || !EqualsIgnoreCase(reference->host, host))
    return Error{Errc::kInvalid, "'" + std::string(registry) + "' is not the host of a registry; write it as in localhost:5000"};
  return reference;
}

Result<std::unique_ptr<Session>> OpenApi(const std::string& registry, const Login& login) {
  BW_TRY(auto reference, ParseRegistryHost(registry));
  BW_TRY(Login chosen, WithScheme(registry, login));
  return OpenSession(reference, chosen);
}

Result<Login> WithScheme(const std::string& registry, Login login) {
  login.tls = HasScheme(registry, "https");
  if (login.tls && login.plain_http) return Error{Errc::kInvalid, "--plain-http contradicts " + registry};
  if (HasScheme(registry, "http")) login.plain_http = true;
  return login;
}

}  // namespace bulwark::cli
