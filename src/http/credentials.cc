#include "http/credentials.h"

#include "base/strings.h"

namespace bulwark::http {
namespace {

constexpr std::size_t kSecretBytes = 4096;  // longer ones are nobody's (attacks: jwt-resource-bomb)

Error Unknown() { return Error{Errc::kUnauthenticated, "log-in needed"}; }

std::string WithPort(const std::string& host, std::uint16_t port, bool tls) {
  if (port == (tls ? 443 : 80)) return host;
  return host + ":" + std::to_string(port);
}

}  // namespace

Result<Credentials> ParseCredentials(const net::Headers& headers) {
  const std::string_view value = headers.Get("Authorization");
  if (value.empty()) return Credentials{};
  const std::size_t space = value.find(' ');
  if (space == value.npos) return Unknown();
  const std::string_view scheme = value.substr(0, space), rest = Trim(value.substr(space + 1));
  if (rest.empty() || rest.size() > kSecretBytes) return Unknown();
  if (EqualsIgnoreCase(scheme, "Bearer")) return Credentials{Scheme::kBearer, "", std::string(rest)};
  if (!EqualsIgnoreCase(scheme, "Basic")) return Unknown();
  const auto text = Base64Decode(rest);
  const std::size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos || colon == 0 || text->find('\0') != std::string::npos) return Unknown();
  return Credentials{Scheme::kBasic, text->substr(0, colon), text->substr(colon + 1)};
}

Result<auth::Principal> Authenticate(auth::Authenticator& authenticator, const Credentials& credentials, std::string_view remote) {
  if (credentials.scheme == Scheme::kBasic) return authenticator.Password(credentials.user, credentials.secret, remote);
  if (credentials.scheme == Scheme::kBearer) return authenticator.Bearer(credentials.secret);
  return Unknown();
}

std::string BaseUrlOf(const net::Request& request, const std::string& external_url) {
  if (!external_url.empty()) return external_url.substr(0, external_url.find_last_not_of('/') + 1);
  const std::string scheme = request.tls ? "https://" : "http://";
  const std::string address = request.local.find(':') == std::string::npos ? request.local : "[" + request.local + "]";
  const std::string own = WithPort(address, request.local_port, request.tls);
  const std::string_view host = request.headers.Get("Host");
  if (net::IsLoopback(request.local) && EqualsIgnoreCase(host, WithPort("localhost", request.local_port, request.tls)))
    return scheme + ToLower(host);
  return scheme + own;
}

std::string BasicChallenge() { return "Basic realm=\"bulwark\", charset=\"UTF-8\""; }

std::string BearerChallenge(const std::string& base_url, std::string_view scope, std::string_view error) {
  std::string out = "Bearer realm=\"" + base_url + "/v2/token\",service=\"" + base_url.substr(base_url.find("://") + 3) + "\"";
  if (!scope.empty()) out.append(",scope=\"").append(scope).append("\"");
  if (!error.empty()) out.append(",error=\"").append(error).append("\"");
  return out;
}

}  // namespace bulwark::http
