// The client on libcurl's easy interface. Redirects are followed here, not by libcurl, because what may go along to
// another origin is a decision of ours (attacks: redirect-credential-theft).
#include "net/http_client.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "base/limits.h"
#include "base/strings.h"
#include "net/http_server.h"
#include "net/proxy.h"

namespace bulwark::net {
namespace {

constexpr int kRedirects = 5;
constexpr std::size_t kAnswerHeaderBytes = 256 << 10;

struct CurlFree {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
template <typename T>
using Owned = std::unique_ptr<T, CurlFree>;

using Clock = std::chrono::steady_clock;

// One transfer: what libcurl's callbacks fill. `error` is ours when a callback ended the transfer.
struct Transfer {
  const HttpClientRequest& request;
  HttpClientResponse response;
  std::size_t header_bytes = 0;
  std::optional<Error> error;
  std::uint64_t passed_over = 0;  // bytes before resume_at that a server sent nevertheless
  bool sinking = false;
  Destination to = {};                            // its address: of the last connection
  bool judged = false;                            // a connection that is made now, by may_connect
  std::optional<Error> forbidden = std::nullopt;  // by may_connect
  std::uint64_t sent = 0;                         // of body_source
  std::optional<Clock::time_point> answer_by = std::nullopt;

  void AwaitAnswer() {
    if (request.answer_timeout_s == 0 || answer_by) return;
    answer_by = Clock::now() + std::chrono::seconds(request.answer_timeout_s);
  }
  bool ToSink() const { return request.sink && response.status >= 200 && response.status < 300; }
};

std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kAnswerHeaderBytes) {
    transfer.error = Error{Errc::kLimit, "answer headers are larger than " + FormatBytes(kAnswerHeaderBytes)};
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // also after "100 Continue" and a proxy's answer: the last one counts
    transfer.response.headers.clear();
    const std::size_t space = line.find(' ');
    const auto status = space == line.npos ? std::nullopt : ParseUint(Trim(line.substr(space + 1).substr(0, 3)));
    transfer.response.status = status ? static_cast<int>(*status) : 0;
    if (transfer.response.status >= 200) transfer.AwaitAnswer();
  } else if (const std::size_t colon = line.find(':'); colon != line.npos) {
    transfer.response.headers.emplace_back(ToLower(line.substr(0, colon)), Trim(line.substr(colon + 1)));
  }
  return line.size();
}

bool IsOfThisMachine(std::string host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host == "localhost" || host.ends_with(".localhost") || IsLoopback(host);
}

// Leaves of `bytes` what is at or after the point that was asked for. kUnavailable: the server answers another range.
Status FromResumePoint(Transfer& transfer, std::string_view& bytes) {
  if (!transfer.request.resume_at) return {};
  if (transfer.response.status == 206) {
    const auto range = transfer.response.Header("content-range");
    const std::string wanted = "bytes " + std::to_string(*transfer.request.resume_at) + "-";
    if (range && range->starts_with(wanted)) return {};
    return {Errc::kUnavailable, "the server answers another range than it was asked for"};
  }
  const auto skip = std::min<std::uint64_t>(bytes.size(), *transfer.request.resume_at - transfer.passed_over);
  transfer.passed_over += skip;
  bytes.remove_prefix(static_cast<std::size_t>(skip));
  return {};
}

std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string_view bytes(data, size * count);
  if (transfer.ToSink()) {
    if (!std::exchange(transfer.sinking, true) && transfer.request.before_sink) {
      if (Status wanted = transfer.request.before_sink(transfer.response); !wanted.ok()) {
        transfer.error = wanted.error();
        return CURL_WRITEFUNC_ERROR;
      }
    }
    const std::size_t whole = bytes.size();
    if (Status fits = FromResumePoint(transfer, bytes); !fits.ok()) {
      transfer.error = fits.error();
      return CURL_WRITEFUNC_ERROR;
    }
    if (bytes.empty()) return whole;
    if (Status stored = transfer.request.sink(AsBytes(bytes)); !stored.ok()) {
      transfer.error = stored.error();
      return CURL_WRITEFUNC_ERROR;
    }
    return whole;
  }
  if (bytes.size() > transfer.request.limit - transfer.response.body.size()) {
    transfer.error = Error{Errc::kLimit, "answer is larger than " + FormatBytes(transfer.request.limit)};
    return CURL_WRITEFUNC_ERROR;
  }
  transfer.response.body += bytes;
  return bytes.size();
}

std::size_t OnSend(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  auto got = transfer.request.body_source->Read({reinterpret_cast<std::uint8_t*>(data), size * count});
  if (got.ok()) {
    transfer.sent += *got;
    if (*got == 0 || transfer.sent == transfer.request.body_size) transfer.AwaitAnswer();
    return *got;
  }
  transfer.error = got.error();
  return CURL_READFUNC_ABORT;
}

// Called about once a second, whatever comes or does not.
int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (!transfer.answer_by || Clock::now() < *transfer.answer_by) return 0;
  transfer.error = Error{Errc::kUnavailable,
                         "not answered within " + std::to_string(transfer.request.answer_timeout_s) + " seconds"};
  return 1;
}

std::string AddressText(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.sa_family == AF_INET)
    return ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text.data(), text.size());
  if (address.sa_family != AF_INET6) return {};
  return ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text.data(), text.size());
}

// `address` is empty for what a proxy is asked for.
bool MayConnect(Transfer& transfer, const std::string& address) {
  if (!transfer.request.may_connect) return true;
  transfer.to.address = address.find(':') == address.npos ? address : "[" + address + "]";
  transfer.judged = true;
  Status may = transfer.request.may_connect(transfer.to);
  if (!may.ok()) transfer.forbidden = may.error();
  return may.ok();
}

// libcurl resolved the name itself: what is judged here is what it connects to, whatever the name means a moment later.
curl_socket_t OnConnect(void* user, curlsocktype, curl_sockaddr* to) {
  if (!MayConnect(*static_cast<Transfer*>(user), AddressText(to->addr))) return CURL_SOCKET_BAD;
  return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

// Also of a connection that an earlier call made.
int BeforeRequest(void* user, char* address, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(user);
  return transfer.judged || MayConnect(transfer, address) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

std::string UrlPart(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

// Scheme, host and port decide what counts as the same place.
std::string Origin(CURLU* url) {
  return UrlPart(url, CURLUPART_SCHEME) + "://" + ToLower(UrlPart(url, CURLUPART_HOST)) + ":" +
         UrlPart(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

bool IsHttp(CURLU* url) {
  const std::string scheme = UrlPart(url, CURLUPART_SCHEME);
  return scheme == "http" || scheme == "https";
}

// What is for this machine does not leave it by a proxy, whatever the environment says.
std::string ProxyOf(CURLU* url) {
  const std::string host = ToLower(UrlPart(url, CURLUPART_HOST));
  return IsOfThisMachine(host) ? std::string() : ProxyFor(UrlPart(url, CURLUPART_SCHEME), host);
}

// The next hop of a redirect. Refuses other schemes, log-ins inside the URL, and leaving TLS.
Result<std::string> NextUrl(CURLU* url, std::string_view location) {
  const bool secure = UrlPart(url, CURLUPART_SCHEME) == "https";
  if (curl_url_set(url, CURLUPART_URL, std::string(location).c_str(), 0) != CURLUE_OK || !IsHttp(url))
    return Error{Errc::kUnavailable, "redirected to an address that is none"};
  if (secure && UrlPart(url, CURLUPART_SCHEME) != "https") return Error{Errc::kUnavailable, "redirected from https to http"};
  if (!UrlPart(url, CURLUPART_USER).empty()) return Error{Errc::kUnavailable, "redirected to an address with a log-in inside"};
  return UrlPart(url, CURLUPART_URL);
}

bool IsCredential(std::string_view name) {
  return EqualsIgnoreCase(name, "authorization") || EqualsIgnoreCase(name, "cookie") || EqualsIgnoreCase(name, "proxy-authorization");
}

bool IsRedirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

// One address that is asked; a redirect leads to another one.
struct Hop {
  std::string url;
  bool with_credentials = true;
  std::string first_address = {};  // of the first hop, for the others
  std::string proxy = {};          // empty: none
  std::optional<Clock::time_point> until = std::nullopt;
};

class CurlClient final : public HttpClient {
 public:
  explicit CurlClient(HttpClientOptions options) : options_(std::move(options)), handle_(curl_easy_init()) {}
  Result<HttpClientResponse> Send(const HttpClientRequest& request) override;

 private:
  Result<HttpClientResponse> Once(const HttpClientRequest& request, const Hop& hop);
  void SetConnection(const HttpClientRequest& request, const Hop& hop, Transfer& transfer);
  std::string Address() const;
  void SetMethod(const HttpClientRequest& request, Transfer& transfer);
  Owned<curl_slist> SetHeaders(const HttpClientRequest& request, bool with_credentials);

  HttpClientOptions options_;
  Owned<CURL> handle_;
  std::array<char, CURL_ERROR_SIZE> message_{};
};

Result<HttpClientResponse> CurlClient::Send(const HttpClientRequest& request) {
  if (!handle_) return Error{Errc::kUnavailable, "libcurl could not be started"};
  Owned<CURLU> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, request.url.c_str(), 0) != CURLUE_OK || !IsHttp(url.get()))
    return Error{Errc::kInvalid, "\"" + request.url + "\" is no http or https address"};
  if (!UrlPart(url.get(), CURLUPART_USER).empty()) return Error{Errc::kInvalid, "an address may not contain a log-in"};
  const std::string first_origin = Origin(url.get());
  const bool may_follow = request.follow_redirects && (request.method == "GET" || request.method == "HEAD");
  Hop hop{UrlPart(url.get(), CURLUPART_URL)};
  if (request.total_timeout_s) hop.until = Clock::now() + std::chrono::seconds(request.total_timeout_s);
  for (int hops = 0;; ++hops) {
    hop.proxy = ProxyOf(url.get());
    BW_TRY(HttpClientResponse response, Once(request, hop));
    response.url = hop.url;
    if (hops == 0) hop.first_address = std::move(response.address);
    response.address = hop.first_address;
    const auto location = response.Header("location");
    if (!may_follow || !IsRedirect(response.status) || !location) return response;
    if (hops == kRedirects) return Error{Errc::kUnavailable, "redirected more than 5 times"};
    BW_TRY(hop.url, NextUrl(url.get(), *location));
    if (request.redirects == Redirects::kTlsOrSameOrigin && UrlPart(url.get(), CURLUPART_SCHEME) != "https" && Origin(url.get()) != first_origin)
      return Error{Errc::kUnavailable, "redirected to " + Origin(url.get()) + ", which is not TLS"};
    // Once away from where they were meant for, credentials do not come back.
    if (Origin(url.get()) != first_origin) hop.with_credentials = false;
  }
}

// The one that answered.
std::string CurlClient::Address() const {
  char* address = nullptr;
  if (curl_easy_getinfo(handle_.get(), CURLINFO_PRIMARY_IP, &address) != CURLE_OK || !address) return {};
  const std::string text = address;
  return text.find(':') == text.npos ? text : "[" + text + "]";
}

Result<HttpClientResponse> CurlClient::Once(const HttpClientRequest& request, const Hop& hop) {
  Transfer transfer{request, {}, 0, std::nullopt, 0, false};
  transfer.to = {hop.url, "", hop.first_address};
  if (!hop.proxy.empty() && !MayConnect(transfer, "")) return *std::move(transfer.forbidden);
  curl_easy_reset(handle_.get());  // keeps the connections
  SetConnection(request, hop, transfer);
  SetMethod(request, transfer);
  const Owned<curl_slist> headers = SetHeaders(request, hop.with_credentials);
  curl_easy_setopt(handle_.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle_.get(), CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(handle_.get(), CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle_.get(), CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(handle_.get(), CURLOPT_WRITEDATA, &transfer);
  const std::string range = request.resume_at ? std::to_string(*request.resume_at) + "-" : "";
  if (request.resume_at) curl_easy_setopt(handle_.get(), CURLOPT_RANGE, range.c_str());
  const CURLcode code = curl_easy_perform(handle_.get());
  if (transfer.error) return *std::move(transfer.error);
  if (code == CURLE_OK) {
    if (hop.proxy.empty()) transfer.response.address = Address();
    return std::move(transfer.response);
  }
  const bool not_asked = code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK;
  if (transfer.forbidden && not_asked) return *std::move(transfer.forbidden);
  const bool invalid = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
  // Without the query: signed addresses hold secrets.
  const std::string& url = hop.url;
  return Error{invalid ? Errc::kInvalid : Errc::kUnavailable,
               url.substr(0, url.find('?')) + (url.find('?') == url.npos ? "" : "?") + ": " + (message_[0] ? message_.data() : curl_easy_strerror(code))};
}

void CurlClient::SetConnection(const HttpClientRequest& request, const Hop& hop, Transfer& transfer) {
  CURL* h = handle_.get();
  message_[0] = 0;
  curl_easy_setopt(h, CURLOPT_ERRORBUFFER, message_.data());
  curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options_.connect_timeout_s));
  curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(options_.minimum_rate));
  curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options_.stall_timeout_s));
  curl_easy_setopt(h, CURLOPT_TIMEOUT, static_cast<long>(options_.total_timeout_s));
  if (hop.until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*hop.until - Clock::now()).count();
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(left, 1)));  // 0 means none
  }
  curl_easy_setopt(h, CURLOPT_USERAGENT, options_.user_agent.empty() ? "bulwark/" BW_VERSION : options_.user_agent.c_str());
  curl_easy_setopt(h, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, options_.verify_tls ? 1L : 0L);
  curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, options_.verify_tls ? 2L : 0L);
  // Beside the folder of the system's anchors, which stays.
  if (!options_.ca_file.empty()) curl_easy_setopt(h, CURLOPT_CAINFO, options_.ca_file.c_str());
  curl_easy_setopt(h, CURLOPT_URL, hop.url.c_str());
  curl_easy_setopt(h, CURLOPT_PROXY, hop.proxy.c_str());
  curl_easy_setopt(h, CURLOPT_NOPROXY, "");  // was decided
  if (!request.may_connect || !hop.proxy.empty()) return;
  curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, OnConnect);
  curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, BeforeRequest);
  curl_easy_setopt(h, CURLOPT_PREREQDATA, &transfer);
}

void CurlClient::SetMethod(const HttpClientRequest& request, Transfer& transfer) {
  CURL* h = handle_.get();
  if (request.answer_timeout_s) {
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, OnProgress);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, &transfer);
  }
  if (request.method == "HEAD") {
    curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    return;
  }
  if (request.body_source) {
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, OnSend);
    curl_easy_setopt(h, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, request.body_size ? static_cast<curl_off_t>(*request.body_size) : curl_off_t{-1});
    curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, request.body.data());  // outlives the transfer
  }
  curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

Owned<curl_slist> CurlClient::SetHeaders(const HttpClientRequest& request, bool with_credentials) {
  curl_slist* list = nullptr;
  bool has_type = false;
  for (const auto& [name, value] : request.headers) {
    if (!with_credentials && IsCredential(name)) continue;
    has_type |= EqualsIgnoreCase(name, "content-type");
    // libcurl leaves out "Name:" and wants "Name;" for an empty value.
    const std::string line = value.empty() ? name + ";" : name + ": " + value;
    list = curl_slist_append(list, line.c_str());
  }
  if (!has_type) list = curl_slist_append(list, "Content-Type:");  // no form type that nobody asked for
  return Owned<curl_slist>(list);
}

}  // namespace

std::optional<std::string_view> HttpClientResponse::Header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_case_name) return value;
  return std::nullopt;
}

std::unique_ptr<HttpClient> MakeHttpClient(const HttpClientOptions& options) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  return std::make_unique<CurlClient>(options);
}

}  // namespace bulwark::net
