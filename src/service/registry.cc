#include "service/registry.h"

#include <algorithm>

#include "audit/audit.h"
#include "service/registry_parts.h"

namespace bulwark::service {

Status MarkCompleted(storage::Tx& tx, storage::RepositoryId repository, const std::vector<Digest>& manifests) {
  for (const Digest& manifest : manifests) BW_CHECK(MarkPending(tx, repository, manifest, Pending::kLayer));
  return {};
}

namespace {

class RegistryImpl final : public Registry {
 public:
  explicit RegistryImpl(RegistryDeps& deps) : blobs_(deps), uploads_(deps), manifests_(deps), tags_(deps) {}

  Result<BlobStat> StatBlob(const Caller& caller, const RepoName& name, const Digest& digest) override {
    return blobs_.Stat(caller, name, digest);
  }
  Result<OpenedBlob> OpenBlob(const Caller& caller, const RepoName& name, const Digest& digest) override {
    return blobs_.Open(caller, name, digest);
  }
  Status DeleteBlob(const Caller& caller, const RepoName& name, const Digest& digest) override {
    return blobs_.Delete(caller, name, digest);
  }
  Result<UploadState> StartUpload(const Caller& caller, const RepoName& name) override {
    return uploads_.Start(caller, name);
  }
  Result<std::optional<BlobStat>> MountBlob(const Caller& caller, const RepoName& to, const Digest& digest,
                                            const std::optional<RepoName>& from) override {
    return blobs_.Mount(caller, to, digest, from);
  }
  Result<UploadState> UploadStatus(const Caller& caller, const RepoName& name, std::string_view id) override {
    return uploads_.State(caller, name, id);
  }
  Result<std::unique_ptr<UploadStream>> ContinueUpload(const Caller& caller, const RepoName& name, std::string_view id,
                                                       std::optional<std::uint64_t> offset) override {
    return uploads_.Continue(caller, name, id, offset);
  }
  Status CancelUpload(const Caller& caller, const RepoName& name, std::string_view id) override {
    return uploads_.Cancel(caller, name, id);
  }
  Result<ManifestAnswer> GetManifest(const Caller& caller, const RepoName& name, const Reference& reference) override {
    return manifests_.Get(caller, name, reference, Manifests::Counting::kPull);
  }
  Result<ManifestAnswer> StatManifest(const Caller& caller, const RepoName& name, const Reference& reference) override {
    return manifests_.Get(caller, name, reference, Manifests::Counting::kLook);
  }
  std::optional<ManifestAnswer> ManifestAtHand(const Caller& caller, const RepoName& name,
                                               const Reference& reference) override {
    return manifests_.AtHand(caller, name, reference);
  }
  Result<PushedManifest> PutManifest(const Caller& caller, const RepoName& name, const Reference& reference,
                                     std::string_view content_type, std::string bytes,
                                     const std::vector<TagName>& more_tags) override {
    return manifests_.Put(caller, name, reference, content_type, std::move(bytes), more_tags);
  }
  Status DeleteManifest(const Caller& caller, const RepoName& name, const Reference& reference) override {
    return manifests_.Delete(caller, name, reference);
  }
  Result<Page> ListTags(const Caller& caller, const RepoName& name, std::size_t n, std::string_view last) override {
    return tags_.List(caller, name, n, last);
  }
  Result<Page> ListRepositories(const Caller& caller, std::size_t n, std::string_view last) override {
    return tags_.Repositories(caller, n, last);
  }
  Result<ReferrersPage> Referrers(const Caller& caller, const RepoName& name, const Digest& subject,
                                                    const std::optional<std::string>& artifact_type,
                                  std::string_view after) override {
    return manifests_.Referrers(caller, name, subject, artifact_type, after);
  }

  Uploads* uploads() { return &uploads_; }

 private:
  Blobs blobs_;
  Uploads uploads_;
  Manifests manifests_;
  Tags tags_;
};

}  // namespace

RegistryService MakeRegistry(RegistryDeps& deps) {
  auto registry = std::make_unique<RegistryImpl>(deps);
  Uploads* uploads = registry->uploads();
  return {std::move(registry), uploads};
}

CodedMessage OciCode(const Error& error) {
  std::string_view text = error.message;
  std::size_t colon = text.find(": ");
  if (colon == std::string_view::npos || colon == 0) return {"", text};
  std::string_view code = text.substr(0, colon);
  bool is_code = std::all_of(code.begin(), code.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; });
  if (!is_code) return {"", text};
  return {code, text.substr(colon + 2)};
}

Result<storage::Repository> RepositoryForPush(RegistryDeps& d, const Caller& caller, const RepoName& name,
                                              std::string_view action) {
  BW_CHECK(d.rights.Require(caller, name.str(), auth::Verb::kPush, action));
  BW_TRY(auto found, d.database.Read([&](const storage::ReadTx& tx) { return storage::ResolveRepository(tx, name); }));
  if (found) return *std::move(found);
  // A client's token never names "create": the grants of its owner decide.
  BW_TRY(bool creates, d.rights.OwnerHolds(caller.principal, auth::Verb::kCreate, name.str()));
  if (!creates)
    return d.rights.Refuse(caller, "repository.create", name.str(),
                           {Errc::kDenied, "DENIED: no right to create " + name.str()});
  auto made = d.database.Write([&](storage::Tx& tx) -> Result<storage::Repository> {
    BW_TRY(auto meanwhile, storage::ResolveRepository(tx, name));
    if (meanwhile) return *std::move(meanwhile);
    BW_TRY(auto repository, storage::CreateRepository(tx, name, d.clock.Now()));
    BW_CHECK(audit::Record(tx, d.rights.Event(caller, "repository.create", name.str())));
    return repository;
  });
  if (made || made.error().code != Errc::kNotFound) return made;
  return Error{Errc::kNotFound, "NAME_UNKNOWN: there is no project " + std::string(name.project()) +
                                    "; an administrator creates it first"};
}

}  // namespace bulwark::service
