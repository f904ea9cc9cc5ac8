#pragma once
// The bytes of one connection, plain or TLS, with a limit on how long it may wait. Internal to net/: Asio stays here.

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "base/thread_pool.h"
#include "net/http_message.h"
#include "net/task.h"
#include "net/tls.h"

namespace bulwark::net {

// How long a direction may still wait for its peer. Only waiting counts: a handler that takes its time costs the peer
// nothing. Progress earns time, so that what is left is a least rate (attacks: slow-and-expect).
class Budget {
 public:
  using Clock = std::chrono::steady_clock;
  // `allowed` in all, never more than `stall` at once.
  Budget(Clock::duration allowed, Clock::duration stall) : left_(allowed), stall_(stall) {}
  static Budget Fixed(Clock::duration allowed) { return Budget(allowed, allowed); }
  Clock::duration Next() const { return left_ < stall_ ? left_ : stall_; }
  void Spend(Clock::duration waited) { left_ -= waited; }
  void Earn(std::uint64_t bytes);  // at limits::kMinimumBodyRate

 private:
  Clock::duration left_;
  Clock::duration stall_;
};

// A socket whose waits end by themselves when the budget does. One coroutine at a time; thread of its event loop only.
class GuardedSocket {
 public:
  explicit GuardedSocket(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  Task<void> WaitReadable(Budget& budget) { return Wait(boost::asio::ip::tcp::socket::wait_read, budget); }
  Task<void> WaitWritable(Budget& budget) { return Wait(boost::asio::ip::tcp::socket::wait_write, budget); }
  Task<std::size_t> ReadSome(std::span<std::uint8_t> into, Budget& budget);  // 0 is the end
  Task<void> Yield();  // lets the other connections of this thread go first

  int fd() { return socket_.native_handle(); }
  bool overdue(Budget::Clock::time_point now) const { return now >= deadline_; }
  bool timed_out() const { return timed_out_; }
  void TimeOut() { timed_out_ = true; Cancel(); }  // the sweeper's; every operation fails until Revive
  void Revive() { timed_out_ = false; }            // to tell the peer about it
  void Cut();                                      // now and for every later operation
  bool cut() const { return cut_; }
  void ShutdownSend();

 private:
  Task<void> Wait(boost::asio::ip::tcp::socket::wait_type what, Budget& budget);
  Status BeginWait(const Budget& budget);
  Status EndWait(Budget& budget, const boost::system::error_code& error);
  void Cancel();

  boost::asio::ip::tcp::socket socket_;
  Budget::Clock::time_point deadline_ = Budget::Clock::time_point::max();
  Budget::Clock::time_point began_{};
  bool timed_out_ = false;
  bool cut_ = false;
};

// Errors are kCancelled: the peer is gone, too slow, or the server stops.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual Task<void> Handshake(Budget& budget) = 0;
  virtual Task<std::size_t> Read(std::span<std::uint8_t> into, Budget& budget) = 0;  // 0 is the end
  // All of both, in order. Returns the bytes of `body` that went out; fewer than all only with the connection lost.
  virtual Task<void> Write(std::string_view head, std::string_view body, Budget& budget) = 0;
  // `pool` reads what has no descriptor. `sent` counts as it goes, also when it fails.
  virtual Task<void> WriteFile(std::string_view head, const FileBody& file, ThreadPool* pool, Budget& budget, std::uint64_t& sent) = 0;
  virtual void End() = 0;  // says that no more will be written
};
std::unique_ptr<Stream> MakePlainStream(GuardedSocket& socket);
std::unique_ptr<Stream> MakeTlsStream(GuardedSocket& socket, TlsSession session);

}  // namespace bulwark::net
