#pragma once
// Routes as rows: method, pattern, who may, handler. Credentials and rights are checked before a handler runs or a byte of
// a body is read; what matches no row is answered 401 to strangers and 404 to others.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "net/http_server.h"
#include "service/registry.h"

namespace bulwark::http {

// Who may use a route. Rows with a right need that verb on the repository `{name}` of the pattern, or, in a pattern
// without {name}, anywhere.
enum class Access : std::uint8_t {
  kPublic,            // anybody; credentials are not looked at (caller is anonymous)
  kAuthenticated,     // any known principal
  kPasswordOnly,      // a known principal by name and password (Basic), not by a token
  kSelf,              // as kPasswordOnly, also for one who must change the password first
  kPull, kPush, kDelete, kSign, kReadReport, kScan, kManagePolicy, kApproveException, kRequestException, kManageMembers,
  kReadAudit, kAdmin
};
std::optional<auth::Verb> VerbOf(Access access);  // nullopt for the first four

// A request whose route is known and whose caller may use it.
struct Call {
  net::Request& request;
  service::Caller caller;
  std::string request_id;
  std::vector<std::pair<std::string_view, std::string>> parameters;  // of the pattern, decoded

  std::string_view Param(std::string_view name) const;  // "" if the pattern has none of that name
  std::string_view Header(std::string_view name) const { return request.headers.Get(name); }
  net::QueryParameters query;
  // Set by a handler that answers kUnauthenticated because the token lacks more than the route's right: the scope that the
  // challenge also names.
  std::string missing_scope;
};

// Three kinds; the latter two run on the threads of their lane and may block.
using StreamHandler = std::function<net::Task<net::Response>(Call&)>;            // a coroutine: reads the body itself
using BlockingHandler = std::function<Result<net::Response>(Call&)>;             // no body
using BodyHandler = std::function<Result<net::Response>(Call&, std::string body)>;  // body of at most Route::body_limit

// Threads a route's blocking work runs on, apart from the others', so that neither starves another.
// kSlow: may wait minutes (for an analysis). kProbe: answers while everything else is busy.
enum class Lane : std::uint8_t { kCommon, kSlow, kProbe };

// Pattern: "/v2/{name}/blobs/{digest}". {name} takes one or more segments (never percent-encoded ones) and may stand once; another {x} takes
// exactly one non-empty segment, decoded. A pattern that ends in "/" wants that slash.
struct Route {
  net::Method method;
  std::string pattern;
  Access access;
  std::variant<StreamHandler, BlockingHandler, BodyHandler> handler;
  std::uint64_t body_limit = limits::kApiBodyBytes;
  Lane lane = Lane::kCommon;
  // Tried first, on the thread of the connection, for a bearer token whose right is at hand: must not block. nullopt: the
  // handler answers.
  std::function<std::optional<net::Response>(Call&)> at_hand = {};
};

// Who was refused what, and why: "GET /v2/{name}/manifests/{reference}", "team/app".
using RefusalHook = std::function<void(const service::Caller&, std::string_view action, std::string_view object, const Error&)>;
// Writes them to the audit log. Both outlive the router.
RefusalHook RecordRefusals(storage::Database& database, const Clock& clock);

struct RouterOptions {
  // "https://registry.example.com": what links and challenges are built from. Empty: from the listener's address, never
  // from a foreign Host (attacks: host-header-poison).
  std::string external_url;
  bool log_reads = false;   // also log successful GET and HEAD
  // Called on the pool for every refusal to a known principal, before it is answered.
  RefusalHook on_refusal;
};

class Router {
 public:
  // All outlive it. `pool` is the common lane.
  Router(auth::Authenticator& authenticator, ThreadPool& pool, RouterOptions options);
  ~Router();

  // Before serving. A malformed or repeated row aborts: it is a bug.
  void Add(Route route);
  void Add(std::vector<Route> routes);
  const std::vector<Route>& routes() const;

  net::HttpHandler Handler();                              // the router outlives it
  std::function<void(const net::Exchange&)> Observer();    // for HttpServerOptions::on_exchange: request log and counters
  std::string Metrics() const;                             // Prometheus text exposition 0.0.4
  // Scheme and authority of links to this server, as seen by that request.
  std::string BaseUrl(const net::Request& request) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Calls a free function with what it depends on; `deps` outlives the router.
template <typename R, typename Deps>
auto Bind(R (*function)(Call&, Deps&), Deps& deps) {
  return [function, &deps](Call& call) { return function(call, deps); };
}
template <typename R, typename Deps>
auto Bind(R (*function)(Call&, std::string body, Deps&), Deps& deps) {
  return [function, &deps](Call& call, std::string body) { return function(call, std::move(body), deps); };
}

// GET /healthz (the process answers) and /readyz (`ready` says the dependencies do; blocking, on the pool), public;
// GET /metrics for every known principal: what `metrics` says (blocking, on the pool).
std::vector<Route> OperationalRoutes(std::function<Status()> ready, std::function<std::string()> metrics);

}  // namespace bulwark::http
