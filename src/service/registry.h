#pragma once
// The registry's use cases: each checks rights, gates, does it and records it (audit in the same transaction).
// Blocking; callers run them on the pool. http/registry adapts them to the OCI Distribution API.
//
// Errors: kUnauthenticated, kDenied (with a message for the client; `Denial` in refusals of the gate), kNotFound (also
// for what the caller may not see), kInvalid, kDigest, kRange, kLimit, kConflict, kUnsupported, kUnavailable, kIo. The
// OCI code that goes with it stands in the message's prefix only where Errc cannot tell: see OciCode.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "base/byte_source.h"
#include "base/digest.h"
#include "base/result.h"
#include "config/config.h"
#include "service/names.h"
#include "storage/blob/driver.h"

namespace bulwark::service {

using config::Sparse;

// Who asks, over which connection. Lives as long as the request.
struct Caller {
  auth::Principal principal;
  std::string remote;      // address of the socket's peer
  std::string user_agent;  // cut to 200 bytes
  std::string registry = {};  // host[:port] under which it reached us, for names of images in messages; empty if unknown

  std::string NameOf(const std::string& repository) const {
    return registry.empty() ? repository : registry + "/" + repository;
  }
};

struct BlobStat {
  Digest digest;
  std::uint64_t size = 0;
};

struct OpenedBlob {
  BlobStat stat;
  std::unique_ptr<storage::BlobReader> reader;
};

struct ManifestAnswer {
  Digest digest;
  std::string media_type;
  std::shared_ptr<const std::string> bytes;  // exactly as pushed; shared with the cache
};

struct UploadState {
  std::string id;            // 32 hex digits
  std::uint64_t offset = 0;  // bytes received
};

struct PushedManifest {
  Digest digest;
  std::optional<Digest> subject;  // OCI-Subject
  std::vector<std::string> tags;
  // Set when the push was stored but policy holds the image back (quarantine), or warns: one sentence each.
  std::vector<std::string> warnings;
};

struct ReferrerDescriptor {
  Digest digest;
  std::string media_type;
  std::uint64_t size = 0;
  std::string artifact_type;
  std::string annotations_json;  // an object, or empty
};

struct ReferrersPage {
  std::vector<ReferrerDescriptor> items;
  std::optional<std::string> next;  // where the next page begins
};

struct Page {
  std::vector<std::string> items;
  bool more = false;
};

// One streaming upload request: bytes go in as they arrive. One thread at a time. Dropping it without End keeps the
// session with what was received (resumable).
class UploadStream {
 public:
  virtual ~UploadStream() = default;
  virtual Status Append(ByteSpan bytes) = 0;
  virtual Result<UploadState> End() = 0;  // PATCH is done
  virtual Result<BlobStat> Commit(
      const Digest& digest) = 0;  // PUT (or monolithic POST) is done: verified, durable, leased
};

class Registry {
 public:
  virtual ~Registry() = default;

  // Blobs.
  virtual Result<BlobStat> StatBlob(const Caller&, const RepoName&, const Digest&) = 0;
  virtual Result<OpenedBlob> OpenBlob(const Caller&, const RepoName&, const Digest&) = 0;
  virtual Status DeleteBlob(const Caller&, const RepoName&, const Digest&) = 0;

  // Uploads.
  virtual Result<UploadState> StartUpload(const Caller&, const RepoName&) = 0;
  // nullopt: nothing to mount (or no right in `from`): start an upload instead. kUnauthenticated: the caller's token does
  // not name `from`, another one could. Without `from`: from where the token names.
  virtual Result<std::optional<BlobStat>> MountBlob(const Caller&, const RepoName& to, const Digest&,
                                                    const std::optional<RepoName>& from) = 0;
  virtual Result<UploadState> UploadStatus(const Caller&, const RepoName&, std::string_view upload_id) = 0;
  // `offset`: what the client says comes next (Content-Range), nullopt if it does not say. kRange with the true offset
  // in the message otherwise; kConflict while another request holds the session.
  virtual Result<std::unique_ptr<UploadStream>> ContinueUpload(const Caller&, const RepoName&,
                                                               std::string_view upload_id,
                                                               std::optional<std::uint64_t> offset) = 0;
  virtual Status CancelUpload(const Caller&, const RepoName&, std::string_view upload_id) = 0;

  // Manifests and tags.
  virtual Result<ManifestAnswer> GetManifest(const Caller&, const RepoName&, const Reference&) = 0;
  // As GetManifest, but no pull: for HEAD and for what the client has already. Nothing counts as running by it.
  virtual Result<ManifestAnswer> StatManifest(const Caller&, const RepoName&, const Reference&) = 0;
  // GetManifest by what is at hand, for a caller who has the right to pull: never blocks. nullopt: ask GetManifest.
  virtual std::optional<ManifestAnswer> ManifestAtHand(const Caller&, const RepoName&, const Reference&) { return std::nullopt; }
  virtual Result<PushedManifest> PutManifest(const Caller&, const RepoName&, const Reference&,
                                             std::string_view content_type, std::string bytes,
                                             const std::vector<TagName>& more_tags) = 0;
  virtual Status DeleteManifest(const Caller&, const RepoName&,
                                const Reference&) = 0;  // a tag reference deletes the tag only
  virtual Result<Page> ListTags(const Caller&, const RepoName&, std::size_t n, std::string_view last) = 0;
  virtual Result<Page> ListRepositories(const Caller&, std::size_t n,
                                        std::string_view last) = 0;  // those the caller may see
  // One page, limited in bytes; `after`: the `next` of the page before, or empty. Empty also for a repository that is not
  // there, where the caller has the right to pull.
  virtual Result<ReferrersPage> Referrers(const Caller&, const RepoName&, const Digest& subject,
                                          const std::optional<std::string>& artifact_type, std::string_view after) = 0;
};

// The OCI error code of an error of Registry ("BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "DENIED", …) where its Errc and
// the route do not decide it: messages of such errors begin with "CODE: ". Splits that off; empty code if there is
// none.
struct CodedMessage {
  std::string_view code;
  std::string_view message;
};
CodedMessage OciCode(const Error& error);

}  // namespace bulwark::service
