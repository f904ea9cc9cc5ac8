#include "audit/audit.h"
#include "base/log.h"
#include "service/registry_parts.h"

namespace bulwark::service {
namespace {

constexpr std::size_t kMountSources = 4;  // that hold the blob: tried for a mount that names none

// A refusal of the gate is audited; "not here" is not.
Result<Pass> Checked(RegistryDeps& d, const Caller& caller, const storage::Repository& repository, const Digest& digest,
                     BlobUse use) {
  auto pass = d.gate.Blob(caller, repository, digest, use);
  if (!pass && pass.error().code == Errc::kDenied)
    return d.rights.Refuse(caller, "blob.pull", repository.name + "@" + digest.str(), pass.error());
  return pass;
}

// The row says that the file is there: it was lost from under us. A push of the same bytes mends it.
Error Lost(const Digest& digest, Error error) {
  if (error.code != Errc::kNotFound) return error;
  LogError("blob " + digest.str() + ": its file is missing from the store");
  return {Errc::kNotFound, "BLOB_UNKNOWN: the bytes of " + digest.str() + " are missing from the store; push them again"};
}

// Repositories that the token names.
Result<std::vector<storage::Repository>> Named(RegistryDeps& d, const std::vector<auth::Scope>& scopes) {
  return d.database.Read([&](const storage::ReadTx& tx) -> Result<std::vector<storage::Repository>> {
    std::vector<storage::Repository> out;
    for (const auth::Scope& scope : scopes) {
      auto name = RepoName::Parse(scope.repository);
      if (!name) continue;  // registry:catalog:*
      BW_TRY(auto repository, storage::ResolveRepository(tx, *name));
      if (repository) out.push_back(*std::move(repository));
    }
    return out;
  });
}

// For a mount without `from`: a repository that the token names, whose bytes of that digest the caller may read without any
// exemption. Without a token nothing is looked for: how long it takes would tell what repositories he may not see hold.
Result<std::optional<storage::Repository>> FindSource(RegistryDeps& d, const Caller& caller, const Digest& digest) {
  const std::optional<storage::Repository> none;
  if (!caller.principal.scopes) return none;
  BW_TRY(auto candidates, Named(d, *caller.principal.scopes));
  std::size_t tried = 0;
  for (storage::Repository& repository : candidates) {
    BW_TRY(bool reads, d.rights.Holds(caller.principal, auth::Verb::kPull, repository.name));
    if (!reads) continue;
    // The caller named no repository: that one of them refuses is no refusal to him.
    auto pass = d.gate.Blob(caller, repository, digest, BlobUse::kMount);
    if (pass && !pass->exemption) return std::optional(std::move(repository));
    if (!pass && pass.error().code == Errc::kNotFound) continue;
    if (++tried == kMountSources) break;
  }
  return none;
}

// nullopt: nothing to read there, for this caller.
Result<std::optional<storage::Repository>> CheckSource(RegistryDeps& d, const Caller& caller, const Digest& digest,
                                                       const RepoName& from) {
  const std::optional<storage::Repository> none;
  BW_TRY(bool reads, d.rights.Holds(caller.principal, auth::Verb::kPull, from.str()));
  if (!reads) {
    BW_TRY(bool owner_reads, d.rights.OwnerHolds(caller.principal, auth::Verb::kPull, from.str()));
    if (!owner_reads) return none;
    return Error{Errc::kUnauthenticated, "the token is not for " + from.str()};  // clients then ask for one that is
  }
  BW_TRY(auto source,
         d.database.Read([&](const storage::ReadTx& tx) { return storage::ResolveRepository(tx, from); }));
  if (!source) return none;
  auto pass = Checked(d, caller, *source, digest, BlobUse::kMount);
  if (!pass || pass->exemption) return none;  // what only an exemption may read is not carried elsewhere
  return source;
}

}  // namespace

Result<BlobStat> Blobs::Stat(const Caller& caller, const RepoName& name, const Digest& digest) {
  BW_TRY(auto repository, d_.rights.Repository(caller, name, auth::Verb::kPull, "blob.pull"));
  BW_CHECK(Checked(d_, caller, repository, digest, BlobUse::kExistence));
  auto info = d_.blobs.Stat({0, digest});
  if (!info) return Lost(digest, info.error());
  // A pusher who was told "it is there" relies on it until its manifest comes (DESIGN 2.15).
  BW_TRY(bool pushes, d_.rights.Holds(caller.principal, auth::Verb::kPush, name.str()));
  if (!pushes) return BlobStat{digest, info->size};
  storage::PrincipalId principal{caller.principal.id};
  BW_TRY(bool renew, d_.database.Read([&](const storage::ReadTx& tx) {
    return storage::LeaseNeedsRenewal(tx, repository.id, digest, principal, d_.clock.Now());
  }));
  if (renew) {
    BW_CHECK(d_.database.Write(
        [&](storage::Tx& tx) { return storage::RenewLease(tx, repository.id, digest, principal, d_.clock.Now()); }));
  }
  return BlobStat{digest, info->size};
}

Result<OpenedBlob> Blobs::Open(const Caller& caller, const RepoName& name, const Digest& digest) {
  BW_TRY(auto repository, d_.rights.Repository(caller, name, auth::Verb::kPull, "blob.pull"));
  BW_TRY(Pass pass, Checked(d_, caller, repository, digest, BlobUse::kBytes));
  BW_CHECK(d_.gate.Audit(caller, repository, digest, pass));
  auto reader = d_.blobs.Open({0, digest});
  if (!reader) return Lost(digest, reader.error());
  std::uint64_t size = (*reader)->size();
  return OpenedBlob{{digest, size}, *std::move(reader)};
}

Status Blobs::Delete(const Caller& caller, const RepoName& name, const Digest& digest) {
  BW_TRY(auto repository, d_.rights.Repository(caller, name, auth::Verb::kDelete, "blob.delete"));
  Status done = d_.database.Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(storage::UnlinkBlob(tx, repository.id, digest, d_.clock.Now()));
    return audit::Record(tx, d_.rights.Event(caller, "blob.delete", ObjectName(name, digest)));
  });
  if (done) return done;
  if (done.error().code == Errc::kNotFound)
    return {Errc::kNotFound, "BLOB_UNKNOWN: no blob " + digest.str() + " in " + name.str()};
  if (done.error().code == Errc::kConflict)
    return d_.rights.Refuse(caller, "blob.delete", ObjectName(name, digest),
                            {Errc::kConflict, "DENIED: a manifest of " + name.str() + " refers to this blob"});
  return done;
}

Result<std::optional<BlobStat>> Blobs::Mount(const Caller& caller, const RepoName& to, const Digest& digest,
                                             const std::optional<RepoName>& from) {
  BW_CHECK(d_.rights.Require(caller, to.str(), auth::Verb::kPush, "blob.mount"));
  const std::optional<BlobStat> upload_instead;
  // Whatever stands in the way, the answer is the same: upload it. A refusal to read there is in the audit log.
  BW_TRY(auto source, from ? CheckSource(d_, caller, digest, *from) : FindSource(d_, caller, digest));
  if (!source) return upload_instead;
  BW_TRY(auto target, RepositoryForPush(d_, caller, to, "blob.mount"));
  Status mounted = d_.database.Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(
        storage::Mount(tx, source->id, target.id, digest, storage::PrincipalId{caller.principal.id}, d_.clock.Now()));
    BW_TRY(auto completed, storage::BlobArrived(tx, target.id, digest, d_.clock.Now()));
    BW_CHECK(MarkCompleted(tx, target.id, completed));
    audit::Event event = d_.rights.Event(caller, "blob.mount", ObjectName(to, digest));
    event.reason = "from " + source->name;
    return audit::Record(tx, std::move(event));
  });
  if (!mounted && mounted.error().code == Errc::kNotFound) return upload_instead;
  BW_CHECK(mounted);
  BW_TRY(auto info, d_.blobs.Stat({0, digest}));
  return std::optional(BlobStat{digest, info.size});
}

}  // namespace bulwark::service
