// Blobs, leases and pulls of content.h.

#include <chrono>

#include "base/limits.h"
#include "storage/content.h"
#include "storage/content_rows.h"

namespace bulwark::storage {
namespace {

Error NotHere(const Digest& digest) { return Error{Errc::kNotFound, "the repository has no blob " + digest.str()}; }

Result<bool> IsReferenced(const ReadTx& tx, RepositoryId repository, const Digest& digest) {
  BW_TRY(auto edge, tx.Int("SELECT 1 FROM edges WHERE digest = ?1 AND repository_id = ?2 AND kind = 1 LIMIT 1",
                           {digest.str(), repository}));
  return edge.has_value();
}

}  // namespace

Result<std::optional<std::uint64_t>> HeldBlobSize(const ReadTx& tx, RepositoryId repository, const Digest& digest,
                                                  Time now, std::optional<PrincipalId> by) {
  BW_TRY(auto size,
         tx.Int("SELECT b.size FROM blobs b JOIN repositories r ON r.id = ?2 AND r.name IS NOT NULL "
                "WHERE b.digest = ?1 AND b.domain = 0 AND b.dead = 0 AND "
                "(EXISTS (SELECT 1 FROM edges e WHERE e.digest = ?1 AND e.repository_id = ?2 AND e.kind = 1) OR "
                "EXISTS (SELECT 1 FROM leases l WHERE l.repository_id = ?2 AND l.digest = ?1 AND l.until > ?3 "
                "AND (?4 IS NULL OR l.principal_id = ?4)))",
                {digest.str(), repository, now, by ? Param(*by) : Param(nullptr)}));
  return size ? std::optional(static_cast<std::uint64_t>(*size)) : std::nullopt;
}

Result<std::optional<BlobPresence>> BlobInRepository(const ReadTx& tx, RepositoryId repository, const Digest& digest,
                                                     Time now) {
  BW_TRY(auto size, HeldBlobSize(tx, repository, digest, now));
  if (!size) return std::optional<BlobPresence>();
  BlobPresence presence;
  presence.info = {{kPlainDomain, digest}, *size};
  BW_TRY(presence.referenced, IsReferenced(tx, repository, digest));
  BW_CHECK(tx.Each(
      "SELECT principal_id FROM leases WHERE repository_id = ?1 AND digest = ?2 AND until > ?3 AND has_bytes = 1 "
      "ORDER BY principal_id",
      {repository, digest.str(), now}, [&](const Row& row) {
        presence.uploaders.push_back(PrincipalId{row.Int(0)});
        return true;
      }));
  return std::optional(std::move(presence));
}

Result<bool> LeaseNeedsRenewal(const ReadTx& tx, RepositoryId repository, const Digest& digest, PrincipalId principal,
                               Time now) {
  BW_TRY(auto fresh,
         tx.Int("SELECT 1 FROM leases WHERE repository_id = ?1 AND digest = ?2 AND principal_id = ?3 AND until > ?4",
                {repository, digest.str(), principal, now + Millis(limits::kBlobLease) / 2}));
  return !fresh.has_value();
}

Status RenewLease(Tx& tx, RepositoryId repository, const Digest& digest, PrincipalId principal, Time now) {
  BW_TRY(auto held, HeldBlobSize(tx, repository, digest, now));
  if (!held) return NotHere(digest);
  return GrantLease(tx, repository, digest, principal, LeaseKind::kTouched, now);
}

Status Mount(Tx& tx, RepositoryId from, RepositoryId to, const Digest& digest, PrincipalId principal, Time now) {
  BW_CHECK(RequireRepository(tx, to));
  BW_TRY(auto held, HeldBlobSize(tx, from, digest, now));
  if (!held) return NotHere(digest);
  return GrantLease(tx, to, digest, principal, LeaseKind::kHasBytes, now);
}

Status UnlinkBlob(Tx& tx, RepositoryId repository, const Digest& digest, Time now) {
  BW_TRY(auto held, HeldBlobSize(tx, repository, digest, now));
  if (!held) return NotHere(digest);
  BW_TRY(bool referenced, IsReferenced(tx, repository, digest));
  if (referenced) return Error{Errc::kConflict, "a manifest of the repository refers to " + digest.str()};
  BW_CHECK(Run(tx, "DELETE FROM leases WHERE repository_id = ?1 AND digest = ?2", {repository, digest.str()}));
  return MarkLoose(tx, digest, now);
}

std::int64_t DayOf(Time t) { return std::chrono::floor<std::chrono::days>(t).time_since_epoch().count(); }

Status RecordPulls(Tx& tx, std::span<const PullCount> pulls) {
  for (const PullCount& p : pulls) {
    BW_CHECK(Run(
        tx,
        "INSERT INTO pulls (repository_id, digest, principal_id, day, count, last) "
        "SELECT id, ?2, ?3, ?4, ?5, ?6 FROM repositories WHERE id = ?1 AND name IS NOT NULL "
        "ON CONFLICT (repository_id, digest, principal_id, day) DO UPDATE SET count = pulls.count + excluded.count, "
        "last = CASE WHEN pulls.last > excluded.last THEN pulls.last ELSE excluded.last END",
        {p.repository, p.digest.str(), p.principal, p.day, p.count, p.last}));
  }
  return {};
}

Status EachPull(const ReadTx& tx, RepositoryId repository, const std::optional<Digest>& digest, Time since,
                const std::function<bool(const PullCount&)>& each) {
  const auto call = [&](const Row& row) -> Result<bool> {
    BW_TRY(Digest pulled, StoredDigest(row.Text(0)));
    return each({repository, pulled, PrincipalId{row.Int(1)}, row.Int(2), row.Int(3), row.TimeAt(4)});
  };
  if (digest) {
    return EachRow(tx,
                   "SELECT digest, principal_id, day, count, last FROM pulls "
                   "WHERE repository_id = ?1 AND digest = ?2 AND last >= ?3 ORDER BY last DESC",
                   {repository, digest->str(), since}, call);
  }
  return EachRow(tx,
                 "SELECT digest, principal_id, day, count, last FROM pulls "
                 "WHERE repository_id = ?1 AND last >= ?2 ORDER BY last DESC",
                 {repository, since}, call);
}

}  // namespace bulwark::storage
