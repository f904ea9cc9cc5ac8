#include "net/http_server.h"

#include <algorithm>
#include <csignal>
#include <thread>

#include <boost/asio/ip/address.hpp>

#include "base/limits.h"
#include "base/strings.h"
#include "net/worker.h"

namespace bulwark::net {
namespace {

class Server final : public HttpServer {
 public:
  Server(HttpServerOptions options, HttpHandler handler) : options_(std::move(options)) {
    auto& sessions = shared_.sessions;
    sessions.handler = std::move(handler);
    sessions.on_exchange = options_.on_exchange;
    sessions.pool = options_.pool;
    sessions.header_timeout = options_.header_timeout.count() ? options_.header_timeout : limits::kHeaderTimeout;
    sessions.idle_timeout = options_.idle_timeout.count() ? options_.idle_timeout : limits::kIdleTimeout;
    shared_.connection_limit = options_.connections;
  }
  ~Server() override { Stop(std::chrono::milliseconds(0), [] {}); }

  Status Start();
  const std::vector<Endpoint>& endpoints() const override { return options_.listen; }
  Status ReloadTls() override;
  std::size_t connections() const override { return shared_.connections; }
  void Stop(std::chrono::milliseconds grace, const std::function<void()>& give_up) override;

 private:
  HttpServerOptions options_;
  SharedState shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Mutex mutex_;
  ConditionVariable changed_;
  std::size_t running_ BW_GUARDED_BY(mutex_) = 0;
};

// SO_REUSEPORT would let a second server of the same user share the port in silence: ask for it alone first.
Status CheckFree(const Endpoint& endpoint) {
  if (endpoint.port == 0) return Status();
  boost::asio::io_context io;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(endpoint.address, error);
  if (error) return Error{Errc::kInvalid, "\"" + endpoint.address + "\" is no IP address"};
  const boost::asio::ip::tcp::endpoint where(address, endpoint.port);
  boost::asio::ip::tcp::acceptor probe(io);
  probe.open(where.protocol(), error);
  if (!error) probe.set_option(boost::asio::socket_base::reuse_address(true), error);
  if (!error) probe.bind(where, error);
  if (!error) probe.listen(1, error);
  if (!error) return Status();
  return Error{error == boost::asio::error::address_in_use ? Errc::kUnavailable : Errc::kIo,
               "listening on " + endpoint.address + " port " + std::to_string(endpoint.port) + ": " + error.message()};
}

Status Server::Start() {
  if (options_.listen.empty()) return Error{Errc::kInvalid, "no address to listen on"};
  std::signal(SIGPIPE, SIG_IGN);  // sendfile(2) and SSL_write have no flag against it
  const bool tls = std::any_of(options_.listen.begin(), options_.listen.end(), [](const Endpoint& e) { return e.tls; });
  if (tls) BW_CHECK(ReloadTls());
  for (const Endpoint& endpoint : options_.listen) BW_CHECK(CheckFree(endpoint));
  const unsigned threads = options_.threads ? options_.threads : std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < threads; ++i) {
    workers_.push_back(std::make_unique<Worker>(shared_));
    for (Endpoint& endpoint : options_.listen) BW_CHECK(workers_.back()->Listen(endpoint));
  }
  MutexLock lock(mutex_);
  for (auto& worker : workers_) {
    ++running_;
    worker->Start([this] {
      MutexLock held(mutex_);
      --running_;
      changed_.notify_all();
    });
  }
  return Status();
}

Status Server::ReloadTls() {
  if (!options_.tls) return Error{Errc::kInvalid, "a TLS listener needs a certificate and a key"};
  BW_TRY(TlsContext context, LoadTlsContext(*options_.tls));
  shared_.set_tls(std::move(context));
  return Status();
}

void Server::Stop(std::chrono::milliseconds grace, const std::function<void()>& give_up) {
  for (auto& worker : workers_) worker->BeginStop();
  {
    const auto end = std::chrono::steady_clock::now() + grace;
    MutexLock lock(mutex_);
    while (running_ > 0 && changed_.wait_until(mutex_, end) != std::cv_status::timeout) {
    }
  }
  give_up();
  for (auto& worker : workers_) worker->CutAll();
  for (auto& worker : workers_) worker->Join();
}

}  // namespace

Task<std::string> ReadWholeBody(Request& request, std::uint64_t limit) {
  const Error too_large{Errc::kLimit, "request body is larger than " + FormatBytes(limit)};
  if (request.content_length && *request.content_length > limit) co_return too_large;
  std::string body;
  for (std::size_t have = 0;;) {
    // Grows with what came, not with what was announced.
    body.resize(std::min<std::uint64_t>(std::max<std::uint64_t>(4096, 2 * have), limit + 1));
    const std::span<std::uint8_t> room(reinterpret_cast<std::uint8_t*>(body.data()) + have, body.size() - have);
    auto got = co_await request.ReadBody(room);
    if (!got.ok()) co_return std::move(got).error();
    have += *got;
    if (have > limit) co_return too_large;
    if (*got > 0) continue;
    body.resize(have);
    co_return body;
  }
}

Result<Endpoint> ParseEndpoint(std::string_view text) {
  const Error bad{Errc::kInvalid, "\"" + std::string(text) + "\" is no address and port, such as 127.0.0.1:5000 or [::1]:5000"};
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return bad;
  std::string_view host = text.substr(0, colon);
  const auto port = ParseUint(text.substr(colon + 1));
  if (!port || *port > 65535) return bad;
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  if (error || address.is_v6() != bracketed) return bad;
  return Endpoint{address.to_string(), static_cast<std::uint16_t>(*port), false};
}

bool IsLoopback(std::string_view address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(std::string(address), error);
  return !error && parsed.is_loopback();
}

Result<std::unique_ptr<HttpServer>> StartHttpServer(HttpServerOptions options, HttpHandler handler) {
  auto server = std::make_unique<Server>(std::move(options), std::move(handler));
  BW_CHECK(server->Start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace bulwark::net
