#pragma once
// A session with a registry: reference, log-in, HTTP client.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/arguments.h"
#include "net/http_client.h"
#include "remote/credentials.h"
#include "remote/patience.h"
#include "remote/registry_client.h"

namespace bulwark::cli {

// Of verbs that move many bytes: a busy registry and a cut connection are tried again, for about half a minute.
extern const remote::Patience kPatience;

struct Session {
  Session(std::unique_ptr<net::HttpClient> http_client, const remote::ImageReference& reference, remote::Tls tls,
          std::optional<remote::Credentials> credentials)
      : http(std::move(http_client)), client(*http, reference, tls, std::move(credentials)) {}
  std::unique_ptr<net::HttpClient> http;
  remote::RegistryClient client;
};

// With --username: reads its password from standard input or the terminal, once for all sessions.
Status ReadLoginPassword(Login& login);
// Of a registry's host; nullopt without --username and a stored log-in.
Result<std::optional<remote::Credentials>> CredentialsFor(const std::string& host, const Login& login);
// Credentials: --username, else the log-in that Docker or podman stored.
Result<std::unique_ptr<Session>> OpenSession(const remote::ImageReference& reference, const Login& login);
// With credentials that are known already: for several sessions with one registry.
std::unique_ptr<Session> NewSession(const remote::ImageReference& reference, const Login& login, std::optional<remote::Credentials> credentials);
// For API verbs, which are given a registry's host: "localhost:5000", or an address with http:// or https://.
Result<remote::ImageReference> ParseRegistryHost(std::string_view registry);  // kInvalid
// Its scheme, if it has one, says whether there is TLS; kInvalid: --plain-http contradicts it.
Result<std::unique_ptr<Session>> OpenApi(const std::string& registry, const Login& login);
Result<Login> WithScheme(const std::string& registry, Login login);

}  // namespace bulwark::cli
