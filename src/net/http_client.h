#pragma once
// A blocking HTTP client on libcurl, for the command line, other registries and feeds. Strict by default: TLS verified,
// http(s) only, at most 5 redirects, credentials dropped on any change of origin (attacks: redirect-credential-theft).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/result.h"
#include "net/http_message.h"

namespace bulwark::net {

struct HttpClientResponse;

// Where a redirect may lead. TLS is never left for clear text; kTlsOrSameOrigin also keeps what began in clear text from
// going on in clear text elsewhere.
enum class Redirects : std::uint8_t { kAnywhere, kTlsOrSameOrigin };

// An address that is about to be asked.
struct Destination {
  std::string url;            // of the call, or where a redirect leads
  std::string address;        // "192.0.2.1", "[2001:db8::1]"; empty: a proxy is asked for it
  std::string first_address;  // where a redirect leads: of the host that was asked first; empty behind a proxy
};

struct HttpClientRequest {
  std::string method = "GET";
  std::string url;
  HeaderList headers;
  std::string body;                                   // or:
  ByteSource* body_source = nullptr;                  // streamed; outlives the call
  std::optional<std::uint64_t> body_size;             // of body_source; nullopt: chunked
  std::uint64_t limit = 16 << 20;                     // most bytes of an answer kept in `body`
  std::function<Status(ByteSpan)> sink;               // gets a 2xx answer's body instead of `body`; an error stops the transfer
  // Called before the first byte goes to `sink`, with status and headers; an error stops the transfer.
  std::function<Status(const HttpClientResponse&)> before_sink;
  std::optional<std::uint64_t> resume_at;             // Range: bytes=N-; of a server that sends all (200) the sink gets bytes from N on
  bool follow_redirects = true;                       // GET and HEAD only
  Redirects redirects = Redirects::kAnywhere;
  std::uint32_t total_timeout_s = 0;                  // of the call, redirects included; 0: as the client's options say
  // Asked before each connection and each proxy's request, of every hop, and for a kept connection before it is used again. An error
  // forbids it, and is the call's if no other address answers.
  std::function<Status(const Destination&)> may_connect;
  // For the answer, from the last byte of body_source or the first one of the answer; 0: none.
  std::uint32_t answer_timeout_s = 0;
};

struct HttpClientResponse {
  int status = 0;
  HeaderList headers;       // names in lower case, of the last answer
  std::string body;
  std::string url;          // after redirects
  std::string address = {}; // of the host that was asked first, as in may_connect; empty behind a proxy
  std::optional<std::string_view> Header(std::string_view lower_case_name) const;
};

struct HttpClientOptions {
  std::string ca_file;               // additional trust anchor, PEM
  bool verify_tls = true;
  std::string user_agent;
  std::uint32_t connect_timeout_s = 10;
  std::uint32_t stall_timeout_s = 60;
  std::uint32_t minimum_rate = limits::kMinimumBodyRate;  // bytes a second; less over all of stall_timeout_s is a stall
  std::uint32_t total_timeout_s = 0;     // of one request, redirects apart; 0: none
};

// One thread at a time; keeps connections alive between calls.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // kUnavailable (no connection, time-out, TLS), kLimit, kInvalid (bad URL), or the sink's error. An HTTP status is no error.
  virtual Result<HttpClientResponse> Send(const HttpClientRequest& request) = 0;
};
std::unique_ptr<HttpClient> MakeHttpClient(const HttpClientOptions& options = {});

}  // namespace bulwark::net
