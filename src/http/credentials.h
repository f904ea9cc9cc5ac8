#pragma once
// Authorization headers and the challenges that ask for them (RFC 7617, RFC 6750, Docker token specification).

#include <optional>
#include <string>
#include <string_view>

#include "auth/auth.h"
#include "base/result.h"
#include "net/http_server.h"

namespace bulwark::http {

enum class Scheme { kNone, kBasic, kBearer };

struct Credentials {
  Scheme scheme = Scheme::kNone;
  std::string user, secret;  // the token of kBearer is the secret
};
// kUnauthenticated for what is neither, or broken. No header at all: kNone.
Result<Credentials> ParseCredentials(const net::Headers& headers);
// Blocking. kUnauthenticated, also for kNone.
Result<auth::Principal> Authenticate(auth::Authenticator& authenticator, const Credentials& credentials, std::string_view remote);

// Where this server says it is, without a slash at the end. `external_url` if it is set; else from the socket's own
// address: a Host counts only if it names that very socket ("localhost" on loopback).
std::string BaseUrlOf(const net::Request& request, const std::string& external_url);
std::string BasicChallenge();
// `scope` and `error` may be empty.
std::string BearerChallenge(const std::string& base_url, std::string_view scope, std::string_view error);

}  // namespace bulwark::http
