#pragma once
// The parts of Registry, by noun. registry.cc puts them together.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sync.h"
#include "service/engine.h"
#include "service/gate.h"
#include "service/layer_store.h"
#include "service/manifest_cache.h"
#include "service/pull_recorder.h"
#include "service/registry.h"
#include "service/rights.h"
#include "storage/uploads.h"

namespace bulwark::service {

// What the use cases work with. All outlive the registry.
struct RegistryDeps {
  storage::Database& database;
  storage::BlobDriver& blobs;
  Analyzer& analyzer;
  LayerStore& layers;
  Engine& engine;
  Rights& rights;
  Gate& gate;
  PullRecorder& pulls;
  const Clock& clock;
  std::uint64_t blob_bytes;  // largest blob accepted
  storage::UploadLimits uploads;
  Sparse sparse;
  ManifestCache& manifests;
};

// Manifests whose absent blob came are judged again, and count as unscanned until then.
Status MarkCompleted(storage::Tx& tx, storage::RepositoryId repository, const std::vector<Digest>& manifests);

class Blobs {
 public:
  explicit Blobs(RegistryDeps& deps) : d_(deps) {}
  Result<BlobStat> Stat(const Caller& caller, const RepoName& name, const Digest& digest);
  Result<OpenedBlob> Open(const Caller& caller, const RepoName& name, const Digest& digest);
  Status Delete(const Caller& caller, const RepoName& name, const Digest& digest);
  Result<std::optional<BlobStat>> Mount(const Caller& caller, const RepoName& to, const Digest& digest,
                                        const std::optional<RepoName>& from);

 private:
  RegistryDeps& d_;
};

// Sessions are rows bound to (id, principal, repository); what is open in memory hangs on the id and is found only
// after the row was. One request at a time holds a session.
class Uploads {
 public:
  explicit Uploads(RegistryDeps& deps) : d_(deps) {}
  Result<UploadState> Start(const Caller& caller, const RepoName& name);
  Result<UploadState> State(const Caller& caller, const RepoName& name, std::string_view id);
  Result<std::unique_ptr<UploadStream>> Continue(const Caller& caller, const RepoName& name, std::string_view id,
                                                 std::optional<std::uint64_t> offset);
  Status Cancel(const Caller& caller, const RepoName& name, std::string_view id);
  // Closes what was idle for that long; the spools stay and are opened again on demand.
  void CloseIdle(Millis idle);

 private:
  friend class OpenUpload;
  struct Session;
  class Stream;
  Result<storage::UploadSession> Find(const Caller& caller, const RepoName& name, std::string_view id);
  Result<std::shared_ptr<Session>> Take(const storage::UploadSession& row);
  void Release(const std::shared_ptr<Session>& session);
  void Forget(const std::shared_ptr<Session>& session);

  RegistryDeps& d_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Session>, std::less<>> sessions_
      BW_GUARDED_BY(mutex_);  // shared with the stream that holds it
};

class Manifests {
 public:
  explicit Manifests(RegistryDeps& deps) : d_(deps) {}
  enum class Counting { kPull, kLook };
  std::optional<ManifestAnswer> AtHand(const Caller& caller, const RepoName& name, const Reference& reference);
  Result<ManifestAnswer> Get(const Caller& caller, const RepoName& name, const Reference& reference,
                             Counting counting);
  Result<PushedManifest> Put(const Caller& caller, const RepoName& name, const Reference& reference,
                             std::string_view content_type, std::string bytes, const std::vector<TagName>& more_tags);
  Status Delete(const Caller& caller, const RepoName& name, const Reference& reference);
  Result<ReferrersPage> Referrers(const Caller& caller, const RepoName& name, const Digest& subject,
                                                    const std::optional<std::string>& artifact_type,
                                  std::string_view after);

 private:
  struct Incoming;
  Result<PushedManifest> Store(const Caller& caller, const RepoName& name, const Incoming& incoming);
  Status FindAbsent(const Caller& caller, Incoming& incoming) const;
  Status CheckPushDecision(const Caller& caller, const RepoName& name, const Incoming& incoming,
                           const Prepared& prepared);

  RegistryDeps& d_;
};

class Tags {
 public:
  explicit Tags(RegistryDeps& deps) : d_(deps) {}
  Result<Page> List(const Caller& caller, const RepoName& name, std::size_t n, std::string_view last);
  Result<Page> Repositories(const Caller& caller, std::size_t n, std::string_view last);

 private:
  RegistryDeps& d_;
};

// The repository, made by this push if it is absent: inside an existing project and with the right to create.
Result<storage::Repository> RepositoryForPush(RegistryDeps& deps, const Caller& caller, const RepoName& name,
                                              std::string_view action);

// A registry with `close_idle_uploads` for the background.
struct RegistryService {
  std::unique_ptr<Registry> registry;
  Uploads* uploads;  // lives in `registry`
};
RegistryService MakeRegistry(RegistryDeps& deps);

}  // namespace bulwark::service
