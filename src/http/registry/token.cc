// /v2/token: bearer tokens for name and password (Docker token specification: GET with Basic, POST as OAuth2 password
// grant). Tokens are opaque (docs/adr/0001-opaque-registry-tokens.md); `service` is therefore no part of them.
#include "http/registry/registry.h"

#include <algorithm>

#include "base/strings.h"
#include "formats/json.h"
#include "http/errors.h"

namespace bulwark::http {
namespace {

using net::Response;

std::vector<std::string> ScopesOf(const net::QueryParameters& parameters) {
  std::vector<std::string> scopes;
  for (std::string_view scope : parameters.All("scope")) scopes.emplace_back(scope);
  return scopes;
}

// RFC 6749 section 5.2; with the errors of the distribution-spec, which are what Docker and containerd show.
Response GrantError(int status, std::string_view code, std::string_view description) {
  std::string upper(code);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  formats::JsonWriter json;
  json.BeginObject().Field("error", code).Field("error_description", description);
  json.Key("errors").BeginArray().BeginObject().Field("code", upper).Field("message", description).EndObject().EndArray();
  return Response::Json(status, json.EndObject().Take()).With("Cache-Control", "no-store");
}

Result<Response> Issue(const auth::Principal& principal, const net::QueryParameters& parameters, RegistryDeps& deps) {
  auto issued = deps.authenticator.Issue(principal, ScopesOf(parameters));
  if (!issued.ok()) {
    const Errc code = issued.error().code;
    if (code == Errc::kLimit || code == Errc::kInvalid) return GrantError(400, "invalid_scope", issued.error().message);
    return issued.error();
  }
  const Time now = deps.clock.Now();
  const auto lifetime = std::chrono::floor<std::chrono::seconds>(issued->expires - now).count();
  formats::JsonWriter json;
  json.BeginObject().Field("token", issued->token).Field("access_token", issued->token);
  json.Field("expires_in", std::max<std::int64_t>(lifetime, 0)).Field("issued_at", FormatTime(now)).EndObject();
  return Response::Json(200, json.Take()).With("Cache-Control", "no-store");
}

Result<Response> GetToken(Call& call, RegistryDeps& deps) { return Issue(call.caller.principal, call.query, deps); }

Result<Response> PostToken(Call& call, std::string body, RegistryDeps& deps) {
  const std::string_view type = call.Header("Content-Type");
  if (!EqualsIgnoreCase(Trim(type.substr(0, type.find(';'))), "application/x-www-form-urlencoded"))
    return GrantError(415, "invalid_request", "the body is not application/x-www-form-urlencoded");
  auto form = net::QueryParameters::Parse(body);
  if (!form.ok()) return GrantError(400, "invalid_request", form.error().message);
  const auto grant = form->One("grant_type"), user = form->One("username"), password = form->One("password");
  if (!grant.ok() || !user.ok() || !password.ok()) return GrantError(400, "invalid_request", "a parameter stands twice");
  if (*grant != "password") return GrantError(400, "unsupported_grant_type", "only the grant type password is known");
  if (!*user || !*password || (*user)->empty()) return GrantError(400, "invalid_request", "username or password is missing");
  auto principal = deps.authenticator.Password(**user, **password, call.caller.remote);
  if (!principal.ok()) return std::move(principal).error();
  call.caller.principal = *principal;
  return Issue(*principal, *form, deps);
}

}  // namespace

std::vector<Route> TokenRoutes(RegistryDeps& deps) {
  using net::Method;
  return {
      {Method::kGet, "/v2/token", Access::kPasswordOnly, Bind(GetToken, deps)},
      {Method::kPost, "/v2/token", Access::kPublic, Bind(PostToken, deps), 64 << 10},
  };
}

}  // namespace bulwark::http
