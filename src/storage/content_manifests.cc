// Manifests, their edges and referrers, of content.h.

#include <unordered_map>
#include <unordered_set>

#include "base/limits.h"
#include "storage/content.h"
#include "storage/content_rows.h"

namespace bulwark::storage {
namespace {

constexpr std::string_view kManifestColumns =
    "SELECT m.id, m.repository_id, m.digest, m.media_type, m.artifact_type, m.config_media_type, m.subject, m.size, "
    "m.created, m.pushed_by FROM manifests m JOIN repositories r ON r.id = m.repository_id AND r.name IS NOT NULL ";

std::string Select(std::string_view rest) { return std::string(kManifestColumns) + std::string(rest); }

Result<Manifest> ManifestOf(const Row& row) {
  Manifest m;
  m.id = ManifestId{row.Int(0)};
  m.repository = RepositoryId{row.Int(1)};
  BW_TRY(m.digest, StoredDigest(row.Text(2)));
  m.media_type = row.Text(3);
  m.artifact_type = row.Text(4);
  m.config_media_type = row.Text(5);
  if (!row.IsNull(6)) { BW_TRY(m.subject, StoredDigest(row.Text(6))); }
  m.size = static_cast<std::uint64_t>(row.Int(7));
  m.created = row.TimeAt(8);
  m.pushed_by = PrincipalId{row.Int(9)};
  return m;
}

Result<std::optional<Manifest>> FindOne(const ReadTx& tx, std::string_view sql, std::initializer_list<Param> params) {
  std::optional<Manifest> found;
  BW_CHECK(EachRow(tx, sql, params, [&](const Row& row) -> Result<bool> {
    BW_TRY(found, ManifestOf(row));
    return false;
  }));
  return found;
}

Status CheckLimits(const NewManifest& manifest) {
  if (manifest.bytes.size() > limits::kManifestBytes || manifest.annotations.size() > limits::kManifestBytes)
    return Error{Errc::kLimit, "the manifest is larger than " + std::to_string(limits::kManifestBytes) + " bytes"};
  if (manifest.edges.size() > limits::kManifestDescriptors + 2)  // config and subject stand beside the list
    return Error{Errc::kLimit,
                 "the manifest has more than " + std::to_string(limits::kManifestDescriptors) + " descriptors"};
  return {};
}

Error BlobsUnknown(const std::vector<Digest>& missing) {
  std::string message = "blobs unknown to the repository: ";
  constexpr std::size_t kNamed = 8;
  for (std::size_t i = 0; i < missing.size() && i < kNamed; ++i) message += (i ? ", " : "") + missing[i].str();
  if (missing.size() > kNamed) message += " and " + std::to_string(missing.size() - kNamed) + " more";
  return Error{Errc::kNotFound, std::move(message)};
}

Status InsertEdge(Tx& tx, RepositoryId repository, ManifestId manifest, const Edge& edge) {
  const Param size = edge.size ? Param(*edge.size) : Param(nullptr);
  return Run(tx,
             "INSERT INTO edges (manifest_id, kind, digest, size, repository_id) VALUES (?1, ?2, ?3, ?4, ?5) "
             "ON CONFLICT DO NOTHING",
             {manifest, edge.kind, edge.digest.str(), size, repository});
}

Status CheckSize(const Edge& edge, std::uint64_t size) {
  if (!edge.size || *edge.size == size) return {};
  return {Errc::kInvalid, "the descriptor of " + edge.digest.str() + " says " + std::to_string(*edge.size) +
                              " bytes, it has " + std::to_string(size)};
}

// Of a blob that is not here nothing else tells that one of two sizes is wrong.
Status CheckOneSize(const std::vector<Edge>& edges) {
  std::unordered_map<Digest, std::uint64_t> sizes;
  for (const Edge& edge : edges) {
    if (edge.kind != EdgeKind::kBlob || !edge.size) continue;
    if (sizes.emplace(edge.digest, *edge.size).first->second != *edge.size)
      return {Errc::kInvalid, "descriptors of " + edge.digest.str() + " say different sizes"};
  }
  return {};
}

// Of a child that is here; one that comes later is judged by its own bytes.
Status CheckChild(const ReadTx& tx, RepositoryId repository, const Edge& edge) {
  BW_TRY(auto size, tx.Int("SELECT size FROM manifests WHERE repository_id = ?1 AND digest = ?2", {repository, edge.digest.str()}));
  return size ? CheckSize(edge, static_cast<std::uint64_t>(*size)) : Status();
}

Status InsertEdges(Tx& tx, RepositoryId repository, ManifestId id, const NewManifest& manifest, PrincipalId pushed_by,
                   Time now) {
  for (const Edge& edge : manifest.edges) {
    if (edge.kind == EdgeKind::kBlob) {
      BW_TRY(auto held, HeldBlobSize(tx, repository, edge.digest, now, pushed_by));
      if (!held && edge.required) BW_CHECK(InsertAbsent(tx, repository, id, edge));
      if (!held) continue;
      BW_CHECK(CheckSize(edge, *held));
    } else {
      BW_CHECK(CheckChild(tx, repository, edge));
    }
    BW_CHECK(InsertEdge(tx, repository, id, edge));
  }
  if (manifest.subject)
    return InsertEdge(tx, repository, id, {EdgeKind::kSubject, *manifest.subject, std::nullopt, false});
  return {};
}

Result<ManifestId> InsertManifest(Tx& tx, RepositoryId repository, const NewManifest& manifest, PrincipalId pushed_by,
                                  Time now) {
  if (!manifest.sparse) {
    BW_TRY(auto missing, MissingBlobs(tx, repository, manifest.edges, pushed_by, now));
    if (!missing.empty()) return BlobsUnknown(missing);
  }
  BW_CHECK(CheckOneSize(manifest.edges));
  const std::string subject = manifest.subject ? manifest.subject->str() : "";
  BW_CHECK(tx.Exec(
      "INSERT INTO manifests (repository_id, digest, media_type, artifact_type, config_media_type, annotations, "
      "subject, size, created, pushed_by, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
      {repository, manifest.digest.str(), manifest.media_type, manifest.artifact_type, manifest.config_media_type,
       manifest.annotations, manifest.subject ? Param(subject) : Param(nullptr), manifest.bytes.size(), now, pushed_by,
       manifest.bytes}));
  const ManifestId id{tx.last_insert_id()};
  BW_CHECK(InsertEdges(tx, repository, id, manifest, pushed_by, now));
  return id;
}

// What the pusher sent, or what this manifest made the repository's, others may lack.
Result<std::vector<Digest>> CompleteOthers(Tx& tx, RepositoryId repository, const NewManifest& manifest,
                                           PrincipalId pushed_by, Time now) {
  std::vector<Digest> completed;
  BW_TRY(auto any, tx.Int("SELECT 1 FROM absent_blobs WHERE repository_id = ?1 LIMIT 1", {repository}));
  if (!any) return completed;
  for (const Edge& edge : manifest.edges) {
    if (edge.kind != EdgeKind::kBlob) continue;
    BW_TRY(auto held, HeldBlobSize(tx, repository, edge.digest, now, pushed_by));
    if (!held) continue;
    BW_CHECK(CheckSize(edge, *held));
    BW_TRY(auto arrived, BlobArrived(tx, repository, edge.digest, now));
    completed.insert(completed.end(), arrived.begin(), arrived.end());
  }
  return completed;
}

}  // namespace

Result<std::vector<Digest>> MissingBlobs(const ReadTx& tx, RepositoryId repository, std::span<const Edge> edges,
                                         PrincipalId by, Time now) {
  std::vector<Digest> missing;
  std::unordered_set<Digest> seen;
  for (const Edge& edge : edges) {
    if (edge.kind != EdgeKind::kBlob || !edge.required || !seen.insert(edge.digest).second) continue;
    BW_TRY(auto held, HeldBlobSize(tx, repository, edge.digest, now, by));
    if (!held) missing.push_back(edge.digest);
  }
  return missing;
}

Result<PutOutcome> PutManifest(Tx& tx, RepositoryId repository, const NewManifest& manifest,
                               const std::optional<TagName>& tag, PrincipalId pushed_by, Time now) {
  BW_CHECK(CheckLimits(manifest));
  BW_CHECK(RequireRepository(tx, repository));
  PutOutcome outcome;
  BW_TRY(auto there, FindManifest(tx, repository, manifest.digest));
  outcome.created = !there;
  if (there) {
    outcome.id = there->id;
  } else {
    BW_TRY(outcome.id, InsertManifest(tx, repository, manifest, pushed_by, now));
  }
  BW_TRY(outcome.completed, CompleteOthers(tx, repository, manifest, pushed_by, now));
  if (tag) {
    BW_TRY(auto before, SetTag(tx, repository, *tag, manifest.digest, now));
    if (before != manifest.digest) outcome.replaced = before;
  }
  return outcome;
}

Result<std::optional<Manifest>> FindManifest(const ReadTx& tx, RepositoryId repository, const Digest& digest) {
  static const std::string sql = Select("WHERE m.repository_id = ?1 AND m.digest = ?2");
  return FindOne(tx, sql, {repository, digest.str()});
}

Result<std::optional<Manifest>> FindManifest(const ReadTx& tx, RepositoryId repository, const TagName& tag) {
  static const std::string sql =
      Select("JOIN tags t ON t.manifest_id = m.id WHERE t.repository_id = ?1 AND t.name = ?2");
  return FindOne(tx, sql, {repository, tag.str()});
}

Result<std::optional<Manifest>> FindManifest(const ReadTx& tx, ManifestId id) {
  static const std::string sql = Select("WHERE m.id = ?1");
  return FindOne(tx, sql, {id});
}

Result<Bytes> ManifestBytes(const ReadTx& tx, ManifestId id) {
  std::optional<Bytes> out;
  BW_CHECK(tx.Each("SELECT bytes FROM manifests WHERE id = ?1", {id}, [&](const Row& row) {
    const ByteSpan bytes = row.Blob(0);
    out.emplace(bytes.begin(), bytes.end());
    return false;
  }));
  if (!out) return Error{Errc::kNotFound, "the manifest does not exist"};
  return *std::move(out);
}

Result<std::vector<Edge>> EdgesOf(const ReadTx& tx, ManifestId id) {
  std::vector<Edge> out;
  BW_CHECK(EachRow(tx, "SELECT kind, digest, size FROM edges WHERE manifest_id = ?1 ORDER BY kind, digest", {id},
                   [&](const Row& row) -> Result<bool> {
                     Edge edge;
                     edge.kind = static_cast<EdgeKind>(row.Int(0));
                     BW_TRY(edge.digest, StoredDigest(row.Text(1)));
                     if (!row.IsNull(2)) edge.size = static_cast<std::uint64_t>(row.Int(2));
                     edge.required = edge.kind == EdgeKind::kBlob;
                     out.push_back(edge);
                     return true;
                   }));
  return out;
}

Result<Page<Manifest>> ListManifests(const ReadTx& tx, RepositoryId repository, const PageRequest& request) {
  static const std::string sql = Select("WHERE m.repository_id = ?1 AND m.id > ?2 ORDER BY m.id LIMIT ?3");
  const std::int64_t limit = ClampedLimit(request);
  BW_TRY(std::int64_t after, IdCursor(request));
  Page<Manifest> page;
  BW_CHECK(EachRow(tx, sql, {repository, after, limit + 1}, [&](const Row& row) -> Result<bool> {
    if (page.items.size() == static_cast<std::size_t>(limit)) {
      page.next = std::to_string(static_cast<std::int64_t>(page.items.back().id));
      return false;
    }
    BW_TRY(Manifest m, ManifestOf(row));
    page.items.push_back(std::move(m));
    return true;
  }));
  return page;
}

Status EachReferencing(const ReadTx& tx, RepositoryId repository, EdgeKind kind, const Digest& digest,
                       const std::function<bool(ManifestId, const Digest&)>& each) {
  return EachRow(tx,
                 "SELECT m.id, m.digest FROM edges e JOIN manifests m ON m.id = e.manifest_id "
                 "JOIN repositories r ON r.id = e.repository_id AND r.name IS NOT NULL "
                 "WHERE e.digest = ?1 AND e.repository_id = ?2 AND e.kind = ?3 ORDER BY e.manifest_id DESC",
                 {digest.str(), repository, kind}, [&](const Row& row) -> Result<bool> {
                   BW_TRY(Digest manifest, StoredDigest(row.Text(1)));
                   return each(ManifestId{row.Int(0)}, manifest);
                 });
}

Status EachReferencingAnywhere(const ReadTx& tx, EdgeKind kind, const Digest& digest,
                               const std::function<bool(RepositoryId, ManifestId, const Digest&)>& each) {
  return EachRow(tx,
                 "SELECT e.repository_id, m.id, m.digest FROM edges e JOIN manifests m ON m.id = e.manifest_id "
                 "JOIN repositories r ON r.id = e.repository_id AND r.name IS NOT NULL "
                 "WHERE e.digest = ?1 AND e.kind = ?2 ORDER BY e.repository_id, e.manifest_id DESC",
                 {digest.str(), kind}, [&](const Row& row) -> Result<bool> {
                   BW_TRY(Digest manifest, StoredDigest(row.Text(2)));
                   return each(RepositoryId{row.Int(0)}, ManifestId{row.Int(1)}, manifest);
                 });
}

Result<Deleted> DeleteManifest(Tx& tx, RepositoryId repository, const Digest& digest) {
  BW_TRY(auto there, FindManifest(tx, repository, digest));
  if (!there) return Error{Errc::kNotFound, "the repository has no manifest " + digest.str()};
  Deleted deleted{digest, {}, there->subject};
  BW_TRY(deleted.tags, TagsOf(tx, there->id));
  BW_CHECK(Run(tx, "DELETE FROM tags WHERE manifest_id = ?1", {there->id}));
  BW_CHECK(
      Run(tx,
          "INSERT INTO loose_blobs (digest, since) SELECT digest, 0 FROM edges WHERE manifest_id = ?1 AND kind = 1 "
          "ON CONFLICT (digest) DO UPDATE SET since = 0",
          {there->id}));
  BW_CHECK(Run(tx, "DELETE FROM edges WHERE manifest_id = ?1", {there->id}));
  BW_CHECK(Run(tx, "DELETE FROM absent_blobs WHERE manifest_id = ?1", {there->id}));
  BW_CHECK(Run(tx, "DELETE FROM manifests WHERE id = ?1", {there->id}));
  return deleted;
}

Result<Page<Referrer>> Referrers(const ReadTx& tx, RepositoryId repository, const Digest& subject,
                                 const std::optional<std::string>& artifact_type, const PageRequest& request) {
  constexpr std::size_t kDescriptorBytes = 512;  // of a descriptor besides its annotations, about
  const std::int64_t limit = ClampedLimit(request);
  BW_TRY(std::int64_t after, IdCursor(request));
  Page<Referrer> page;
  std::size_t bytes = 0;
  // ?4 is null for "any".
  BW_CHECK(EachRow(
      tx,
      "SELECT m.id, m.digest, m.media_type, m.type, m.annotations, m.size FROM (SELECT *, CASE WHEN "
      "artifact_type <> '' THEN artifact_type ELSE config_media_type END AS type FROM manifests) m "
      "JOIN repositories r ON r.id = m.repository_id AND r.name IS NOT NULL "
      "WHERE m.repository_id = ?1 AND m.subject = ?2 AND m.id > ?3 AND (?4 IS NULL OR m.type = ?4) "
      "ORDER BY m.id LIMIT ?5",
      {repository, subject.str(), after, artifact_type ? Param(*artifact_type) : Param(nullptr), limit + 1},
      [&](const Row& row) -> Result<bool> {
        bytes += kDescriptorBytes + row.Text(4).size();
        const bool full = page.items.size() == static_cast<std::size_t>(limit) ||
                          (!page.items.empty() && bytes > limits::kManifestBytes);
        if (full) {
          page.next = std::to_string(static_cast<std::int64_t>(page.items.back().id));
          return false;
        }
        BW_TRY(Digest digest, StoredDigest(row.Text(1)));
        page.items.push_back({ManifestId{row.Int(0)}, digest, std::string(row.Text(2)), std::string(row.Text(3)),
                              std::string(row.Text(4)), static_cast<std::uint64_t>(row.Int(5))});
        return true;
      }));
  return page;
}

}  // namespace bulwark::storage
