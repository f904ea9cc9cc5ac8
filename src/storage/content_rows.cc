#include "storage/content_rows.h"

#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"

namespace bulwark::storage {

Result<Digest> StoredDigest(std::string_view text) {
  auto digest = Digest::Parse(text);
  if (!digest) return Error{Errc::kCorrupt, "database: " + digest.error().message};
  return digest;
}

Status RequireRepository(const ReadTx& tx, RepositoryId repository) {
  BW_TRY(auto there, tx.Int("SELECT 1 FROM repositories WHERE id = ?1 AND name IS NOT NULL", {repository}));
  if (!there) return Error{Errc::kNotFound, "the repository does not exist"};
  return {};
}

std::int64_t ClampedLimit(const PageRequest& page) {
  return static_cast<std::int64_t>(std::clamp<std::uint64_t>(page.limit, 1, limits::kPageMaximum));
}

Result<std::int64_t> IdCursor(const PageRequest& page) {
  if (page.after.empty()) return std::int64_t{0};
  auto id = ParseUint(page.after);
  if (!id || *id > INT64_MAX) return Error{Errc::kInvalid, "the page cursor is none of this list's"};
  return static_cast<std::int64_t>(*id);
}

Status MarkLoose(Tx& tx, const Digest& digest, Time since) {
  return Run(tx,
             "INSERT INTO loose_blobs (digest, since) VALUES (?1, ?2) "
             "ON CONFLICT (digest) DO UPDATE SET since = excluded.since WHERE loose_blobs.since > excluded.since",
             {digest.str(), since});
}

Status GrantLease(Tx& tx, RepositoryId repository, const Digest& digest, PrincipalId principal, LeaseKind kind,
                  Time now) {
  // A dead hold must not come back to life with its right: has_bytes survives only a lease that is still running.
  return Run(tx,
             "INSERT INTO leases (repository_id, digest, principal_id, until, has_bytes) VALUES (?1, ?2, ?3, ?4, ?5) "
             "ON CONFLICT (repository_id, digest, principal_id) DO UPDATE SET "
             "has_bytes = CASE WHEN leases.until > ?6 AND leases.has_bytes > excluded.has_bytes "
             "THEN leases.has_bytes ELSE excluded.has_bytes END, "
             "until = CASE WHEN leases.until > excluded.until THEN leases.until ELSE excluded.until END",
             {repository, digest.str(), principal, now + limits::kBlobLease, kind, now});
}

Status Run(Tx& tx, std::string_view sql, std::initializer_list<Param> params) {
  auto ran = tx.Exec(sql, params);
  return ran ? Status() : Status(std::move(ran).error());
}

Status EachRow(const ReadTx& tx, std::string_view sql, std::initializer_list<Param> params,
               const std::function<Result<bool>(const Row&)>& each) {
  Status failed;
  BW_CHECK(tx.Each(sql, params, [&](const Row& row) {
    auto more = each(row);
    if (more) return *more;
    failed = std::move(more).error();
    return false;
  }));
  return failed;
}

}  // namespace bulwark::storage
