#include "advisory/fetch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "advisory/feeds.h"
#include "base/byte_source.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "net/http_client.h"

namespace bulwark::advisory {
namespace {

constexpr std::uint64_t kCredentialBytes = 8 << 10, kMarkBytes = 16 << 10, kErrorBodyBytes = 64 << 10;

bool IsStrong(std::string_view etag) { return etag.size() >= 2 && etag.front() == '"' && etag.back() == '"'; }

// "https://host:port" of an address that ResolveSource let pass.
std::string OriginOf(std::string_view url) {
  const auto begin = url.find("//") + 2;
  std::string origin = ToLower(url.substr(0, std::min(url.size(), url.find_first_of("/?#", begin))));
  const bool tls = origin.starts_with("https:");
  if (origin.ends_with(tls ? ":443" : ":80")) origin.resize(origin.rfind(':'));
  return origin;
}

Result<std::string> Authorization(const std::string& path) {
  BW_TRY(const std::string text, ReadFile(path, kCredentialBytes));
  const std::string_view line = Trim(text);
  const bool printable = std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c != 0x7f; });
  if (line.empty() || !printable) return Error{Errc::kInvalid, fmt::format("{} must hold one line: user:password, or a token", path)};
  if (line.find(':') != std::string_view::npos) return "Basic " + Base64Encode(line);
  return "Bearer " + std::string(line);
}

// The file being filled, and which file of the server it is a beginning of.
class Part {
 public:
  Part(std::string path, std::uint64_t most) : path_(std::move(path)), most_(most) {}

  Status Open() {
    fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd_) return ErrnoError("open " + path_);
    struct ::stat info{};
    if (::fstat(fd_.get(), &info) != 0) return ErrnoError("read the size of " + path_);
    size_ = static_cast<std::uint64_t>(info.st_size);
    return {};
  }
  // The tag with which this address is asked for the rest; empty: there is nothing to go on with.
  std::string ResumableAt(const std::string& url) const {
    if (size_ == 0) return {};
    auto mark = ReadFile(path_ + ".from", kMarkBytes);
    if (!mark.ok()) return {};
    const auto end = mark->find('\n');
    if (end == std::string::npos || mark->substr(0, end) != url) return {};
    const std::string etag = mark->substr(end + 1);
    return IsStrong(etag) ? etag : "";
  }
  Status Restart(const std::string& url, std::string_view etag) {
    // First the file: a mark never stands beside bytes of another file.
    if (::ftruncate(fd_.get(), 0) != 0) return ErrnoError("empty " + path_);
    size_ = 0;
    if (!IsStrong(etag)) return Forget();
    return WriteFileAtomically(path_ + ".from", url + "\n" + std::string(etag), 0600);
  }
  Status Append(ByteSpan bytes) {
    if (bytes.size() > most_ - std::min(most_, size_)) return Error{Errc::kLimit, "the download is larger than " + FormatBytes(most_)};
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return ErrnoError("write " + path_);
      size_ += static_cast<std::uint64_t>(n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }
  Status Finish() {
    if (::fsync(fd_.get()) != 0) return ErrnoError("sync " + path_);
    return Forget();  // whole: nothing to go on with
  }
  std::uint64_t size() const { return size_; }

 private:
  Status Forget() {
    if (::unlink((path_ + ".from").c_str()) != 0 && errno != ENOENT) return ErrnoError("remove " + path_ + ".from");
    return {};
  }
  const std::string path_;
  const std::uint64_t most_;
  UniqueFd fd_;
  std::uint64_t size_ = 0;
};

// What one request came to.
struct Attempt {
  enum class Kind { kDone, kAgain, kElsewhere } kind = Kind::kElsewhere;
  Fetched fetched;
  Error error;
  std::optional<Millis> retry_after;
};

std::optional<Millis> RetryAfter(const net::HttpClientResponse& answer) {
  const auto value = answer.Header("retry-after");
  if (!value) return std::nullopt;
  if (auto seconds = ParseUint(*value)) return std::chrono::seconds(std::min<std::uint64_t>(*seconds, 7 * 86'400));
  std::string date(*value);  // RFC 9110 section 5.6.7 says "GMT" where mail says "+0000"
  if (!date.ends_with(" GMT")) return std::nullopt;
  auto time = ParseMailDate(date.substr(0, date.size() - 3) + "+0000");
  if (!time.ok()) return std::nullopt;
  return std::clamp<Millis>(*time - SystemClock().Now(), Millis(0), std::chrono::hours(24 * 7));
}

class Fetcher {
 public:
  Fetcher(const FetchSource& source, const Validators* known, Part& part, const FetchOptions& options, std::string authorization)
      : source_(source), known_(known), part_(part), authorization_(std::move(authorization)) {
    net::HttpClientOptions http;
    http.ca_file = source.ca_file;
    http.connect_timeout_s = options.connect_timeout_s;
    http.stall_timeout_s = options.stall_timeout_s;
    http.minimum_rate = options.minimum_rate;
    http.total_timeout_s = options.total_timeout_s;
    client_ = net::MakeHttpClient(http);
  }
  Attempt Once(const std::string& url);

 private:
  // Whether the server can be asked if its file changed.
  bool IsKnown(const std::string& url) const { return known_ && known_->url == url && !(known_->etag.empty() && known_->last_modified.empty()); }
  net::HttpClientRequest Ask(const std::string& url, const std::string& resume);
  Status TakeHead(const net::HttpClientResponse& head, const std::string& url, const std::string& resume);

  const FetchSource& source_;
  const Validators* known_;
  Part& part_;
  const std::string authorization_;
  std::unique_ptr<net::HttpClient> client_;
};

net::HttpClientRequest Fetcher::Ask(const std::string& url, const std::string& resume) {
  net::HttpClientRequest request;
  request.url = url;
  request.limit = kErrorBodyBytes;
  request.redirects = net::Redirects::kTlsOrSameOrigin;
  if (IsKnown(url)) {
    if (!known_->etag.empty()) request.headers.emplace_back("If-None-Match", known_->etag);
    else request.headers.emplace_back("If-Modified-Since", known_->last_modified);
  }
  // What is meant for one origin goes to no mirror at another.
  if (!authorization_.empty() && OriginOf(url) == OriginOf(source_.urls[0])) request.headers.emplace_back("Authorization", authorization_);
  if (!resume.empty()) {
    request.headers.emplace_back("Range", fmt::format("bytes={}-", part_.size()));
    request.headers.emplace_back("If-Range", resume);
  }
  return request;
}

Status Fetcher::TakeHead(const net::HttpClientResponse& head, const std::string& url, const std::string& resume) {
  auto of = [&](std::string_view name) { return head.Header(name).value_or(""); };
  if (!of("content-encoding").empty() && !EqualsIgnoreCase(of("content-encoding"), "identity"))
    return Error{Errc::kUnsupported, fmt::format("the answer has the content coding {} that nobody asked for", Printable(of("content-encoding"), 40))};
  if (ToLower(of("content-type")).starts_with("text/html")) return Error{Errc::kUnsupported, "the answer is a web page"};
  if (head.status == 206) {
    const bool same = of("etag").empty() || of("etag") == resume;
    if (!resume.empty() && same && of("content-range").starts_with(fmt::format("bytes {}-", part_.size()))) return {};
    return Error{Errc::kUnavailable, "the server answers another range than it was asked for"};
  }
  if (head.status != 200) return Error{Errc::kUnavailable, fmt::format("the server answers {}", head.status)};
  return part_.Restart(url, of("etag"));
}

Attempt Fetcher::Once(const std::string& url) {
  const std::string resume = part_.ResumableAt(url);
  net::HttpClientRequest request = Ask(url, resume);
  const bool conditional = IsKnown(url);
  bool began = false;
  std::optional<Error> ours;  // trouble that another try does not mend
  auto keep = [&](Status status) {
    if (!status.ok()) ours = status.error();
    return status;
  };
  request.before_sink = [&](const net::HttpClientResponse& head) {
    began = true;
    return keep(TakeHead(head, url, resume));
  };
  request.sink = [&](ByteSpan bytes) { return keep(part_.Append(bytes)); };
  auto answer = client_->Send(request);
  Attempt out;
  if (!answer.ok()) {
    out.error = std::move(answer).error();
    if (ours && !resume.empty() && ours->code == Errc::kUnavailable) {  // its idea of ranges is not ours
      if (Status emptied = part_.Restart(url, ""); emptied.ok()) ours.reset();
    }
    out.kind = ours || out.error.code == Errc::kInvalid ? Attempt::Kind::kElsewhere : Attempt::Kind::kAgain;
    return out;
  }
  const int status = answer->status;
  out.error = {Errc::kUnavailable, fmt::format("{} answers {}", Printable(url, 200), status)};
  if (status == 304 && conditional) {
    out.kind = Attempt::Kind::kDone;
    out.fetched.unchanged = true;
  } else if ((status == 200 || status == 206) && began) {
    if (Status whole = part_.Finish(); !whole.ok()) {
      out.error = whole.error();
      return out;
    }
    out.kind = Attempt::Kind::kDone;
    out.fetched = {false, {url, std::string(answer->Header("etag").value_or(resume)), std::string(answer->Header("last-modified").value_or(""))}, part_.size()};
  } else if (status == 200 || status == 206) {
    out.error.message = fmt::format("{} answers with nothing", Printable(url, 200));
  } else if (status == 416 && !resume.empty()) {
    if (part_.Restart(url, "").ok()) out.kind = Attempt::Kind::kAgain;
  } else if (status == 408 || status == 429 || status >= 500) {
    out.kind = Attempt::Kind::kAgain;
    out.retry_after = RetryAfter(*answer);
  }
  return out;
}

// Queries hold secrets at times, and what is said here is seen by every account.
Error WithoutQueries(Error error) {
  for (auto at = error.message.find('?'); at != std::string::npos; at = error.message.find('?', at + 1))
    error.message.erase(at + 1, std::min(error.message.size(), error.message.find_first_of(" \"", at)) - at - 1);
  return error;
}

// Between half and one and a half times as long: many who failed together do not come back together.
Millis Jittered(Millis pause) {
  thread_local std::minstd_rand random(std::random_device{}());
  return pause * std::uniform_int_distribution<int>(50, 150)(random) / 100;
}

}  // namespace

Result<Fetched> Fetch(const FetchSource& source, const Validators* known, const std::string& part_path, const FetchOptions& options,
                      std::optional<Millis>& retry_after) {
  std::string authorization;
  if (!source.credentials_file.empty()) { BW_TRY(authorization, Authorization(source.credentials_file)); }
  Part part(part_path, source.max_bytes);
  BW_CHECK(part.Open());
  Fetcher fetcher(source, known, part, options, std::move(authorization));
  Error last{Errc::kUnavailable, "no address"};
  for (const std::string& url : source.urls) {
    Millis pause = options.first_pause;
    for (unsigned attempt = 1;; ++attempt, pause *= 2) {
      Attempt got = fetcher.Once(url);
      if (got.kind == Attempt::Kind::kDone) return std::move(got.fetched);
      last = WithoutQueries(std::move(got.error));
      if (got.retry_after) retry_after = std::max(retry_after.value_or(Millis(0)), *got.retry_after);
      const Millis wait = std::max(Jittered(pause), got.retry_after.value_or(Millis(0)));
      if (got.kind == Attempt::Kind::kElsewhere || attempt >= options.attempts || wait > options.longest_pause) break;
      std::this_thread::sleep_for(wait);
    }
    if (last.code == Errc::kIo) break;  // a full disk is none of the mirror's business
    LogWarning(fmt::format("advisory source {}: {}", source.name, Printable(last.message, 500)));
  }
  return last;
}

}  // namespace bulwark::advisory
