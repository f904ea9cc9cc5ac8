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
#include "base/result.h"
#include "net/http_message.h"

namespace bulwark::net {

struct HttpClientRequest {
  std::string method = "GET";
  std::string url;
  HeaderList headers;
  std::string body;                                   // or:
  ByteSource* body_source = nullptr;                  // streamed; outlives the call
  std::optional<std::uint64_t> body_size;             // of body_source; nullopt: chunked
  std::uint64_t limit = 16 << 20;                     // most bytes of an answer kept in `body`
  std::function<Status(ByteSpan)> sink;               // gets a 2xx answer's body instead of `body`; an error stops the transfer
  std::optional<std::uint64_t> resume_at;             // Range: bytes=N-; of a server that sends all (200) the sink gets bytes from N on
  bool follow_redirects = true;                       // GET and HEAD only
};

struct HttpClientResponse {
  int status = 0;
  HeaderList headers;       // names in lower case, of the last answer
  std::string body;
  std::string url;          // after redirects
  std::optional<std::string_view> Header(std::string_view lower_case_name) const;
};

struct HttpClientOptions {
  std::string ca_file;               // additional trust anchor, PEM
  bool verify_tls = true;
  std::string user_agent;
  std::uint32_t connect_timeout_s = 10;
  std::uint32_t stall_timeout_s = 60;
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
