#pragma once
// Client of one registry: manifests, blobs, uploads, with the token flow (distribution-spec 1.1; Docker token spec).

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/digest.h"
#include "base/result.h"
#include "formats/oci.h"
#include "net/http_client.h"
#include "remote/credentials.h"
#include "remote/patience.h"
#include "remote/reference.h"
#include "remote/web_address.h"

namespace bulwark::remote {

struct FetchedManifest {
  std::string bytes;       // exactly as served
  std::string media_type;  // of the Content-Type, without parameters, lower case
  Digest digest;           // of `bytes`; checked against the reference's digest and the header
};

struct PutAnswer {
  std::string warning;         // what the registry warned about (Warning header), if anything
  bool lists_referrer = false; // it took note of the manifest's subject (OCI-Subject header)
};

// Bytes that moved; an error stops the transfer.
using Moved = std::function<Status(std::uint64_t)>;

// One thread at a time. Errors carry the registry's own sentence: kUnauthenticated, kDenied, kNotFound, kUnavailable, kDigest, …
class RegistryClient {
 public:
  // `http` outlives it. Credentials go to the registry's own host, and to a token service only if that is the same host or the
  // one known to belong to it (attacks: challenge-realm-theft).
  RegistryClient(net::HttpClient& http, const ImageReference& image, Tls tls, std::optional<Credentials> credentials);

  // By default every request is tried once.
  void SetPatience(Patience patience) { patience_ = std::move(patience); }
  // A host ("gitlab.example.com", with its port if it has one) whose token service may get the credentials too, over TLS alone.
  void SetTokenHost(std::string host) { token_host_ = std::move(host); }
  // Also asks for the right to read this repository of the same registry when it logs in to push: for MountBlob.
  void SetMountSource(std::string repository) { mount_source_ = std::move(repository); }

  Result<FetchedManifest> GetManifest(const std::string& reference);
  Result<bool> HasManifest(const std::string& reference);
  // With the rights of a push, at the target of a copy; nullopt: there is none.
  Result<std::optional<FetchedManifest>> FindManifest(const std::string& reference);
  // Streams a blob and verifies its digest at the end: kDigest after the sink got wrong bytes. A cut connection goes on where
  // it was cut, as long as patience lasts.
  Status GetBlob(const Digest& digest, const std::function<Status(ByteSpan)>& sink);
  Result<bool> HasBlob(const Digest& digest);
  // Whether the registry took the blob over from the repository of SetMountSource. False costs nothing: PutBlob goes on from it.
  Result<bool> MountBlob(const Digest& digest);
  // After a cut, goes on from what the registry says it has, or from the start.
  Status PutBlob(const Digest& digest, const RandomSource& source, const Moved& moved = nullptr);
  Result<PutAnswer> PutManifest(const std::string& reference, std::string_view media_type, const std::string& bytes);
  // What names this manifest as its subject, all pages of it; nullopt: the registry has no referrers API (distribution-spec 1.1).
  // Their digests; kLimit above `most`.
  Result<std::optional<std::vector<Digest>>> Referrers(const Digest& subject, std::uint64_t most);
  // Whether the registry knows the credentials: /v2/ with the whole token flow. kUnauthenticated: it does not, or they could
  // not be shown to its token service. Names nothing but the host.
  Status CheckLogin();
  // A call of the product API of a Bulwark registry; Basic credentials. `path` begins with "/api/v1/". With patience it is made again
  // also where no answer came: only for what may be done twice.
  Result<net::HttpClientResponse> Api(const std::string& method, const std::string& path, const std::string& json_body);

 private:
  enum class Want { kAnything, kPull, kPush };
  using Answer = Result<net::HttpClientResponse>;
  // Tried again as patience allows; not for bodies and sinks, which can be used only once.
  Answer Send(const net::HttpClientRequest& request, Want want);
  // Logs in if it has to, then once more.
  Answer SendLoggedIn(const net::HttpClientRequest& request, Want want);
  Answer SendOnce(net::HttpClientRequest request, Want want);
  bool MayTryAgain(int failures, const Answer& answer) const;
  Status Authenticate(std::string_view challenge, Want want);
  std::string Scope(Want want) const;  // as part of a query; empty for kAnything
  Result<FetchedManifest> GetManifest(const std::string& reference, Want want);
  Error Refusal(std::string_view doing, const net::HttpClientResponse& response) const;  // ToError, and what was withheld
  Status CheckTokenService(const Origin& service) const;
  Result<std::string> ReadToken(const net::HttpClientResponse& response) const;
  // For every hop of every request: a registry outside must not make this client ask inside of its own network. `namer`: the address
  // of who names it; empty where nobody here knows it.
  bool MayAsk(const std::string& url, const std::string& address, const std::string& namer) const;
  bool MayGetCredentials(const std::string& realm) const;
  std::string Url(const std::string& rest) const;
  std::pair<std::string, std::string> BasicHeader() const;

  // registry_upload.cc
  Result<std::string> StartUpload(const std::string& query, std::string_view doing);  // its address; empty: done already (201)
  Answer SendRest(std::string& url, const Digest& digest, const RandomSource& source, std::uint64_t offset, const Moved& moved);
  Answer SendBody(const std::string& method, const std::string& url, const RandomSource& source, std::uint64_t offset, const Moved& moved);
  std::uint64_t Received(std::string& url);  // bytes the upload has; 0 and an empty address: start again
  Result<std::string> UploadUrl(const net::HttpClientResponse& response) const;

  net::HttpClient& http_;
  ImageReference image_;
  std::string base_;
  std::optional<Credentials> credentials_;
  Patience patience_;
  std::string mount_source_, token_host_;
  std::string address_;        // that the registry answered from last; empty behind a proxy
  std::string withheld_from_;  // host of the token service that did not get the credentials
  bool answered_ = false;
  bool basic_ = false;
  std::map<Want, std::string> tokens_;
  std::optional<std::pair<Digest, std::string>> begun_;  // an upload that a refused mount began
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
