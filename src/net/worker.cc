#include "net/worker.h"

#include <algorithm>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pthread.h>
#include <sys/socket.h>

#include "base/log.h"

namespace bulwark::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// "10.0.0.1" also where the socket says "::ffff:10.0.0.1".
std::string AddressText(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

void LogEnd(std::exception_ptr error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    LogError(std::string("connection ended by an exception: ") + e.what());
  }
}

Error ListenError(const Endpoint& endpoint, const boost::system::error_code& error) {
  const bool taken = error == asio::error::address_in_use;
  return Error{taken ? Errc::kUnavailable : Errc::kIo,
               "listening on " + endpoint.address + " port " + std::to_string(endpoint.port) + ": " + error.message()};
}

}  // namespace

Worker::Worker(SharedState& shared) : shared_(shared) {}

Status Worker::Listen(Endpoint& endpoint) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(endpoint.address, error);
  if (error) return Error{Errc::kInvalid, "\"" + endpoint.address + "\" is no IP address"};
  const tcp::endpoint where(address, endpoint.port);
  tcp::acceptor acceptor(io_);
  acceptor.open(where.protocol(), error);
  if (error) return ListenError(endpoint, error);
  const int on = 1, off = 0;
  ::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address.is_v6()) ::setsockopt(acceptor.native_handle(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  acceptor.bind(where, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return ListenError(endpoint, error);
  endpoint.port = acceptor.local_endpoint(error).port();
  listeners_.push_back({std::move(acceptor), endpoint.tls});
  return Status();
}

void Worker::Start(std::function<void()> on_end) {
  for (Listener& listener : listeners_) asio::co_spawn(io_, Accept(listener), LogEnd);
  asio::co_spawn(io_, Sweep(), LogEnd);
  thread_ = std::thread([this, on_end = std::move(on_end)] {
    pthread_setname_np(pthread_self(), "http");
    io_.run();
    on_end();
  });
}

void Worker::BeginStop() {
  asio::post(io_, [this] {
    stopping_ = true;
    boost::system::error_code ignored;
    for (Listener& listener : listeners_) listener.acceptor.close(ignored);
    for (Session* session : sessions_)
      if (session->waiting_since()) session->socket().Cut();
    sweep_timer_.cancel();
  });
}

void Worker::CutAll() {
  asio::post(io_, [this] {
    for (Session* session : sessions_) session->socket().Cut();
  });
}

void Worker::Join() {
  if (thread_.joinable()) thread_.join();
}

asio::awaitable<void> Worker::Accept(Listener& listener) {
  asio::steady_timer pause(io_);
  while (!stopping_) {
    boost::system::error_code error;
    tcp::socket socket = co_await listener.acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (stopping_) co_return;
    if (!error) {
      Admit(std::move(socket), listener.tls);
      continue;
    }
    if (error == asio::error::connection_aborted) continue;
    // Out of descriptors or memory: the queue in the kernel waits until some connection ends.
    LogWarning("accepting a connection: " + error.message());
    pause.expires_after(std::chrono::milliseconds(100));
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

void Worker::Admit(tcp::socket socket, bool tls) {
  if (shared_.connections >= shared_.connection_limit && !MakeRoom()) return;  // the socket closes
  boost::system::error_code error;
  const auto remote = socket.remote_endpoint(error);
  const auto local = socket.local_endpoint(error);
  socket.set_option(tcp::no_delay(true), error);
  socket.native_non_blocking(true, error);
  if (error) return;  // gone already
  TlsSession tls_session(nullptr, [](ssl_st*) {});
  if (tls) {
    auto made = NewTlsSession(shared_.tls(), socket.native_handle());
    if (!made.ok()) return LogError(made.error().message);
    tls_session = *std::move(made);
  }
  Peer peer{AddressText(remote.address()), AddressText(local.address()), local.port()};
  // Owned by its own coroutine alone; the list only looks at it.
  auto session = std::make_shared<Session>(std::move(socket), std::move(peer), std::move(tls_session), shared_.sessions, stopping_);
  asio::co_spawn(io_, Hold(std::move(session)), LogEnd);
}

asio::awaitable<void> Worker::Hold(std::shared_ptr<Session> session) {
  struct Entry {
    Worker& worker;
    std::list<Session*>::iterator at;
    ~Entry() {
      worker.sessions_.erase(at);
      --worker.shared_.connections;
      if (worker.stopping_) worker.sweep_timer_.cancel();
    }
  };
  ++shared_.connections;
  Entry entry{*this, sessions_.insert(sessions_.end(), session.get())};
  co_await session->Run();
}

// Ends the connection of this thread that has waited longest without a request (attacks: slow-and-expect).
bool Worker::MakeRoom() {
  Session* oldest = nullptr;
  for (Session* session : sessions_) {
    const auto since = session->waiting_since();
    if (since && !session->socket().cut() && (!oldest || *since < *oldest->waiting_since())) oldest = session;
  }
  if (oldest) oldest->socket().Cut();
  return oldest != nullptr;
}

// Ends waits that are overdue, and the event loop once the server stops and the last connection is gone.
asio::awaitable<void> Worker::Sweep() {
  using namespace std::chrono_literals;
  const auto tick = std::clamp<std::chrono::milliseconds>(
      std::min(shared_.sessions.header_timeout, shared_.sessions.idle_timeout) / 10, 5ms, 500ms);
  while (!stopping_ || !sessions_.empty()) {
    boost::system::error_code ignored;
    sweep_timer_.expires_after(tick);
    co_await sweep_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto now = Budget::Clock::now();
    for (Session* session : sessions_)
      if (session->socket().overdue(now)) session->socket().TimeOut();
  }
}

}  // namespace bulwark::net
