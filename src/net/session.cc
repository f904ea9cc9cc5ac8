#include "net/session.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

namespace bulwark::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBufferBytes = 8 << 10;          // grows to what a head may have, and for chunked bodies
constexpr std::size_t kChunkedBufferBytes = 64 << 10;
constexpr std::uint64_t kSkippedBodyBytes = 64 << 10;  // an unread body up to this does not cost the connection
constexpr std::uint64_t kLingerBytes = 64 << 20;
constexpr std::chrono::seconds kLingerTime{3};

bool HasNoBody(int status) { return status < 200 || status == 204 || status == 304; }

// "Tue, 24 Nov 2026 05:33:06 GMT" (RFC 9110 section 5.6.7).
std::string HttpDate(Time now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const std::time_t t = seconds.time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&t, &parts);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char text[40];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday], parts.tm_mday,
                kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return text;
}

// A header that would break the framing of the answer is a bug of ours; it must not become an attack.
void AppendField(std::string& out, std::string_view name, std::string_view value) {
  if (!IsToken(name) || !IsFieldValue(value)) {
    LogError("dropped a response header that is none: " + Printable(name, 100));
    return;
  }
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

Session::Session(asio::ip::tcp::socket socket, Peer peer, TlsSession tls, const SessionContext& context, const bool& stopping)
    : socket_(std::move(socket)),
      peer_(std::move(peer)),
      tls_(tls != nullptr),
      context_(context),
      stopping_(stopping),
      body_budget_(context.idle_timeout, context.idle_timeout),
      write_budget_(context.idle_timeout, context.idle_timeout) {
  stream_ = tls_ ? MakeTlsStream(socket_, std::move(tls)) : MakePlainStream(socket_);
}

asio::awaitable<void> Session::Run() {
  Budget handshake = Budget::Fixed(context_.header_timeout);
  waiting_since_ = Budget::Clock::now();
  auto shaken = co_await stream_->Handshake(handshake);
  if (!shaken.ok()) co_return;
  Next next = Next::kRequest;
  while (next == Next::kRequest) {
    next = co_await ReceiveHead();
    if (next == Next::kRequest) next = co_await Serve();
  }
  stream_->End();
  if (next == Next::kLinger) co_await Linger();
}

// Waits at most the idle time for the first byte, then at most the header time for the rest.
asio::awaitable<Session::Next> Session::ReceiveHead() {
  HeadScanner scanner;
  Budget budget = Budget::Fixed(begin_ == end_ ? context_.idle_timeout : context_.header_timeout);
  waiting_since_ = Budget::Clock::now();
  for (bool any = begin_ != end_;;) {
    const auto state = scanner.Scan(Buffered());
    if (state == HeadScanner::State::kRefused) co_return co_await RefuseHead(scanner.refusal());
    if (state == HeadScanner::State::kComplete) break;
    if (stopping_ && !any) co_return Next::kClose;
    auto got = co_await Fill(kBufferBytes, budget);
    if (!got.ok() && any && socket_.timed_out()) co_return co_await RefuseHead({408, "head took too long"});
    if (!got.ok() || *got == 0) co_return Next::kClose;
    if (!any) budget = Budget::Fixed(context_.header_timeout);
    any = true;
  }
  waiting_since_.reset();
  if (auto refusal = ParseRequestHead(Buffered().substr(0, scanner.length()), head_)) co_return co_await RefuseHead(*refusal);
  begin_ += scanner.length();
  co_return Next::kRequest;
}

// Receives into the buffer, of which at least half of `room` is made free.
Task<std::size_t> Session::Fill(std::size_t room, Budget& budget) {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < room / 2) buffer_.resize(end_ + room);
  const std::span<std::uint8_t> free(buffer_.data() + end_, buffer_.size() - end_);
  auto got = co_await stream_->Read(free, budget);
  if (got.ok()) end_ += *got;
  co_return got;
}

asio::awaitable<Session::Next> Session::RefuseHead(Refusal refusal) {
  waiting_since_.reset();
  began_ = Budget::Clock::now();
  request_ = Request{};
  received_ = sent_ = 0;
  write_budget_ = Budget::Fixed(context_.header_timeout);
  Response response = Response::Text(refusal.status, std::string(refusal.why) + "\n");
  // Whatever stands behind this head was never a request: it is not looked at again.
  begin_ = end_ = 0;
  co_await Send(response, false);
  Report(refusal.status, refusal.why);
  co_return refusal.status == 408 ? Next::kClose : Next::kLinger;
}

void Session::BeginRequest() {
  began_ = Budget::Clock::now();
  received_ = sent_ = 0;
  chunks_ = ChunkedDecoder();
  body_left_ = head_.framing == BodyFraming::kLength ? head_.content_length : 0;
  body_failed_ = false;
  continue_due_ = head_.expect_continue;
  body_budget_ = Budget(context_.idle_timeout, context_.idle_timeout);
  write_budget_ = Budget(context_.idle_timeout, context_.idle_timeout);
  request_ = Request{};
  request_.method = ParseMethod(head_.method);
  request_.method_text = std::move(head_.method);
  request_.target = std::move(head_.target);
  const std::string_view target = request_.target;
  const std::size_t question = target.find('?');
  request_.raw_path = target.substr(0, question);
  request_.raw_query = question == target.npos ? std::string_view() : target.substr(question + 1);
  request_.path = ParsePath(request_.raw_path);
  request_.headers = std::move(head_.headers);
  request_.peer = peer_.remote;
  request_.local = peer_.local;
  request_.local_port = peer_.local_port;
  request_.tls = tls_;
  request_.has_body = head_.framing != BodyFraming::kNone;
  if (head_.framing == BodyFraming::kLength) request_.content_length = head_.content_length;
  request_.body = this;
}

asio::awaitable<Session::Next> Session::Serve() {
  BeginRequest();
  Response response = co_await CallHandler();
  if (body_failed_ && socket_.timed_out()) response = Response::Text(408, "the body came too slowly\n");
  const bool keep = MayKeep(response);
  const bool complete = co_await Send(response, keep);
  Report(response.status, {});
  if (!complete) co_return Next::kClose;
  if (!keep) co_return Next::kLinger;
  const bool skipped = co_await SkipRestOfBody();
  if (buffer_.size() > limits::kHeaderBytes && begin_ == end_) {
    buffer_ = std::vector<std::uint8_t>();  // an idle connection does not hold a body's buffer
    begin_ = end_ = 0;
  }
  co_return skipped ? Next::kRequest : Next::kClose;
}

asio::awaitable<Response> Session::CallHandler() {
  try {
    co_return co_await context_.handler(request_);
  } catch (const std::exception& e) {
    LogError(std::string("request handler ended by an exception: ") + e.what());
  }
  Response response = Response::Text(500, "internal error\n");
  response.close = true;
  co_return response;
}

// Whether the next request's first byte can be found for sure.
bool Session::MayKeep(const Response& response) const {
  if (!head_.keep_alive || response.close || stopping_ || body_failed_) return false;
  if (head_.framing == BodyFraming::kChunked) return chunks_.done();
  // A client that waits for leave may send its body after a refusal, or not.
  return body_left_ == 0 || (!continue_due_ && body_left_ <= kSkippedBodyBytes);
}

asio::awaitable<bool> Session::Send(const Response& response, bool keep) {
  socket_.Revive();
  const std::string head = Head(response, keep);
  const bool no_body = request_.method == Method::kHead || HasNoBody(response.status);
  std::string_view text;
  if (const auto* own = std::get_if<std::string>(&response.body)) text = *own;
  if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&response.body)) text = **shared;
  Status done;
  if (const auto* file = std::get_if<FileBody>(&response.body); file && !no_body) {
    done = co_await stream_->WriteFile(head, *file, context_.pool, write_budget_, sent_);
  } else {
    done = co_await stream_->Write(head, no_body ? std::string_view() : text, write_budget_);
    if (done.ok() && !no_body) sent_ = text.size();
  }
  if (!done.ok() && done.error().code != Errc::kCancelled) LogError("answer broken off: " + done.error().message);
  co_return done.ok();
}

std::string Session::Head(const Response& response, bool keep) {
  std::string out;
  out.reserve(512);
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ").append(ReasonPhrase(response.status)).append("\r\n");
  if (const auto now = std::chrono::floor<std::chrono::seconds>(SystemClock().Now()); now != date_of_) {
    date_of_ = now;
    date_ = HttpDate(now);
  }
  AppendField(out, "Date", date_);
  for (const auto& [name, value] : response.headers) AppendField(out, name, value);
  if (!HasNoBody(response.status)) {
    const bool as_said = request_.method == Method::kHead && response.head_length;
    AppendField(out, "Content-Length", std::to_string(as_said ? *response.head_length : response.BodyLength()));
  }
  if (!keep) AppendField(out, "Connection", "close");
  out.append("\r\n");
  return out;
}

asio::awaitable<bool> Session::SkipRestOfBody() {
  std::vector<std::uint8_t> sink(static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, 16 << 10)));
  while (body_left_ > 0) {
    auto got = co_await Read(sink);
    if (!got.ok()) co_return false;
  }
  co_return true;
}

// Closing with unread bytes would reset the connection and take the answer from a client that is still sending.
asio::awaitable<void> Session::Linger() {
  std::vector<std::uint8_t> sink(16 << 10);
  Budget budget = Budget::Fixed(kLingerTime);
  for (std::uint64_t seen = 0; seen < kLingerBytes && !stopping_;) {
    auto got = co_await socket_.ReadSome(sink, budget);
    if (!got.ok() || *got == 0) co_return;
    seen += *got;
  }
}

void Session::Report(int status, std::string_view refused) {
  if (!context_.on_exchange) return;
  Exchange exchange;
  exchange.request = refused.empty() ? &request_ : nullptr;
  exchange.status = status;
  exchange.received = received_;
  exchange.sent = sent_;
  exchange.took = std::chrono::duration_cast<std::chrono::microseconds>(Budget::Clock::now() - began_);
  exchange.peer = peer_.remote;
  exchange.refused = refused;
  context_.on_exchange(exchange);
}

Task<std::size_t> Session::Read(std::span<std::uint8_t> into) {
  if (body_failed_) co_return Error{Errc::kCancelled, "request body is broken"};
  if (into.empty() || head_.framing == BodyFraming::kNone) co_return std::size_t{0};
  if (continue_due_) {
    auto said = co_await SayContinue();
    if (!said.ok()) co_return std::move(said).error();
  }
  // One awaitable, awaited once: g++ 12 destroys the result of a co_await inside a conditional expression twice.
  Task<std::size_t> reading = head_.framing == BodyFraming::kLength ? ReadLength(into) : ReadChunked(into);
  auto got = co_await std::move(reading);
  if (got.ok()) received_ += *got;
  else body_failed_ = true;
  co_return got;
}

Task<void> Session::SayContinue() {
  continue_due_ = false;
  if (begin_ != end_) co_return Status();  // the client did not wait
  co_return co_await stream_->Write("HTTP/1.1 100 Continue\r\n\r\n", {}, write_budget_);
}

Task<std::size_t> Session::ReadLength(std::span<std::uint8_t> into) {
  if (body_left_ == 0) co_return std::size_t{0};
  if (into.size() > body_left_) into = into.first(static_cast<std::size_t>(body_left_));
  if (begin_ != end_) {
    const std::size_t n = std::min(into.size(), end_ - begin_);
    std::memcpy(into.data(), buffer_.data() + begin_, n);
    begin_ += n;
    body_left_ -= n;
    co_return n;
  }
  auto got = co_await stream_->Read(into, body_budget_);
  if (!got.ok()) co_return got;
  if (*got == 0) co_return Error{Errc::kCancelled, "connection ended within the request body"};
  body_budget_.Earn(*got);
  body_left_ -= *got;
  co_return got;
}

Task<std::size_t> Session::ReadChunked(std::span<std::uint8_t> into) {
  while (!chunks_.done()) {
    const auto progress = chunks_.Decode(AsBytes(Buffered()), into);
    begin_ += progress.consumed;
    if (chunks_.failed()) co_return Error{Errc::kInvalid, std::string(chunks_.why())};
    if (progress.produced > 0) co_return progress.produced;
    if (chunks_.done()) break;
    auto got = co_await Fill(kChunkedBufferBytes, body_budget_);
    if (!got.ok()) co_return got;
    if (*got == 0) co_return Error{Errc::kCancelled, "connection ended within the request body"};
    body_budget_.Earn(*got);
  }
  co_return std::size_t{0};
}

}  // namespace bulwark::net
