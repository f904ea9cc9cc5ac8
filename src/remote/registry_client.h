#pragma once
// Client of one registry: manifests, blobs, uploads, with the token flow (distribution-spec 1.1; Docker token spec).

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/digest.h"
#include "base/result.h"
#include "net/http_client.h"
#include "remote/credentials.h"
#include "remote/reference.h"

namespace bulwark::remote {

struct FetchedManifest {
  std::string bytes;       // exactly as served
  std::string media_type;  // of the Content-Type, without parameters, lower case
  Digest digest;           // of `bytes`; checked against the reference's digest and the header
};

// One thread at a time. Errors carry the registry's own sentence: kUnauthenticated, kDenied, kNotFound, kUnavailable, kDigest, …
class RegistryClient {
 public:
  // `http` outlives it. Credentials go to the registry's own host, and to a token service only if that is the same host or the
  // one known to belong to it (attacks: challenge-realm-theft).
  RegistryClient(net::HttpClient& http, const ImageReference& image, bool plain_http, std::optional<Credentials> credentials);

  Result<FetchedManifest> GetManifest(const std::string& reference);
  // Streams a blob and verifies its digest at the end: kDigest after the sink got wrong bytes.
  Status GetBlob(const Digest& digest, const std::function<Status(ByteSpan)>& sink);
  Result<bool> HasBlob(const Digest& digest);
  Status PutBlob(const Digest& digest, std::uint64_t size, ByteSource& source);
  // What the registry warned about (Warning header), if anything.
  Result<std::string> PutManifest(const std::string& reference, std::string_view media_type, const std::string& bytes);
  // A call of the product API of a Bulwark registry; Basic credentials. `path` begins with "/api/v1/".
  Result<net::HttpClientResponse> Api(const std::string& method, const std::string& path, const std::string& json_body);

 private:
  enum class Want { kPull, kPush };
  Result<net::HttpClientResponse> Send(net::HttpClientRequest request, Want want);
  Result<net::HttpClientResponse> SendOnce(net::HttpClientRequest request, Want want);
  Status Authenticate(std::string_view challenge, Want want);
  bool MayGetCredentials(const std::string& realm) const;
  std::string Url(const std::string& rest) const;

  net::HttpClient& http_;
  ImageReference image_;
  std::string base_;
  std::optional<Credentials> credentials_;
  bool basic_ = false;
  std::map<Want, std::string> tokens_;
};

// A Bearer or Basic challenge: parameters of `WWW-Authenticate` (RFC 9110 section 11.6.1). kInvalid for anything else.
struct Challenge {
  std::string scheme;  // lower case
  std::map<std::string, std::string> parameters;
};
Result<Challenge> ParseChallenge(std::string_view header);

// "what failed: the registry's errors[].message (CODE)" with the Errc that the status means.
Error ToError(std::string_view doing, const net::HttpClientResponse& response);

}  // namespace bulwark::remote
