#pragma once
// One connection from the first byte to the last: heads, bodies, answers, keep-alive. Internal to net/.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/clock.h"
#include "net/chunked.h"
#include "net/framing.h"
#include "net/http_server.h"
#include "net/stream.h"

namespace bulwark::net {

// What sessions of one server share; outlives them.
struct SessionContext {
  HttpHandler handler;
  std::function<void(const Exchange&)> on_exchange;
  ThreadPool* pool = nullptr;
  std::chrono::milliseconds header_timeout{};
  std::chrono::milliseconds idle_timeout{};
};

struct Peer {
  std::string remote, local;
  std::uint16_t local_port = 0;
};

class Session final : private BodyReader {
 public:
  // `tls` null: plain. `context` and `stopping` outlive it.
  Session(boost::asio::ip::tcp::socket socket, Peer peer, TlsSession tls, const SessionContext& context, const bool& stopping);

  // Serves until the connection ends.
  boost::asio::awaitable<void> Run();

  // For the sweeper, on the connection's thread.
  GuardedSocket& socket() { return socket_; }
  // Since when it has waited for a request, if it does now: such a connection loses nothing when it is closed.
  std::optional<Budget::Clock::time_point> waiting_since() const { return waiting_since_; }

 private:
  enum class Next { kRequest, kClose, kLinger };

  boost::asio::awaitable<Next> ReceiveHead();
  Task<std::size_t> Fill(std::size_t room, Budget& budget);
  boost::asio::awaitable<Next> RefuseHead(Refusal refusal);
  void BeginRequest();
  boost::asio::awaitable<Next> Serve();
  boost::asio::awaitable<Response> CallHandler();
  boost::asio::awaitable<bool> Send(const Response& response, bool keep);
  std::string Head(const Response& response, bool keep);
  boost::asio::awaitable<bool> SkipRestOfBody();
  boost::asio::awaitable<void> Linger();
  bool MayKeep(const Response& response) const;
  void Report(int status, std::string_view refused);

  Task<std::size_t> Read(std::span<std::uint8_t> into) override;
  Task<std::size_t> ReadLength(std::span<std::uint8_t> into);
  Task<std::size_t> ReadChunked(std::span<std::uint8_t> into);
  Task<void> SayContinue();
  std::string_view Buffered() const { return {reinterpret_cast<const char*>(buffer_.data()) + begin_, end_ - begin_}; }

  GuardedSocket socket_;
  std::unique_ptr<Stream> stream_;
  Peer peer_;
  bool tls_;
  const SessionContext& context_;
  const bool& stopping_;

  // Bytes received and not yet used: [begin_, end_) of buffer_.
  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0, end_ = 0;

  // The request being served.
  RequestHead head_;
  Request request_;
  ChunkedDecoder chunks_;
  std::uint64_t body_left_ = 0;        // of a body with a length
  bool body_failed_ = false;
  bool continue_due_ = false;
  Budget body_budget_;
  Budget write_budget_;
  std::uint64_t received_ = 0, sent_ = 0;
  Budget::Clock::time_point began_{};
  std::optional<Budget::Clock::time_point> waiting_since_;
  Time date_of_{};      // made once a second
  std::string date_;
};

}  // namespace bulwark::net
