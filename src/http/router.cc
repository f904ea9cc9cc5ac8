#include "http/router.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>

#include "audit/audit.h"
#include "base/hex.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "http/access.h"
#include "http/credentials.h"
#include "http/errors.h"
#include "http/metrics.h"
#include "http/pattern.h"

namespace bulwark::http {

using boost::asio::awaitable;
using net::Request;
using net::Response;

namespace {

constexpr std::size_t kUserAgentBytes = 200;
constexpr std::size_t kSlowThreads = 64;
constexpr std::size_t kProbeThreads = 2;

// What a request was found to be, and who asks; what the next stage needs.
struct Match {
  const Route* route = nullptr;
  const Pattern* pattern = nullptr;
  std::uint32_t index = 0;
  Parameters parameters;
  std::string allow;  // methods of rows whose path fits, if no row fits whole

  std::string_view repository() const {
    for (const auto& [key, value] : parameters)
      if (key == "name") return value;
    return {};
  }
  bool has_name() const { return pattern && pattern->has_name(); }
};

void AddCommonHeaders(const Request& request, Response& response) {
  response.Set("X-Request-Id", request.id);
  response.Set("X-Content-Type-Options", "nosniff");
  if (request.tls) response.Set("Strict-Transport-Security", "max-age=31536000");
  if (StyleOf(request.raw_path) == ErrorStyle::kOci) {
    response.Set("Docker-Distribution-Api-Version", "registry/2.0");
    return;
  }
  const auto or_else = [&response](const char* name, const char* value) {
    if (response.Header(name).empty()) response.Add(name, value);
  };
  or_else("Cache-Control", "no-store");
  or_else("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  or_else("Referrer-Policy", "no-referrer");
  or_else("X-Frame-Options", "DENY");
}

}  // namespace

std::optional<auth::Verb> VerbOf(Access access) {
  using auth::Verb;
  switch (access) {
    case Access::kPublic:
    case Access::kAuthenticated:
    case Access::kPasswordOnly:
    case Access::kSelf: return std::nullopt;
    case Access::kPull: return Verb::kPull;
    case Access::kPush: return Verb::kPush;
    case Access::kDelete: return Verb::kDelete;
    case Access::kSign: return Verb::kSign;
    case Access::kReadReport: return Verb::kReadReport;
    case Access::kScan: return Verb::kScan;
    case Access::kManagePolicy: return Verb::kManagePolicy;
    case Access::kApproveException: return Verb::kApproveException;
    case Access::kRequestException: return Verb::kRequestException;
    case Access::kManageMembers: return Verb::kManageMembers;
    case Access::kReadAudit: return Verb::kReadAudit;
    case Access::kAdmin: return Verb::kAdmin;
  }
  return auth::Verb::kAdmin;
}

std::string_view Call::Param(std::string_view name) const {
  for (const auto& [key, value] : parameters)
    if (key == name) return value;
  return {};
}

struct Router::State {
  State(auth::Authenticator& a, ThreadPool& p, RouterOptions o) : authenticator(a), pool(p), options(std::move(o)) {
    unmatched = metrics.AddRoute("", "");
    const Bytes random = crypto::RandomBytes(sizeof id_prefix);
    std::copy(random.begin(), random.end(), reinterpret_cast<std::uint8_t*>(&id_prefix));
  }

  awaitable<Response> Serve(Request& request);
  net::Task<Response> Dispatch(Request& request, const Match& match, Call& call);
  Match Find(const Request& request) const;
  std::optional<Response> AnswerAtHand(const Match& match, Call& call);
  std::optional<Response> Admit(const Match& match, Call& call);
  Response Refuse(const Match& match, const Call& call, Refusal refusal);
  Response Unauthenticated(const Match& match, const Request& request, const Error& error, std::string_view challenge_error,
                           std::string_view missing_scope = {});
  Response Failed(const Match& match, const Call& call, const Error& error);
  ThreadPool& LaneOf(const Match& match);
  std::string NewId();
  void Observe(const net::Exchange& exchange);

  auth::Authenticator& authenticator;
  ThreadPool& pool;
  RouterOptions options;
  std::vector<Route> routes;
  std::deque<Pattern> patterns;                                  // of routes, in their order; Match holds views into them
  std::multimap<std::string, std::size_t, std::less<>> by_first; // first segment -> index
  std::vector<std::uint32_t> counters;                           // of routes
  HttpMetrics metrics;
  std::uint32_t unmatched = 0;
  std::uint64_t id_prefix = 0;
  std::atomic<std::uint64_t> next_id{0};
  ThreadPool slow{"http-slow", kSlowThreads};
  ThreadPool probes{"http-probe", kProbeThreads};
};

Router::Router(auth::Authenticator& authenticator, ThreadPool& pool, RouterOptions options)
    : state_(std::make_unique<State>(authenticator, pool, std::move(options))) {}
Router::~Router() = default;

void Router::Add(Route route) {
  for (const Route& other : state_->routes)
    if (other.method == route.method && other.pattern == route.pattern) std::abort();
  state_->patterns.emplace_back(route.pattern);
  state_->by_first.emplace(state_->patterns.back().first(), state_->routes.size());
  state_->counters.push_back(state_->metrics.AddRoute(net::Name(route.method), route.pattern));
  state_->routes.push_back(std::move(route));
}

void Router::Add(std::vector<Route> routes) {
  for (Route& route : routes) Add(std::move(route));
}

const std::vector<Route>& Router::routes() const { return state_->routes; }

net::HttpHandler Router::Handler() {
  return [state = state_.get()](Request& request) { return state->Serve(request); };
}

std::function<void(const net::Exchange&)> Router::Observer() {
  return [state = state_.get()](const net::Exchange& exchange) { state->Observe(exchange); };
}

std::string Router::Metrics() const { return state_->metrics.Text(); }

std::string Router::BaseUrl(const net::Request& request) const { return BaseUrlOf(request, state_->options.external_url); }

// A row for GET also answers HEAD where no row does; the server leaves the body out.
Match Router::State::Find(const Request& request) const {
  Match match;
  if (!request.path.canonical) return match;
  const auto [begin, end] = by_first.equal_range(request.path.segments.front());
  for (auto it = begin; it != end; ++it) {
    const std::size_t i = it->second;
    auto parameters = patterns[i].Match(request.path);
    if (!parameters) continue;
    const bool get_for_head = request.method == net::Method::kHead && routes[i].method == net::Method::kGet && !match.route;
    if (routes[i].method == request.method || get_for_head) {
      match.route = &routes[i];
      match.pattern = &patterns[i];
      match.index = counters[i];
      match.parameters = *std::move(parameters);
      if (!get_for_head) return match;
      continue;
    }
    match.allow += (match.allow.empty() ? "" : ", ") + std::string(net::Name(routes[i].method));
  }
  return match;
}

awaitable<Response> Router::State::Serve(Request& request) {
  metrics.Begin();
  request.id = NewId();
  Match match = Find(request);
  request.route = match.route ? match.index : unmatched;
  service::Caller caller;
  caller.remote = request.peer;
  const std::string base = BaseUrlOf(request, options.external_url);
  caller.registry = base.substr(base.find("://") + 3);
  caller.user_agent = request.headers.Get("User-Agent").substr(0, kUserAgentBytes);
  Call call{request, std::move(caller), request.id, std::move(match.parameters), {}, {}};
  match.parameters = call.parameters;
  auto answer = co_await Dispatch(request, match, call);
  Response response = answer.ok() ? *std::move(answer) : Failed(match, call, answer.error());
  request.who = call.caller.principal.name;
  AddCommonHeaders(request, response);
  co_return response;
}

// The stages of a request; an error is answered by the table.
net::Task<Response> Router::State::Dispatch(Request& request, const Match& match, Call& call) {
  const bool anonymous = request.headers.Get("Authorization").empty();
  const bool open = match.route && match.route->access == Access::kPublic;
  if (anonymous && !open) co_return Unauthenticated(match, request, Error{Errc::kUnauthenticated, "log-in needed"}, {});
  if (auto answer = AnswerAtHand(match, call)) co_return *std::move(answer);
  const auto* blocking = match.route ? std::get_if<BlockingHandler>(&match.route->handler) : nullptr;
  // One trip to the pool does it all where no body is to come.
  auto admit_and_run = [&]() -> Result<std::optional<Response>> {
    if (auto refused = Admit(match, call)) return refused;
    if (!blocking) return std::optional<Response>();
    BW_TRY(Response response, (*blocking)(call));
    return std::optional<Response>(std::move(response));
  };
  ThreadPool& lane = LaneOf(match);
  auto first = co_await net::RunBlocking(lane, admit_and_run);
  if (!first.ok()) co_return std::move(first).error();
  if (first->has_value()) co_return **std::move(first);
  // From here on the caller is known and may use the route; only now the body is read.
  if (const auto* stream = std::get_if<StreamHandler>(&match.route->handler)) {
    auto streamed = co_await (*stream)(call);
    co_return streamed;
  }
  auto body = co_await net::ReadWholeBody(request, match.route->body_limit);
  if (!body.ok()) co_return std::move(body).error();
  const auto& handler = std::get<BodyHandler>(match.route->handler);
  auto run = [&]() -> Result<Response> { return handler(call, *std::move(body)); };
  auto answered = co_await net::RunBlocking(lane, run);
  co_return answered;
}

ThreadPool& Router::State::LaneOf(const Match& match) {
  if (!match.route || match.route->lane == Lane::kCommon) return pool;
  return match.route->lane == Lane::kSlow ? slow : probes;
}

std::optional<Response> Router::State::AnswerAtHand(const Match& match, Call& call) {
  if (!match.route || !match.route->at_hand || !call.request.raw_query.empty()) return std::nullopt;
  auto credentials = ParseCredentials(call.request.headers);
  if (!credentials.ok() || credentials->scheme != Scheme::kBearer) return std::nullopt;
  auto principal = authenticator.BearerAtHand(credentials->secret);
  const auto verb = VerbOf(match.route->access);
  if (!principal || !verb || !authenticator.AllowedAtHand(*principal, *verb, match.repository())) return std::nullopt;
  auth::Principal before = std::exchange(call.caller.principal, *std::move(principal));
  auto answer = match.route->at_hand(call);
  if (!answer) call.caller.principal = std::move(before);
  return answer;
}

// Who asks, and may he? The answer if not. Blocking.
std::optional<Response> Router::State::Admit(const Match& match, Call& call) {
  const Request& request = call.request;
  if (!match.route || match.route->access != Access::kPublic) {
    auto credentials = ParseCredentials(request.headers);
    if (!credentials.ok()) return Unauthenticated(match, request, credentials.error(), {});
    auto principal = Authenticate(authenticator, *credentials, request.peer);
    if (!principal.ok() && principal.error().code != Errc::kUnauthenticated)
      return ErrorResponse(principal.error(), StyleOf(request.raw_path));
    if (!principal.ok())
      return Unauthenticated(match, request, principal.error(), credentials->scheme == Scheme::kBearer ? "invalid_token" : "");
    call.caller.principal = *std::move(principal);
    if (!match.route) {
      if (match.allow.empty()) return ErrorResponse(404, "UNSUPPORTED", "no such address", StyleOf(request.raw_path));
      return ErrorResponse(405, "UNSUPPORTED", "method not allowed", StyleOf(request.raw_path)).With("Allow", match.allow);
    }
    auto refusal = CheckAccess(authenticator, match.route->access, match.has_name(), call.caller.principal, credentials->scheme, match.repository());
    if (refusal) return Refuse(match, call, *std::move(refusal));
  }
  auto query = net::QueryParameters::Parse(request.raw_query);
  if (!query.ok()) return ErrorResponse(query.error(), StyleOf(request.raw_path));
  call.query = *std::move(query);
  return std::nullopt;
}

Response Router::State::Refuse(const Match& match, const Call& call, Refusal refusal) {
  const Request& request = call.request;
  if (options.on_refusal && (refusal.error.code == Errc::kDenied || refusal.error.code == Errc::kNotFound))
    options.on_refusal(call.caller, std::string(net::Name(match.route->method)) + " " + match.route->pattern, match.repository(), refusal.error);
  if (refusal.error.code == Errc::kUnauthenticated) return Unauthenticated(match, request, refusal.error, refusal.challenge_error);
  Response response = ErrorResponse(refusal.error, StyleOf(request.raw_path));
  if (refusal.challenge && StyleOf(request.raw_path) == ErrorStyle::kOci)
    response.Set("WWW-Authenticate", BearerChallenge(BaseUrlOf(request, options.external_url),
                                                     ScopeFor(match.route->access, match.has_name(), match.repository()), refusal.challenge_error));
  return response;
}

Response Router::State::Failed(const Match& match, const Call& call, const Error& error) {
  if (error.code != Errc::kUnauthenticated || call.missing_scope.empty()) return ErrorResponse(error, StyleOf(call.request.raw_path));
  return Unauthenticated(match, call.request, error, "insufficient_scope", call.missing_scope);
}

Response Router::State::Unauthenticated(const Match& match, const Request& request, const Error& error, std::string_view challenge_error,
                                        std::string_view missing_scope) {
  const ErrorStyle style = StyleOf(request.raw_path);
  Response response = ErrorResponse(error, style);
  const bool by_password = match.route && (match.route->access == Access::kPasswordOnly || match.route->access == Access::kSelf);
  if (style == ErrorStyle::kProblem || by_password) {
    response.Set("WWW-Authenticate", BasicChallenge());
    return response;
  }
  std::string scope = match.route ? ScopeFor(match.route->access, match.has_name(), match.repository()) : "";
  if (request.raw_path == "/v2/_catalog") scope = "registry:catalog:*";
  if (!missing_scope.empty()) scope.append(scope.empty() ? "" : " ").append(missing_scope);
  response.Set("WWW-Authenticate", BearerChallenge(BaseUrlOf(request, options.external_url), scope, challenge_error));
  return response;
}

// Unique and not guessable from one process's start to the next; says nothing about the request.
std::string Router::State::NewId() {
  std::uint64_t n = id_prefix + 0x9e3779b97f4a7c15u * next_id.fetch_add(1, std::memory_order_relaxed);
  n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
  n = (n ^ n >> 27) * 0x94d049bb133111ebu;
  n ^= n >> 31;
  return ToHex({reinterpret_cast<const std::uint8_t*>(&n), sizeof n});
}

void Router::State::Observe(const net::Exchange& exchange) {
  if (!exchange.request) {
    metrics.Count(unmatched, exchange.status, 0, 0);
    LogInfo("refused a request of " + std::string(exchange.peer) + ": " + std::to_string(exchange.status) + " " + std::string(exchange.refused));
    return;
  }
  metrics.End();
  metrics.Count(exchange.request->route, exchange.status, exchange.received, exchange.sent);
  const Request& request = *exchange.request;
  const bool read = request.method == net::Method::kGet || request.method == net::Method::kHead;
  if (read && exchange.status < 400 && !options.log_reads) return;
  // Without the query: it may hold what is nobody else's business.
  LogInfo(Printable(request.method_text, 20) + " " + Printable(request.raw_path, 400) + " " + std::to_string(exchange.status) + " in=" +
          std::to_string(exchange.received) + " out=" + std::to_string(exchange.sent) + " " + std::to_string(exchange.took.count()) + "us " +
          Printable(request.who, 100) + "@" + std::string(exchange.peer) + " id=" + request.id);
}

RefusalHook RecordRefusals(storage::Database& database, const Clock& clock) {
  return [&database, &clock](const service::Caller& caller, std::string_view action, std::string_view object, const Error& error) {
    audit::Event event;
    event.at = clock.Now();
    event.actor = caller.principal.name;
    event.actor_id = caller.principal.id;
    event.action = "request";  // which one stands in the reason: routes are no names of actions
    event.object = std::string(object);
    event.outcome = audit::Outcome::kRefused;
    event.reason = std::string(action) + ": " + error.message;
    event.remote = caller.remote;
    const Status recorded = database.Write([&](storage::Tx& tx) { return audit::Record(tx, event); });
    // The refusal stands even where it cannot be written down.
    if (!recorded.ok()) LogError("audit: a refusal was not recorded: " + recorded.error().message);
  };
}

std::vector<Route> OperationalRoutes(std::function<Status()> ready, std::function<std::string()> metrics) {
  using net::Method;
  return {
      {Method::kGet, "/healthz", Access::kPublic, BlockingHandler([](Call&) -> Result<Response> { return Response::Text(200, "ok\n"); }),
       0, Lane::kProbe},
      {Method::kGet, "/readyz", Access::kPublic, BlockingHandler([ready = std::move(ready)](Call&) -> Result<Response> {
         const Status status = ready();
         if (status.ok()) return Response::Text(200, "ready\n");
         LogWarning("not ready: " + status.error().message);
         return Response::Text(503, "not ready\n");
       }),
       0, Lane::kProbe},
      {Method::kGet, "/metrics", Access::kAuthenticated, BlockingHandler([metrics = std::move(metrics)](Call&) -> Result<Response> {
         Response response = Response::Text(200, metrics());
         response.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
         return response;
       })},  // not with the probes: to check a password takes its time, also a stranger's wrong one
  };
}

}  // namespace bulwark::http
