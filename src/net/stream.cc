#include "net/stream.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"

namespace bulwark::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kSendfileSlice = 1 << 20;  // then other connections of the thread get their turn
constexpr std::size_t kReadSlice = 256 << 10;

Error Gone(std::string_view what) { return Error{Errc::kCancelled, std::string(what)}; }

ByteSpan Bytes(std::string_view text) { return AsBytes(text); }

// Reads a slice of a body that the kernel cannot send by itself.
Task<void> ReadSlice(const FileBody& file, std::uint64_t offset, std::span<std::uint8_t> into, ThreadPool* pool) {
  if (file.fd >= 0 || !pool) co_return file.source->ReadAt(offset, into);
  std::function<Status()> read = [&file, offset, into] { return file.source->ReadAt(offset, into); };
  co_return co_await RunBlocking(*pool, std::move(read));
}

class PlainStream final : public Stream {
 public:
  explicit PlainStream(GuardedSocket& socket) : socket_(socket) {}

  Task<void> Handshake(Budget&) override { co_return Status(); }
  Task<std::size_t> Read(std::span<std::uint8_t> into, Budget& budget) override { return socket_.ReadSome(into, budget); }

  Task<void> Write(std::string_view head, std::string_view body, Budget& budget) override {
    ByteSpan parts[2] = {Bytes(head), Bytes(body)};
    return Send(parts[0], parts[1], 0, budget);
  }

  Task<void> WriteFile(std::string_view head, const FileBody& file, ThreadPool* pool, Budget& budget, std::uint64_t& sent) override {
    BW_CO_CHECK(co_await Send(Bytes(head), {}, file.length > 0 ? MSG_MORE : 0, budget));
    if (file.fd < 0) co_return co_await Copy(file, pool, budget, sent);
    while (sent < file.length) {
      auto offset = static_cast<off_t>(file.offset + sent);
      const ssize_t n = ::sendfile(socket_.fd(), file.fd, &offset, std::min<std::uint64_t>(file.length - sent, kSendfileSlice));
      if (n > 0) {
        sent += static_cast<std::uint64_t>(n);
        budget.Earn(static_cast<std::uint64_t>(n));
        BW_CO_CHECK(co_await socket_.Yield());
      } else if (n == 0) {
        co_return Error{Errc::kCorrupt, "file ends before its length"};
      } else if (errno == EAGAIN) {
        BW_CO_CHECK(co_await socket_.WaitWritable(budget));
      } else if (errno != EINTR) {
        co_return Gone("connection lost while sending");
      }
    }
    co_return Status();
  }

  void End() override { socket_.ShutdownSend(); }

 private:
  Task<void> Send(ByteSpan first, ByteSpan second, int flags, Budget& budget) {
    while (!first.empty() || !second.empty()) {
      iovec parts[2] = {{const_cast<std::uint8_t*>(first.data()), first.size()},
                        {const_cast<std::uint8_t*>(second.data()), second.size()}};
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      const ssize_t n = ::sendmsg(socket_.fd(), &message, MSG_NOSIGNAL | flags);
      if (n >= 0) {
        const std::size_t of_first = std::min(first.size(), static_cast<std::size_t>(n));
        first = first.subspan(of_first);
        second = second.subspan(static_cast<std::size_t>(n) - of_first);
        budget.Earn(static_cast<std::uint64_t>(n));
      } else if (errno == EAGAIN) {
        BW_CO_CHECK(co_await socket_.WaitWritable(budget));
      } else if (errno != EINTR) {
        co_return Gone("connection lost while sending");
      }
    }
    co_return Status();
  }

  Task<void> Copy(const FileBody& file, ThreadPool* pool, Budget& budget, std::uint64_t& sent) {
    std::vector<std::uint8_t> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(file.length, kReadSlice)));
    while (sent < file.length) {
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(file.length - sent, buffer.size()));
      std::span<std::uint8_t> slice(buffer.data(), n);
      BW_CO_CHECK(co_await ReadSlice(file, file.offset + sent, slice, pool));
      BW_CO_CHECK(co_await Send(slice, {}, 0, budget));
      sent += n;
      BW_CO_CHECK(co_await socket_.Yield());
    }
    co_return Status();
  }

  GuardedSocket& socket_;
};

// OpenSSL on the socket itself: no memory BIO to copy through, and ready for kTLS where a kernel has it.
class TlsStream final : public Stream {
 public:
  TlsStream(GuardedSocket& socket, TlsSession session) : socket_(socket), session_(std::move(session)) {}

  Task<void> Handshake(Budget& budget) override {
    for (;;) {
      ERR_clear_error();
      const int n = SSL_do_handshake(session_.get());
      if (n == 1) break;
      BW_CO_CHECK(co_await WaitFor(SSL_get_error(session_.get(), n), budget));
    }
    usable_ = true;
    co_return Status();
  }

  Task<std::size_t> Read(std::span<std::uint8_t> into, Budget& budget) override {
    for (;;) {
      ERR_clear_error();
      std::size_t n = 0;
      if (SSL_read_ex(session_.get(), into.data(), into.size(), &n) == 1) co_return n;
      const int reason = SSL_get_error(session_.get(), 0);
      if (reason == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
      BW_CO_CHECK(co_await WaitFor(reason, budget));
    }
  }

  Task<void> Write(std::string_view head, std::string_view body, Budget& budget) override {
    if (body.size() > kJoin) {
      BW_CO_CHECK(co_await Send(Bytes(head), budget));
      co_return co_await Send(Bytes(body), budget);
    }
    std::string joined(head);  // one record, one packet
    joined += body;
    co_return co_await Send(Bytes(joined), budget);
  }

  Task<void> WriteFile(std::string_view head, const FileBody& file, ThreadPool* pool, Budget& budget, std::uint64_t& sent) override {
    BW_CO_CHECK(co_await Send(Bytes(head), budget));
    std::vector<std::uint8_t> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(file.length, kReadSlice)));
    while (sent < file.length) {
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(file.length - sent, buffer.size()));
      std::span<std::uint8_t> slice(buffer.data(), n);
      BW_CO_CHECK(co_await ReadSlice(file, file.offset + sent, slice, pool));
      BW_CO_CHECK(co_await Send(slice, budget));
      sent += n;
      BW_CO_CHECK(co_await socket_.Yield());
    }
    co_return Status();
  }

  void End() override {
    ERR_clear_error();
    if (usable_) SSL_shutdown(session_.get());  // close_notify, once and without waiting for the other one
    socket_.ShutdownSend();
  }

 private:
  static constexpr std::size_t kJoin = 16 << 10;

  Task<void> Send(ByteSpan bytes, Budget& budget) {
    while (!bytes.empty()) {
      ERR_clear_error();
      std::size_t n = 0;
      if (SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &n) == 1) {
        bytes = bytes.subspan(n);
        budget.Earn(n);
        continue;
      }
      BW_CO_CHECK(co_await WaitFor(SSL_get_error(session_.get(), 0), budget));
    }
    co_return Status();
  }

  Task<void> WaitFor(int reason, Budget& budget) {
    if (reason == SSL_ERROR_WANT_READ) co_return co_await socket_.WaitReadable(budget);
    if (reason == SSL_ERROR_WANT_WRITE) co_return co_await socket_.WaitWritable(budget);
    ERR_clear_error();
    usable_ = false;  // SSL_shutdown must not be called after a fatal error
    co_return Gone("TLS connection lost");
  }

  GuardedSocket& socket_;
  TlsSession session_;
  bool usable_ = false;
};

}  // namespace

void Budget::Earn(std::uint64_t bytes) {
  constexpr std::uint64_t kEnough = limits::kMinimumBodyRate * 86'400;
  left_ += std::chrono::milliseconds(std::min(bytes, kEnough) * 1000 / limits::kMinimumBodyRate);
  left_ = std::min<Clock::duration>(left_, std::chrono::hours(24));
}

Status GuardedSocket::BeginWait(const Budget& budget) {
  if (cut_ || timed_out_) return Gone("connection ended by the server");
  began_ = Budget::Clock::now();
  deadline_ = began_ + std::max(budget.Next(), Budget::Clock::duration::zero());
  return Status();
}

Status GuardedSocket::EndWait(Budget& budget, const boost::system::error_code& error) {
  deadline_ = Budget::Clock::time_point::max();
  budget.Spend(Budget::Clock::now() - began_);
  if (cut_) return Gone("connection ended by the server");
  if (timed_out_) return Gone("the client was too slow");
  if (error && error != asio::error::eof) return Gone("connection lost");
  return Status();
}

Task<void> GuardedSocket::Wait(asio::ip::tcp::socket::wait_type what, Budget& budget) {
  BW_CO_CHECK(BeginWait(budget));
  boost::system::error_code error;
  co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
  co_return EndWait(budget, error);
}

Task<std::size_t> GuardedSocket::ReadSome(std::span<std::uint8_t> into, Budget& budget) {
  BW_CO_CHECK(BeginWait(budget));
  boost::system::error_code error;
  const asio::mutable_buffer buffer(into.data(), into.size());
  const std::size_t n = co_await socket_.async_read_some(buffer, asio::redirect_error(asio::use_awaitable, error));
  BW_CO_CHECK(EndWait(budget, error));
  co_return n;
}

Task<void> GuardedSocket::Yield() {
  auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
  if (cut_) co_return Gone("connection ended by the server");
  co_return Status();
}

void GuardedSocket::Cut() {
  cut_ = true;
  Cancel();
}

void GuardedSocket::Cancel() {
  deadline_ = Budget::Clock::time_point::max();
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void GuardedSocket::ShutdownSend() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

std::unique_ptr<Stream> MakePlainStream(GuardedSocket& socket) { return std::make_unique<PlainStream>(socket); }

std::unique_ptr<Stream> MakeTlsStream(GuardedSocket& socket, TlsSession session) {
  return std::make_unique<TlsStream>(socket, std::move(session));
}

}  // namespace bulwark::net
