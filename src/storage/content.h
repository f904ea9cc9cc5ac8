#pragma once
// What the registry holds: projects, repositories, blobs, manifests, tags, leases, pulls (DESIGN 2.13, 2.15;
// docs/formats/database.md). Plain functions over a transaction that the caller opened, so that a service commits a
// change together with its rights check and its audit record. All return kIo and kCorrupt as the database does, besides
// what stands beside them. Upload sessions: uploads.h. Collection: collector.h.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "storage/blob/driver.h"
#include "storage/db/database.h"
#include "storage/ids.h"
#include "storage/names.h"

namespace bulwark::storage {

// The tables of folder "storage". Give them to Database::Migrate before any other function.
std::span<const Migration> ContentMigrations();

// A page of a list: `next` is given as `after` for the page behind it; nullopt at the end.
template <typename T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> next;
};
// `limit` is clamped to 1..limits::kPageMaximum.
struct PageRequest {
  std::size_t limit = 100;
  std::string after;  // empty: from the start. Lists by name take any text, lists by id give kInvalid for what is no id
};

// ---- projects and repositories ----

struct Project {
  ProjectId id{};
  std::string name;
  Time created{};
};
struct Repository {
  RepositoryId id{};
  ProjectId project{};
  std::string name;  // the full one
  Time created{};
};

Result<std::optional<Project>> FindProject(const ReadTx& tx, std::string_view name);
Result<Project> CreateProject(Tx& tx, std::string_view name, Time now);         // kExists, kInvalid
Result<Project> EnsureProject(Tx& tx, std::string_view name, Time now);         // finds or creates; kInvalid
// kConflict while it has repositories; deleted ones that the collector still removes are none.
Status DeleteProject(Tx& tx, ProjectId id);
Result<Page<Project>> ListProjects(const ReadTx& tx, const PageRequest& page);  // by name

Result<std::optional<Repository>> ResolveRepository(const ReadTx& tx, const RepoName& name);
Result<std::optional<Repository>> FindRepository(const ReadTx& tx, RepositoryId id);
// In its existing project (kNotFound: no such project); kExists.
Result<Repository> CreateRepository(Tx& tx, const RepoName& name, Time now);
// The name is free at once and nothing in it is found any more; the collector removes its rows in batches. kNotFound.
Status DeleteRepository(Tx& tx, RepositoryId id);
// By name, bytewise; `project` narrows. The caller filters by right.
Result<Page<Repository>> ListRepositories(const ReadTx& tx, std::optional<ProjectId> project, const PageRequest& page);

struct Usage {
  std::int64_t manifests = 0, tags = 0;
  std::int64_t bytes = 0;  // manifests and the blobs they refer to, each digest once in this repository (DESIGN 2.19)
};
Result<Usage> RepositoryUsage(const ReadTx& tx, RepositoryId repository);

// ---- manifests ----

enum class EdgeKind : std::uint8_t { kBlob = 1, kChild = 2, kSubject = 3 };  // stored numbers

struct Edge {
  EdgeKind kind = EdgeKind::kBlob;
  Digest digest;
  // As the descriptor says; a blob of another size is refused. nullopt: not checked.
  std::optional<std::uint64_t> size;
  // Blobs only: false for content that the specification lets live elsewhere (non-distributable layers with urls). A
  // blob that is not required and not in the repository gives no edge: the edge would become a right when it arrives.
  bool required = true;
};

// What the service read from a manifest that it already found valid.
struct NewManifest {
  Digest digest;
  std::string media_type;
  std::string artifact_type;      // as written, or empty
  std::string config_media_type;  // empty for indexes
  std::string annotations;        // the manifest's own annotations as a JSON object, or empty; answered by Referrers
  std::optional<Digest> subject;
  std::vector<Edge> edges;  // blobs (config and layers), children; the subject's edge is added here
  ByteSpan bytes;
  bool sparse = false;  // required blobs may be absent
};

struct PutOutcome {
  ManifestId id{};
  bool created = false;            // false: the repository had this digest already
  std::optional<Digest> replaced;  // what the tag pointed to before, if something else
  std::vector<Digest> completed;   // other manifests that a blob of this one came to (BlobArrived)
};

// The required blobs of `edges` that this repository does not hold by an edge or a live lease of `by`: knowing the digest
// of what another has sent is no permission. Each digest once, in the order of `edges`.
Result<std::vector<Digest>> MissingBlobs(const ReadTx& tx, RepositoryId repository, std::span<const Edge> edges,
                                         PrincipalId by, Time now);
// Stores the manifest with its edges and moves the tag. Children and subject may be absent (DESIGN 2.3).
// kNotFound naming the missing blobs (MANIFEST_BLOB_UNKNOWN); kInvalid: a blob's size is not the descriptor's;
// kLimit: limits::kManifestBytes, kManifestDescriptors.
Result<PutOutcome> PutManifest(Tx& tx, RepositoryId repository, const NewManifest& manifest,
                               const std::optional<TagName>& tag, PrincipalId pushed_by, Time now);

// Required blobs that were absent when the manifest was pushed, and still are. They are no edges: an edge to what is not
// there would become a right when the repository of somebody else has it. In bytewise order.
Result<std::vector<Digest>> AbsentBlobs(const ReadTx& tx, RepositoryId repository, const Digest& manifest);
// After the repository got the blob (an upload, a mount): it becomes an edge of the manifests that lack it, unless its
// size is not what they say. Which they are.
Result<std::vector<Digest>> BlobArrived(Tx& tx, RepositoryId repository, const Digest& blob, Time now);

struct Manifest {
  ManifestId id{};
  RepositoryId repository{};
  Digest digest;
  std::string media_type, artifact_type, config_media_type;
  std::optional<Digest> subject;
  std::uint64_t size = 0;
  Time created{};
  PrincipalId pushed_by{};
};

Result<std::optional<Manifest>> FindManifest(const ReadTx& tx, RepositoryId repository, const Digest& digest);
Result<std::optional<Manifest>> FindManifest(const ReadTx& tx, RepositoryId repository, const TagName& tag);
Result<std::optional<Manifest>> FindManifest(const ReadTx& tx, ManifestId id);
// The bytes as pushed; kNotFound.
Result<Bytes> ManifestBytes(const ReadTx& tx, ManifestId id);
// In the order of (kind, digest).
Result<std::vector<Edge>> EdgesOf(const ReadTx& tx, ManifestId id);
// By id, oldest first.
Result<Page<Manifest>> ListManifests(const ReadTx& tx, RepositoryId repository, const PageRequest& page);
// Manifests of this repository that name `digest` as blob, child or subject; newest first until `each` returns false.
Status EachReferencing(const ReadTx& tx, RepositoryId repository, EdgeKind kind, const Digest& digest,
                       const std::function<bool(ManifestId, const Digest&)>& each);
// Everywhere: (repository, manifest) pairs that refer to `digest`, for re-judging. Not a right of anybody.
Status EachReferencingAnywhere(const ReadTx& tx, EdgeKind kind, const Digest& digest,
                               const std::function<bool(RepositoryId, ManifestId, const Digest&)>& each);

struct Deleted {
  Digest digest;
  std::vector<std::string> tags;  // that pointed to it and went with it
  std::optional<Digest> subject;  // whose referrers changed
};
// With its tags; what it referred to stays as long as something else holds it. kNotFound.
Result<Deleted> DeleteManifest(Tx& tx, RepositoryId repository, const Digest& digest);

// ---- tags ----

struct Tag {
  std::string name;
  Digest digest;
  Time updated{};
};
Result<std::optional<Tag>> FindTag(const ReadTx& tx, RepositoryId repository, const TagName& name);
Result<Page<Tag>> ListTags(const ReadTx& tx, RepositoryId repository, const PageRequest& page);  // bytewise by name
Result<std::vector<std::string>> TagsOf(const ReadTx& tx, ManifestId id);                        // bytewise
// Points the tag at a manifest that is there; the digest it pointed to before. kNotFound.
Result<std::optional<Digest>> SetTag(Tx& tx, RepositoryId repository, const TagName& name, const Digest& digest,
                                     Time now);
// The digest it pointed to; kNotFound.
Result<Digest> DeleteTag(Tx& tx, RepositoryId repository, const TagName& name);

// ---- referrers ----

// One descriptor of the OCI index that answers /referrers.
struct Referrer {
  ManifestId id{};
  Digest digest;
  std::string media_type;
  std::string
      artifact_type;  // its artifactType, else its config's media type (distribution-spec 1.1, "Listing Referrers")
  std::string annotations;  // JSON object, or empty
  std::uint64_t size = 0;
};
// By id; `artifact_type` filters. A page also ends when its descriptors fill limits::kManifestBytes.
Result<Page<Referrer>> Referrers(const ReadTx& tx, RepositoryId repository, const Digest& subject,
                                 const std::optional<std::string>& artifact_type, const PageRequest& page);

// ---- blobs ----

struct BlobPresence {
  BlobInfo info;
  bool referenced = false;             // by a manifest of this repository (EachReferencing names them)
  std::vector<PrincipalId> uploaders;  // hold a live lease here because they sent or mounted the bytes
};
// nullopt: not in this repository, whoever else may hold it (also: being collected).
Result<std::optional<BlobPresence>> BlobInRepository(const ReadTx& tx, RepositoryId repository, const Digest& digest,
                                                     Time now);

// Whether a HEAD hit should write at all: true when the principal's lease is absent or half over.
Result<bool> LeaseNeedsRenewal(const ReadTx& tx, RepositoryId repository, const Digest& digest, PrincipalId principal,
                               Time now);
// Keeps a blob that is in this repository from collection for limits::kBlobLease. Gives no right to its bytes.
// kNotFound.
Status RenewLease(Tx& tx, RepositoryId repository, const Digest& digest, PrincipalId principal, Time now);
// Puts a blob of `from` into `to` by a lease for the principal, who must hold the right to read it in `from` (the
// caller's check, gate included). kNotFound: not in `from`.
Status Mount(Tx& tx, RepositoryId from, RepositoryId to, const Digest& digest, PrincipalId principal, Time now);
// Takes back the repository's leases on the blob. kNotFound: not in this repository; kConflict: a manifest refers to
// it.
Status UnlinkBlob(Tx& tx, RepositoryId repository, const Digest& digest, Time now);

// ---- pulls (DESIGN 2.23) ----

struct PullCount {
  RepositoryId repository{};
  Digest digest;
  PrincipalId principal{};
  std::int64_t day = 0;  // days since 1970, UTC
  std::int64_t count = 0;
  Time last{};
};
std::int64_t DayOf(Time t);
// Adds to what is recorded. Rows of repositories that are gone are dropped.
Status RecordPulls(Tx& tx, std::span<const PullCount> pulls);
// Rows of `repository` (and of one digest) with last >= since, newest first until `each` returns false.
Status EachPull(const ReadTx& tx, RepositoryId repository, const std::optional<Digest>& digest, Time since,
                const std::function<bool(const PullCount&)>& each);

}  // namespace bulwark::storage
