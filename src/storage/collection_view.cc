#include "storage/collection_view.h"

#include <algorithm>

#include "storage/content_rows.h"

namespace bulwark::storage {
namespace {

constexpr std::size_t kTags = 5;  // shown of one manifest

// Digests that a pass would look at, and of these the blobs that it would remove (collector.cc: JudgeLoose). A deleted
// repository's edges and leases go first in the same pass.
constexpr std::string_view kDue =
    "WITH candidates (digest) AS ("
    "SELECT digest FROM loose_blobs WHERE since <= ?1 "
    "UNION SELECT digest FROM leases WHERE until <= ?1 "
    "UNION SELECT e.digest FROM repositories r JOIN edges e ON e.repository_id = r.id AND e.kind = 1 WHERE r.name IS NULL "
    "UNION SELECT l.digest FROM repositories r JOIN leases l ON l.repository_id = r.id WHERE r.name IS NULL "
    "UNION SELECT digest FROM blobs WHERE dead = 1), "
    "due AS (SELECT b.digest, b.size FROM candidates c JOIN blobs b ON b.digest = c.digest WHERE b.dead = 1 OR ("
    "NOT EXISTS (SELECT 1 FROM edges e JOIN repositories r ON r.id = e.repository_id AND r.name IS NOT NULL "
    "WHERE e.digest = b.digest AND e.kind = 1) "
    "AND NOT EXISTS (SELECT 1 FROM leases l JOIN repositories r ON r.id = l.repository_id AND r.name IS NOT NULL "
    "WHERE l.digest = b.digest AND l.until > ?1) "
    "AND NOT EXISTS (SELECT 1 FROM reservations v WHERE v.digest = b.digest AND v.until > ?1))) ";

// Leases that alone hold a blob, one row a repository and digest.
constexpr std::string_view kLeasedOnly =
    "WITH leased AS (SELECT l.repository_id, l.digest, max(l.until) AS until FROM leases l WHERE l.until > ?1 "
    "AND NOT EXISTS (SELECT 1 FROM edges e WHERE e.digest = l.digest AND e.kind = 1) "
    "GROUP BY l.repository_id, l.digest) ";

Result<std::int64_t> Count(const ReadTx& tx, std::string_view sql, std::initializer_list<Param> params) {
  BW_TRY(auto n, tx.Int(sql, params));
  return n.value_or(0);
}

Status FillDue(const ReadTx& tx, Time now, std::int64_t most, CollectionPreview& out) {
  const std::string due(kDue);
  BW_CHECK(tx.Each(due + "SELECT count(*), coalesce(sum(size), 0) FROM due", {now}, [&](const Row& row) {
    out.blobs = row.Int(0);
    out.bytes = row.Int(1);
    return false;
  }));
  if (out.blobs == 0) return {};
  return EachRow(tx, due + "SELECT digest, size FROM due ORDER BY size DESC, digest LIMIT ?2", {now, most},
                 [&](const Row& row) -> Result<bool> {
                   BW_TRY(Digest digest, StoredDigest(row.Text(0)));
                   out.largest.push_back({digest, row.Int(1)});
                   return true;
                 });
}

Status FillWaiting(const ReadTx& tx, Time now, std::int64_t most, CollectionPreview& out) {
  const std::string leased(kLeasedOnly);
  BW_CHECK(tx.Each(leased +
                       "SELECT r.name, count(*), coalesce(sum(b.size), 0), min(d.until), max(d.until) FROM leased d "
                       "JOIN repositories r ON r.id = d.repository_id AND r.name IS NOT NULL "
                       "JOIN blobs b ON b.digest = d.digest AND b.dead = 0 GROUP BY r.name ORDER BY 3 DESC, 1 LIMIT ?2",
                   {now, most}, [&](const Row& row) {
                     out.waiting.push_back(
                         {std::string(row.Text(0)), row.Int(1), row.Int(2), row.TimeAt(3), row.TimeAt(4)});
                     return true;
                   }));
  return tx.Each(leased +
                     "SELECT count(*), coalesce(sum(b.size), 0) FROM blobs b WHERE b.dead = 0 AND b.digest IN "
                     "(SELECT d.digest FROM leased d JOIN repositories r ON r.id = d.repository_id AND r.name IS NOT NULL)",
                 {now}, [&](const Row& row) {
                   out.waiting_blobs = row.Int(0);
                   out.waiting_bytes = row.Int(1);
                   return false;
                 });
}

Status FillEdges(const ReadTx& tx, const Digest& digest, std::int64_t most, BlobHolds& out) {
  BW_CHECK(EachRow(tx,
                   "SELECT r.name, m.id, m.digest, m.media_type FROM edges e "
                   "JOIN repositories r ON r.id = e.repository_id AND r.name IS NOT NULL "
                   "JOIN manifests m ON m.id = e.manifest_id WHERE e.digest = ?1 AND e.kind = 1 ORDER BY m.id LIMIT ?2",
                   {digest.str(), most + 1}, [&](const Row& row) -> Result<bool> {
                     BW_TRY(Digest manifest, StoredDigest(row.Text(2)));
                     out.edges.push_back(
                         {std::string(row.Text(0)), ManifestId{row.Int(1)}, manifest, std::string(row.Text(3)), {}});
                     return true;
                   }));
  out.more_edges = static_cast<std::int64_t>(out.edges.size()) > most;
  if (out.more_edges) out.edges.pop_back();
  for (BlobHolds::Edge& edge : out.edges) {
    BW_TRY(edge.tags, TagsOf(tx, edge.manifest_id));
    edge.tags.resize(std::min(edge.tags.size(), kTags));
  }
  return {};
}

Status FillLeases(const ReadTx& tx, const Digest& digest, Time now, std::int64_t most, BlobHolds& out) {
  return tx.Each(
      "SELECT r.name, l.principal_id, l.until FROM leases l "
      "JOIN repositories r ON r.id = l.repository_id AND r.name IS NOT NULL "
      "WHERE l.digest = ?1 AND l.until > ?2 ORDER BY l.until DESC, r.name, l.principal_id LIMIT ?3",
      {digest.str(), now, most}, [&](const Row& row) {
        out.leases.push_back({std::string(row.Text(0)), PrincipalId{row.Int(1)}, row.TimeAt(2)});
        return true;
      });
}

Status JudgeFate(const ReadTx& tx, const Digest& digest, Time now, BlobHolds& out) {
  std::optional<Time> reserved, since;
  BW_CHECK(tx.Each("SELECT count(*), max(until) FROM reservations WHERE digest = ?1 AND until > ?2",
                   {digest.str(), now}, [&](const Row& row) {
                     out.reservations = row.Int(0);
                     if (out.reservations > 0) reserved = row.TimeAt(1);
                     return false;
                   }));
  BW_CHECK(tx.Each("SELECT since FROM loose_blobs WHERE digest = ?1 AND since > ?2", {digest.str(), now},
                   [&](const Row& row) {
                     since = row.TimeAt(0);
                     return false;
                   }));
  if (!out.edges.empty()) {
    out.fate = Fate::kReferenced;
  } else if (!out.leases.empty()) {
    out.fate = Fate::kLeased;
    out.until = out.leases.front().until;
  } else if (reserved) {
    out.fate = Fate::kUploading;
    out.until = *reserved;
  } else if (since) {
    out.fate = Fate::kGrace;
    out.until = *since;
  }
  return {};
}

}  // namespace

Result<CollectionPreview> PreviewCollection(const ReadTx& tx, Time now, std::int64_t most) {
  CollectionPreview out;
  BW_CHECK(FillDue(tx, now, most, out));
  BW_CHECK(FillWaiting(tx, now, most, out));
  BW_TRY(out.repositories, Count(tx, "SELECT count(*) FROM repositories WHERE name IS NULL", {}));
  BW_TRY(out.manifests, Count(tx,
                              "SELECT count(*) FROM repositories r JOIN manifests m ON m.repository_id = r.id "
                              "WHERE r.name IS NULL",
                              {}));
  BW_TRY(out.uploads, Count(tx, "SELECT count(*) FROM uploads WHERE expires <= ?1", {now}));
  BW_CHECK(tx.Each("SELECT count(*), coalesce(max(since), 0) FROM loose_blobs WHERE since > ?1", {now},
                   [&](const Row& row) {
                     out.grace = row.Int(0);
                     out.grace_until = row.TimeAt(1);
                     return false;
                   }));
  return out;
}

Result<std::optional<BlobHolds>> WhyKept(const ReadTx& tx, const Digest& digest, Time now, std::int64_t most) {
  std::optional<BlobHolds> out;
  bool dead = false;
  BW_CHECK(tx.Each("SELECT size, created, dead FROM blobs WHERE digest = ?1 ORDER BY dead LIMIT 1", {digest.str()},
                   [&](const Row& row) {
                     out.emplace();
                     out->size = row.Int(0);
                     out->created = row.TimeAt(1);
                     dead = row.Int(2) == 1;
                     return false;
                   }));
  if (!out) return out;
  BW_CHECK(FillEdges(tx, digest, most, *out));
  BW_CHECK(FillLeases(tx, digest, now, most, *out));
  BW_CHECK(JudgeFate(tx, digest, now, *out));
  if (dead) out->fate = Fate::kRemoved;
  return out;
}

}  // namespace bulwark::storage
