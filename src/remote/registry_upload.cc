// Uploads of manifests and of blobs: these in one request where they are small, else PATCH and PUT (distribution-spec 1.1, "Pushing blobs"), so that
// what arrived before a cut need not be sent again.
#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"
#include "remote/registry_client.h"
#include "remote/web_address.h"

namespace bulwark::remote {
namespace {

constexpr std::uint64_t kOneRequest = 4 << 20;      // up to here, sending again costs no more than asking

// The rest of `source` from `offset` on, as a stream that tells how far it is.
class Rest final : public ByteSource {
 public:
  Rest(const RandomSource& source, std::uint64_t offset, const Moved& moved) : source_(source), next_(offset), moved_(moved) {}
  Result<std::size_t> Read(std::span<std::uint8_t> into) override {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), source_.size() - next_));
    if (n == 0) return std::size_t{0};
    Status read = source_.ReadAt(next_, into.first(n));
    if (read && moved_) read = moved_(n);
    if (!read) {
      failed_ = read.error();
      return read.error();
    }
    next_ += n;
    return n;
  }
  const std::optional<Error>& failed() const { return failed_; }

 private:
  const RandomSource& source_;
  std::uint64_t next_;
  const Moved& moved_;
  std::optional<Error> failed_;
};

std::string WithDigest(const std::string& url, const Digest& digest) {
  return url + (url.find('?') == std::string::npos ? "?" : "&") + "digest=" + UrlEncode(digest.str());
}

// "0-9" -> 10. "0-0" means one byte, and in some registries none: taken as none.
std::uint64_t AfterRange(std::string_view header) {
  if (header.starts_with("bytes=")) header.remove_prefix(6);
  if (!header.starts_with("0-")) return 0;
  auto last = ParseUint(Trim(header.substr(2)));
  return last && *last > 0 && *last < UINT64_MAX ? *last + 1 : 0;
}

// The quoted strings of `299 - "text"`, unescaped, with "; " between them.
std::string WarningTexts(std::string_view header) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (header[i] == '"') {
      quoted = !quoted;
      if (quoted && !out.empty()) out += "; ";
    } else if (quoted) {
      if (header[i] == '\\' && i + 1 < header.size()) ++i;
      out += header[i];
    }
  }
  return out;
}

// What another try from where the upload stands, or from the start, may cure.
bool MayGoOn(const Result<net::HttpClientResponse>& answer) {
  if (!answer) return answer.error().code == Errc::kUnavailable;
  return Patience::MayChange(answer) || answer->status == 401 || answer->status == 404 || answer->status == 409 || answer->status == 416;
}

}  // namespace

Result<std::string> RegistryClient::UploadUrl(const net::HttpClientResponse& response) const {
  auto location = response.Header("location");
  if (!location) return Error{Errc::kInvalid, image_.host + " does not say where to upload to"};
  auto url = SameOriginUrl(base_, *location);
  if (!url) return Error{Errc::kInvalid, image_.host + " sends uploads to another host; not followed"};
  return *url;
}

Result<std::string> RegistryClient::StartUpload(const std::string& query, std::string_view doing) {
  net::HttpClientRequest request;
  request.method = "POST";
  request.url = Url("blobs/uploads/" + query);
  request.limit = kAnswerBytes;
  request.total_timeout_s = kAnswerTime.count();
  BW_TRY(auto response, Send(request, Want::kPush));
  if (response.status == 201) return std::string();
  if (response.status != 202) return Refusal(doing, response);
  return UploadUrl(response);
}

Result<bool> RegistryClient::MountBlob(const Digest& digest) {
  begun_.reset();
  auto url = StartUpload("?mount=" + UrlEncode(digest.str()) + "&from=" + UrlEncode(mount_source_), "mount blob " + digest.short_str());
  // No right to read there, or no mounts here: the bytes are sent, and say what is really wrong.
  if (!url && url.error().code == Errc::kUnavailable) return url.error();
  if (!url) return false;
  if (url->empty()) return true;
  begun_ = {digest, *std::move(url)};
  return false;
}

RegistryClient::Answer RegistryClient::SendBody(const std::string& method, const std::string& url, const RandomSource& source, std::uint64_t offset, const Moved& moved) {
  Rest rest(source, offset, moved);
  net::HttpClientRequest request;
  request.method = method;
  request.url = url;
  request.limit = kAnswerBytes;
  request.answer_timeout_s = kAnswerTime.count();
  request.headers = {{"Content-Type", "application/octet-stream"}};
  if (offset > 0) request.headers.push_back({"Content-Range", std::to_string(offset) + "-" + std::to_string(source.size() - 1)});
  request.body_source = &rest;
  request.body_size = source.size() - offset;
  request.follow_redirects = false;
  auto answer = SendLoggedIn(request, Want::kPush);
  if (rest.failed()) return Error{rest.failed()->code == Errc::kUnavailable ? Errc::kIo : rest.failed()->code, rest.failed()->message};
  return answer;
}

RegistryClient::Answer RegistryClient::SendRest(std::string& url, const Digest& digest, const RandomSource& source, std::uint64_t offset, const Moved& moved) {
  if (offset == 0 && source.size() <= kOneRequest) return SendBody("PUT", WithDigest(url, digest), source, 0, moved);
  if (offset < source.size()) {
    BW_TRY(auto patched, SendBody("PATCH", url, source, offset, moved));
    if (patched.status != 202 && patched.status != 204) return patched;
    BW_TRY(url, UploadUrl(patched));
  }
  net::HttpClientRequest end;
  end.method = "PUT";
  end.url = WithDigest(url, digest);
  end.limit = kAnswerBytes;
  end.total_timeout_s = kAnswerTime.count();
  end.follow_redirects = false;
  return SendLoggedIn(end, Want::kPush);
}

std::uint64_t RegistryClient::Received(std::string& url) {
  net::HttpClientRequest request;
  request.url = url;
  request.limit = kAnswerBytes;
  request.total_timeout_s = kAnswerTime.count();
  request.follow_redirects = false;
  auto answer = Send(request, Want::kPush);
  url.clear();
  if (!answer || answer->status / 100 != 2) return 0;
  const std::uint64_t received = AfterRange(answer->Header("range").value_or(""));
  if (received == 0) return 0;
  if (!answer->Header("location")) url = request.url;
  else if (auto next = UploadUrl(*answer)) url = *next;
  return url.empty() ? 0 : received;
}

Status RegistryClient::PutBlob(const Digest& digest, const RandomSource& source, const Moved& moved) {
  std::string url = begun_ && begun_->first == digest ? begun_->second : "";
  begun_.reset();
  std::uint64_t offset = 0, highest = 0;
  for (int failures = 0;;) {
    if (url.empty()) {
      BW_TRY(url, StartUpload("", "start an upload to " + image_.repository));
      offset = 0;
    }
    auto answer = SendRest(url, digest, source, offset, moved);
    if (answer && answer->status == 201) return {};
    if (++failures >= patience_.tries || !MayGoOn(answer)) return answer ? Refusal("upload blob " + digest.short_str(), *answer) : answer.error();
    if (!answer || answer->status != 401) patience_.Wait(failures, answer);
    offset = Received(url);
    if (offset > source.size()) url.clear();
    // Only what was never reached before is progress: a registry that forgets and remembers in turn is not waited for without end.
    if (!url.empty() && offset >= highest + limits::kResumeProgress) {
      failures = 0;
      highest = offset;
    }
    if (!url.empty()) continue;
    // The answer to the last request may be what was lost.
    BW_TRY(bool there, HasBlob(digest));
    if (there) return {};
  }
}

Result<PutAnswer> RegistryClient::PutManifest(const std::string& reference, std::string_view media_type, const std::string& bytes) {
  net::HttpClientRequest request;
  request.method = "PUT";
  request.url = Url("manifests/" + reference);
  request.headers = {{"Content-Type", std::string(media_type)}};
  request.body = bytes;
  request.limit = kAnswerBytes;
  request.total_timeout_s = kScanTime.count();
  request.follow_redirects = false;
  BW_TRY(auto response, Send(request, Want::kPush));
  if (response.status != 201) return Refusal("push the manifest of " + image_.repository + " as " + reference, response);
  return PutAnswer{WarningTexts(response.Header("warning").value_or("")), response.Header("oci-subject").has_value()};
}

}  // namespace bulwark::remote
