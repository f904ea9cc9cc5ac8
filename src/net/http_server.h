#pragma once
// The HTTP/1.1 server: one thread and one event loop per core on shared ports (SO_REUSEPORT), a coroutine per
// connection, framing checked by net/framing.h before a request is believed (docs/adr/0002-http-framing.md).

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/result.h"
#include "base/thread_pool.h"
#include "net/http_message.h"
#include "net/task.h"

namespace bulwark::net {

class BodyReader {
 public:
  virtual ~BodyReader() = default;
  virtual Task<std::size_t> Read(std::span<std::uint8_t> into) = 0;
};

// One request; lives until its answer was sent. Used on the connection's thread only, except that const members may be
// read inside RunBlocking.
struct Request {
  Method method = Method::kOther;
  std::string method_text;
  std::string target;                // as received, at most limits::kTargetBytes
  Path path;
  std::string_view raw_path;         // of target
  std::string_view raw_query;
  Headers headers;
  std::string peer;                  // address of the socket's other end, "10.1.2.3"; never from a header
  std::string local;                 // address of our end
  std::uint16_t local_port = 0;
  bool tls = false;
  std::optional<std::uint64_t> content_length;  // nullopt: chunked, or no body
  bool has_body = false;                        // announced, perhaps of length 0
  BodyReader* body = nullptr;

  // The handler's own, for on_exchange: which route it was, who asked.
  std::uint32_t route = 0;
  std::string who, id;

  // Fills a prefix of `into`; 0 is the end. The first call answers "Expect: 100-continue". kInvalid: broken chunks;
  // kCancelled: the client went away, or sent too slowly. After an error the connection ends with the answer.
  Task<std::size_t> ReadBody(std::span<std::uint8_t> into) { return body->Read(into); }
};

// Hands the body on to `sink`, which may block: on the pool, a large piece at a time, while the next piece is being
// received. What arrived is handed on also when the client goes away. kRange for a body of more than `limit` bytes; the
// piece that crosses it is not handed on. Returns how many bytes there were.
Task<std::uint64_t> PumpBody(Request& request, ThreadPool& pool, std::uint64_t limit, std::function<Status(ByteSpan)> sink);

// The whole body; kLimit if it is larger than `limit` (announced sizes are refused before a byte is read).
Task<std::string> ReadWholeBody(Request& request, std::uint64_t limit);

// Answers every request, refusals included; must not throw (a throw is logged and answered by a bare 500).
using HttpHandler = std::function<boost::asio::awaitable<Response>(Request&)>;

// What happened, told after the answer was sent or given up. `pattern` and so on are the handler's business.
struct Exchange {
  const Request* request = nullptr;  // nullptr: the head was refused
  int status = 0;
  std::uint64_t received = 0;        // body bytes
  std::uint64_t sent = 0;            // body bytes
  std::chrono::microseconds took{};
  std::string_view peer;
  std::string_view refused;          // why the head was refused
};

struct Endpoint {
  std::string address;    // "127.0.0.1", "::"
  std::uint16_t port = 0; // 0: any free one
  bool tls = false;
};
// "127.0.0.1:5000", "[::1]:5000", "localhost:5000" (127.0.0.1), ":5000" (every address). kInvalid.
Result<Endpoint> ParseEndpoint(std::string_view text);
bool IsLoopback(std::string_view address);

struct TlsFiles {
  std::string certificate;  // PEM chain
  std::string key;          // PEM
  bool only_tls13 = false;  // else 1.2 as well
  bool operator==(const TlsFiles&) const = default;
};

struct HttpServerOptions {
  std::vector<Endpoint> listen;
  std::optional<TlsFiles> tls;           // needed by endpoints that want it
  unsigned threads = 0;                  // 0: one per core
  ThreadPool* pool = nullptr;            // for bodies without a file descriptor; outlives the server
  std::size_t connections = 10'000;      // in all; when full, the longest-waiting connection without a request goes
  std::chrono::milliseconds header_timeout{0};  // 0: limits::kHeaderTimeout
  std::chrono::milliseconds idle_timeout{0};    // 0: limits::kIdleTimeout
  std::function<void(const Exchange&)> on_exchange;  // any of the threads; must not block
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;                       // stops at once
  virtual const std::vector<Endpoint>& endpoints() const = 0;  // with the real ports
  virtual Status ReloadTls() = 0;                        // reads the files again; the old ones stay on error
  virtual std::size_t connections() const = 0;
  // No new connections; running requests may end within `grace`, then `give_up` is called once (it must end what handlers
  // still wait for), and connections are cut. Joins the threads.
  virtual void Stop(std::chrono::milliseconds grace, const std::function<void()>& give_up) = 0;
  void Stop(std::chrono::milliseconds grace) { Stop(grace, [] {}); }
};

// Listens and serves until Stop. kInvalid (address, certificate), kUnavailable (port taken), kIo. SIGPIPE is ignored from here on.
Result<std::unique_ptr<HttpServer>> StartHttpServer(HttpServerOptions options, HttpHandler handler);

}  // namespace bulwark::net
