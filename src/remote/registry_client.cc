#include "remote/registry_client.h"

#include <algorithm>
#include <array>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "formats/json.h"
#include "remote/web_address.h"

namespace bulwark::remote {
namespace {

constexpr std::string_view kAccept =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
constexpr std::uint64_t kChallengeLimit = 4096;
constexpr std::size_t kMessageLimit = 2000;

// Token services of well-known registries that are not on the registry's own host.
struct TokenHost { std::string_view registry, host; };
constexpr std::array<TokenHost, 2> kTokenHosts = {{{"docker.io", "auth.docker.io"}, {"registry.gitlab.com", "gitlab.com"}}};

Errc FromStatus(int status) {
  switch (status) {
    case 400: return Errc::kInvalid;
    case 401: return Errc::kUnauthenticated;
    case 403: return Errc::kDenied;
    case 404: return Errc::kNotFound;
    case 405: case 415: return Errc::kUnsupported;
    case 409: return Errc::kConflict;
    case 410: return Errc::kNotFound;
    case 413: return Errc::kLimit;
    case 416: return Errc::kRange;
  }
  return status >= 500 || status == 429 ? Errc::kUnavailable : Errc::kInvalid;
}

// The messages of an OCI error body or of a problem answer; empty if it is neither.
std::string MessageOf(const std::string& body) {
  auto value = formats::ParseJson(body);
  const auto* object = value ? value->if_object() : nullptr;
  if (!object) return {};
  std::string out;
  if (auto errors = formats::JsonOptionalArray(*object, "errors"); errors && *errors) {
    for (const auto& entry : **errors) {
      const auto* error = entry.if_object();
      if (!error) continue;
      auto message = formats::JsonOptionalString(*error, "message");
      auto code = formats::JsonOptionalString(*error, "code");
      if (!out.empty()) out += "; ";
      if (message && *message) out += **message;
      if (code && *code) out += " (" + std::string(**code) + ")";
    }
  } else {
    auto title = formats::JsonOptionalString(*object, "title");
    auto detail = formats::JsonOptionalString(*object, "detail");
    if (detail && *detail) out = **detail;
    else if (title && *title) out = **title;
  }
  return Printable(out, kMessageLimit);
}

// For a sentence: what is wrong with a destination.
std::string Inside(const net::Destination& to) {
  const auto origin = OriginOf(to.url);
  const std::string host = Printable(origin ? origin->host : "", 253);
  if (to.address.empty() || host.starts_with(to.address)) return "of this machine or its network: " + host;
  return "whose address " + to.address + " is of this machine or its network: " + host;
}

// What is answered by little.
net::HttpClientRequest Question(std::string method, std::string url) {
  net::HttpClientRequest out;
  out.method = std::move(method);
  out.url = std::move(url);
  out.limit = kAnswerBytes;
  out.total_timeout_s = kAnswerTime.count();
  return out;
}

}  // namespace

Error ToError(std::string_view doing, const net::HttpClientResponse& response) {
  std::string text = MessageOf(response.body);
  if (text.empty()) text = "the registry answered with status " + std::to_string(response.status);
  return Error{FromStatus(response.status), std::string(doing) + ": " + text};
}

Result<Challenge> ParseChallenge(std::string_view header) {
  Error bad{Errc::kInvalid, "the registry's WWW-Authenticate header is not a challenge"};
  if (header.size() > kChallengeLimit) return bad;
  Challenge out;
  auto space = header.find(' ');
  out.scheme = ToLower(header.substr(0, space));
  std::string_view rest = space == std::string_view::npos ? std::string_view() : header.substr(space + 1);
  for (;;) {
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == ',' || rest[0] == '\t')) rest.remove_prefix(1);
    if (rest.empty()) return out;
    auto equals = rest.find('=');
    if (equals == std::string_view::npos) return bad;
    std::string key = ToLower(Trim(rest.substr(0, equals)));
    rest.remove_prefix(equals + 1);
    std::string value;
    if (rest.starts_with("\"")) {
      std::size_t i = 1;
      for (; i < rest.size() && rest[i] != '"'; ++i) {
        if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
        value.push_back(rest[i]);
      }
      if (i >= rest.size()) return bad;
      rest.remove_prefix(i + 1);
    } else {
      auto end = rest.find(',');
      value = Trim(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end);
    }
    if (!out.parameters.emplace(key, value).second) return bad;
  }
}

RegistryClient::RegistryClient(net::HttpClient& http, const ImageReference& image, Tls tls, std::optional<Credentials> credentials)
    : http_(http), image_(image), base_(BaseUrl(image, tls)), credentials_(std::move(credentials)) {}

std::string RegistryClient::Url(const std::string& rest) const { return base_ + "/v2/" + image_.repository + "/" + rest; }

bool RegistryClient::MayGetCredentials(const std::string& realm) const {
  auto to = OriginOf(realm), from = OriginOf(base_);
  if (!to || !from) return false;
  if (to->host == from->host) return to->scheme == from->scheme || to->scheme == "https";
  if (to->scheme != "https") return false;
  for (const auto& known : kTokenHosts)
    if (image_.host == known.registry && to->host == known.host) return true;
  return !token_host_.empty() && to == OriginOf("https://" + token_host_);
}

Error RegistryClient::Refusal(std::string_view doing, const net::HttpClientResponse& response) const {
  Error error = ToError(doing, response);
  const bool may_be_it = response.status == 401 || response.status == 403 || response.status == 404;
  if (may_be_it && !withheld_from_.empty())
    error.message += "; the password was not sent, because the token service is on another host: if " + withheld_from_ + " belongs to the registry, say so with --token-host " + withheld_from_;
  return error;
}

std::pair<std::string, std::string> RegistryClient::BasicHeader() const {
  return {"Authorization", "Basic " + Base64Encode(credentials_->username + ":" + credentials_->password)};
}

std::string RegistryClient::Scope(Want want) const {
  if (want == Want::kAnything) return {};
  std::string out = "&scope=" + UrlEncode("repository:" + image_.repository + (want == Want::kPush ? ":pull,push" : ":pull"));
  if (want == Want::kPush && !mount_source_.empty()) out += "&scope=" + UrlEncode("repository:" + mount_source_ + ":pull");
  return out;
}

bool RegistryClient::MayAsk(const std::string& url, const std::string& address, const std::string& namer) const {
  const auto to = OriginOf(url), registry = OriginOf(base_);
  if (!to || !registry) return false;
  // A person named these, so they are where they are.
  if (to->host == registry->host || (!token_host_.empty() && to == OriginOf("https://" + token_host_))) return true;
  if (IsInternalHost(registry->host) || IsInternalHost(namer)) return true;
  return !IsInternalHost(to->host) && !IsInternalHost(address);
}

// The registry names it: nor may it be asked in clear where TLS was asked for.
Status RegistryClient::CheckTokenService(const Origin& service) const {
  const auto registry = OriginOf(base_);
  if (!registry) return Error{Errc::kInvalid, image_.host + " is no address of a registry"};
  if (registry->scheme != "https" || service.scheme == "https") return {};
  return Error{Errc::kUnauthenticated, image_.host + " names a token service without TLS: " + Printable(service.host, 253)};
}

Status RegistryClient::Authenticate(std::string_view header, Want want) {
  BW_TRY(Challenge challenge, ParseChallenge(header));
  if (challenge.scheme == "basic") {
    if (!credentials_) return Error{Errc::kUnauthenticated, image_.host + " wants a log-in; none is stored for it"};
    basic_ = true;
    return {};
  }
  if (challenge.scheme != "bearer" || !challenge.parameters.contains("realm"))
    return Error{Errc::kUnsupported, image_.host + " asks for a kind of log-in that is not supported"};
  std::string realm = challenge.parameters["realm"];
  auto origin = OriginOf(realm);
  if (!origin || (origin->scheme != "http" && origin->scheme != "https"))
    return Error{Errc::kInvalid, image_.host + " names a token service that is no web address"};
  BW_CHECK(CheckTokenService(*origin));
  auto request = Question("GET", realm + (realm.find('?') == std::string::npos ? "?" : "&") + "service=" + UrlEncode(challenge.parameters["service"]) + Scope(want));
  request.may_connect = [this](const net::Destination& to) -> Status {
    if (MayAsk(to.url, to.address, address_)) return {};
    return {Errc::kUnauthenticated, image_.host + " names a token service " + Inside(to) +
                                        "; if it belongs to the registry, say so with --token-host"};
  };
  const bool send = credentials_ && MayGetCredentials(realm);
  if (send) request.headers.push_back(BasicHeader());
  else if (credentials_) withheld_from_ = Printable(origin->host, 253);
  BW_TRY(auto response, http_.Send(request));
  if (response.status != 200) return Refusal("log in to " + image_.host, response);
  BW_TRY(tokens_[want], ReadToken(response));
  return {};
}

Result<std::string> RegistryClient::ReadToken(const net::HttpClientResponse& response) const {
  BW_TRY(auto value, formats::ParseJson(response.body));
  const auto* object = value.if_object();
  if (!object) return Error{Errc::kInvalid, "the token service of " + image_.host + " did not answer with an object"};
  BW_TRY(auto token, formats::JsonOptionalString(*object, "token"));
  if (!token) {
    BW_TRY(auto access, formats::JsonString(*object, "access_token"));
    token = access;
  }
  if (token->empty() || std::any_of(token->begin(), token->end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7f; }))
    return Error{Errc::kInvalid, "the token service of " + image_.host + " gives a token that is none"};
  return std::string(*token);
}

RegistryClient::Answer RegistryClient::SendOnce(net::HttpClientRequest request, Want want) {
  if (auto token = tokens_.find(want); token != tokens_.end()) request.headers.push_back({"Authorization", "Bearer " + token->second});
  else if (basic_) request.headers.push_back(BasicHeader());
  request.may_connect = [this](const net::Destination& to) -> Status {
    if (MayAsk(to.url, to.address, to.first_address)) return {};
    return {Errc::kInvalid, image_.host + " redirects to a host " + Inside(to) + "; not followed"};
  };
  auto answer = http_.Send(request);
  if (answer) answered_ = true;
  if (answer) address_ = answer->address;
  return answer;
}

// A streamed body can be sent only once: then the caller gets the 401, logged in for its next try.
RegistryClient::Answer RegistryClient::SendLoggedIn(const net::HttpClientRequest& request, Want want) {
  BW_TRY(auto response, SendOnce(request, want));
  if (response.status != 401) return response;
  auto challenge = response.Header("www-authenticate");
  if (!challenge) return response;
  BW_CHECK(Authenticate(*challenge, want));
  if (request.body_source) return response;
  return SendOnce(request, want);
}

bool RegistryClient::MayTryAgain(int failures, const Answer& answer) const {
  return failures < patience_.tries && (answered_ || patience_.answered_before) && Patience::MayChange(answer);
}

RegistryClient::Answer RegistryClient::Send(const net::HttpClientRequest& request, Want want) {
  for (int failures = 1;; ++failures) {
    auto answer = SendLoggedIn(request, want);
    if (!MayTryAgain(failures, answer)) return answer;
    patience_.Wait(failures, answer);
  }
}

Status RegistryClient::CheckLogin() {
  const auto request = Question("GET", base_ + "/v2/");
  BW_TRY(auto response, Send(request, Want::kAnything));
  if (response.status == 200 && credentials_ && tokens_.empty() && !basic_) {  // it lets anybody in: does it know this one?
    basic_ = true;
    BW_TRY(response, Send(request, Want::kAnything));
  }
  if (!withheld_from_.empty()) {  // what the registry thinks of a token that anybody gets says nothing
    Error error = Refusal("log in to " + image_.host, net::HttpClientResponse{401, {}, "", ""});
    return Error{Errc::kUnauthenticated, error.message};
  }
  if (response.status == 200) return {};
  return ToError("log in to " + image_.host, response);
}

Result<FetchedManifest> RegistryClient::GetManifest(const std::string& reference) { return GetManifest(reference, Want::kPull); }

Result<std::optional<FetchedManifest>> RegistryClient::FindManifest(const std::string& reference) {
  auto found = GetManifest(reference, Want::kPush);
  if (!found && found.error().code == Errc::kNotFound) return std::optional<FetchedManifest>();
  if (!found) return found.error();
  return std::optional(*std::move(found));
}

Result<FetchedManifest> RegistryClient::GetManifest(const std::string& reference, Want want) {
  auto request = Question("GET", Url("manifests/" + reference));
  request.headers = {{"Accept", std::string(kAccept)}};
  request.limit = limits::kManifestBytes;
  BW_TRY(auto response, Send(request, want));
  if (response.status != 200) return Refusal("read the manifest of " + image_.repository + " at " + reference, response);
  FetchedManifest out;
  out.bytes = std::move(response.body);
  std::string type(response.Header("content-type").value_or(""));
  out.media_type = ToLower(Trim(std::string_view(type).substr(0, type.find(';'))));
  out.digest = crypto::Sha256(AsBytes(out.bytes));
  auto wanted = Digest::Parse(reference);
  if (wanted) {
    out.digest = crypto::HashWith(wanted->algorithm(), AsBytes(out.bytes));
    if (out.digest != *wanted) return Error{Errc::kDigest, image_.host + " served another manifest than " + reference};
  } else if (auto header = response.Header("docker-content-digest")) {
    BW_TRY(Digest said, Digest::Parse(*header));
    out.digest = crypto::HashWith(said.algorithm(), AsBytes(out.bytes));
    if (out.digest != said) return Error{Errc::kDigest, image_.host + " served a manifest that does not have the digest it states"};
  }
  return out;
}

Result<bool> RegistryClient::HasManifest(const std::string& reference) {
  auto request = Question("HEAD", Url("manifests/" + reference));
  request.headers = {{"Accept", std::string(kAccept)}};
  BW_TRY(auto response, Send(request, Want::kPush));
  if (response.status == 200) return true;
  if (response.status == 404) return false;
  return Refusal("ask for the manifest " + reference, response);
}

Status RegistryClient::GetBlob(const Digest& digest, const std::function<Status(ByteSpan)>& sink) {
  crypto::Hasher hasher(digest.algorithm() == DigestAlgorithm::kSha512 ? crypto::HashKind::kSha512 : crypto::HashKind::kSha256);
  std::uint64_t done = 0;
  std::optional<Error> stopped;
  net::HttpClientRequest request;
  request.url = Url("blobs/" + digest.str());
  request.limit = kAnswerBytes;  // of an error
  request.sink = [&](ByteSpan bytes) -> Status {
    hasher.Update(bytes);
    done += bytes.size();
    Status taken = sink(bytes);
    if (!taken) stopped = taken.error();
    return taken;
  };
  for (int failures = 0;;) {
    const std::uint64_t before = done;
    if (before) request.resume_at = before;
    auto answer = SendLoggedIn(request, Want::kPull);
    if (stopped) return *stopped;
    if (answer && (answer->status == 200 || (before && answer->status == 206))) break;
    // The end of the answer is what was cut: nothing is left to ask for.
    if (answer && before && answer->status == 416) break;
    if (done > before) answered_ = true;
    if (done - before >= limits::kResumeProgress) failures = 0;
    if (!MayTryAgain(++failures, answer)) return answer ? Refusal("read blob " + digest.short_str(), *answer) : answer.error();
    patience_.Wait(failures, answer);
  }
  if (hasher.FinishDigest() != digest) return Error{Errc::kDigest, image_.host + " served other bytes than " + digest.str()};
  return {};
}

Result<bool> RegistryClient::HasBlob(const Digest& digest) {
  const auto request = Question("HEAD", Url("blobs/" + digest.str()));
  BW_TRY(auto response, Send(request, Want::kPush));
  if (response.status == 200) return true;
  if (response.status == 404) return false;
  return Refusal("ask for blob " + digest.short_str(), response);
}

Result<net::HttpClientResponse> RegistryClient::Api(const std::string& method, const std::string& path, const std::string& json_body) {
  if (!credentials_)
    return Error{Errc::kUnauthenticated, "no log-in for " + image_.host + "; log in with docker, podman or skopeo, or give --username and --password-stdin"};
  net::HttpClientRequest request;
  request.method = method;
  request.url = base_ + path;
  request.headers = {BasicHeader(), {"Accept", "application/json"}};
  if (!json_body.empty()) request.headers.push_back({"Content-Type", "application/json"});
  request.body = json_body;
  request.limit = 256 << 20;
  request.follow_redirects = false;
  for (int failures = 1;; ++failures) {
    auto answer = http_.Send(request);
    if (answer) answered_ = true;
    if (MayTryAgain(failures, answer)) {
      patience_.Wait(failures, answer);
      continue;
    }
    if (answer && answer->status >= 300) return ToError(method + " " + path, *answer);
    return answer;
  }
}

}  // namespace bulwark::remote
