#include <algorithm>
#include <chrono>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "net/http_server.h"

namespace bulwark::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kPieceBytes = 512 << 10;

// One piece at a time on the pool; the coroutine waits for it when it has the next one.
class SinkJob {
 public:
  SinkJob(ThreadPool& pool, asio::any_io_executor executor, const std::function<Status(ByteSpan)>& sink)
      : pool_(pool), executor_(std::move(executor)), sink_(sink), finished_(executor_) {}

  // `bytes` stay as they are until Wait returned.
  void Start(ByteSpan bytes) {
    running_ = true;
    finished_.expires_at(std::chrono::steady_clock::time_point::max());
    pool_.Post([this, bytes] {
      status_ = Call(bytes);
      asio::post(executor_, [this] {
        running_ = false;
        finished_.cancel();
      });
    });
  }

  Task<void> Wait() {
    boost::system::error_code cancelled;
    while (running_) co_await finished_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    co_return status_;
  }

 private:
  Status Call(ByteSpan bytes) const {
    try {
      return sink_(bytes);
    } catch (const std::exception& e) {
      LogError(std::string("receiving a body ended by an exception: ") + e.what());
      return {Errc::kInternal, "internal error"};
    }
  }

  ThreadPool& pool_;
  asio::any_io_executor executor_;
  const std::function<Status(ByteSpan)>& sink_;
  asio::steady_timer finished_;
  bool running_ = false;  // of the coroutine's thread
  Status status_;         // written by the pool while running_
};

// Fills the buffer as far as the body goes. Sets `read` also when it fails.
Task<void> FillPiece(Request& request, std::span<std::uint8_t> buffer, std::size_t& read) {
  read = 0;
  while (read < buffer.size()) {
    auto got = co_await request.ReadBody(buffer.subspan(read));
    if (!got.ok()) co_return std::move(got).error();
    if (*got == 0) break;
    read += *got;
  }
  co_return Status();
}

}  // namespace

Task<std::uint64_t> PumpBody(Request& request, ThreadPool& pool, std::uint64_t limit, std::function<Status(ByteSpan)> sink) {
  const Error too_long{Errc::kRange, "the body is longer than its range"};
  if (request.content_length && *request.content_length > limit) co_return too_long;
  const std::size_t piece = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(request.content_length.value_or(kPieceBytes), 1, kPieceBytes));
  auto executor = co_await asio::this_coro::executor;
  SinkJob job(pool, executor, sink);
  std::vector<std::uint8_t> filling(piece), draining;
  std::uint64_t total = 0;
  for (;;) {
    std::size_t read = 0;
    auto received = co_await FillPiece(request, filling, read);
    // The job is over before this frame, whose buffers it reads, may end.
    auto drained = co_await job.Wait();
    if (!drained.ok()) co_return std::move(drained).error();
    if (read > limit - total) co_return too_long;
    total += read;
    if (read > 0) {
      std::swap(filling, draining);
      job.Start(ByteSpan(draining).first(read));
      if (filling.empty()) filling.resize(piece);
    }
    if (received.ok() && read == piece) continue;
    drained = co_await job.Wait();
    if (!drained.ok()) co_return std::move(drained).error();
    if (!received.ok()) co_return std::move(received).error();
    co_return total;
  }
}

}  // namespace bulwark::net
