#include "storage/uploads.h"

#include <chrono>
#include <thread>

#include "base/hex.h"
#include "base/limits.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "storage/content_rows.h"

namespace bulwark::storage {
namespace {

// Longer than any session or lease lives; released or dropped at start-up long before.
constexpr std::chrono::hours kReservation = 2 * limits::kUploadLifetime;
// A dead row goes within one batch of the collector; what takes longer is a sick disk.
constexpr int kDyingTries = 200;
constexpr std::chrono::milliseconds kDyingPause{10};

Status Reserve(Database& database, const UploadSession& session, const Digest& digest, const Clock& clock) {
  for (int tries = 0; tries < kDyingTries; ++tries) {
    BW_TRY(Reservation got, database.Write([&](Tx& tx) { return ReserveBlob(tx, digest, session.id, clock.Now()); }));
    if (got == Reservation::kFree) return {};
    std::this_thread::sleep_for(kDyingPause);
  }
  return Error{Errc::kUnavailable, "the blob " + digest.str() + " is being removed; try again"};
}

void Release(Database& database, const UploadSession& session, const Digest& digest) {
  Status released = database.Write([&](Tx& tx) { return ReleaseBlob(tx, digest, session.id); });
  if (!released) LogWarning("release " + digest.str() + ": " + released.error().message);  // it runs out by itself
}

}  // namespace

Result<UploadSession> CreateUpload(Tx& tx, RepositoryId repository, PrincipalId principal, Time now,
                                   const UploadLimits& allowed) {
  BW_CHECK(RequireRepository(tx, repository));
  BW_TRY(auto open, tx.Int("SELECT count(*) FROM uploads WHERE principal_id = ?1 AND expires > ?2", {principal, now}));
  if (open && static_cast<std::uint64_t>(*open) >= allowed.per_principal)
    return Error{Errc::kLimit, "more than " + std::to_string(allowed.per_principal) + " open uploads"};
  UploadSession session{ToHex(crypto::RandomBytes(16)), repository, principal, now, now + allowed.lifetime};
  BW_CHECK(Run(tx,
               "INSERT INTO uploads (id, repository_id, principal_id, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
               {session.id, repository, principal, session.created, session.expires}));
  return session;
}

Result<std::optional<UploadSession>> FindUpload(const ReadTx& tx, std::string_view id, RepositoryId repository,
                                                PrincipalId principal, Time now) {
  std::optional<UploadSession> found;
  BW_CHECK(tx.Each(
      "SELECT u.created, u.expires FROM uploads u JOIN repositories r ON r.id = u.repository_id AND r.name IS NOT NULL "
      "WHERE u.id = ?1 AND u.repository_id = ?2 AND u.principal_id = ?3 AND u.expires > ?4",
      {id, repository, principal, now}, [&](const Row& row) {
        found = UploadSession{std::string(id), repository, principal, row.TimeAt(0), row.TimeAt(1)};
        return false;
      }));
  return found;
}

Status RenewUpload(Tx& tx, const UploadSession& session, Time now, const UploadLimits& allowed) {
  BW_TRY(std::int64_t n,
         tx.Exec("UPDATE uploads SET expires = ?4 WHERE id = ?1 AND repository_id = ?2 AND principal_id = ?3 "
                 "AND expires > ?5",
                 {session.id, session.repository, session.principal, now + allowed.lifetime, now}));
  if (n == 0) return Error{Errc::kNotFound, "the upload session does not exist"};
  return {};
}

Status DeleteUpload(Tx& tx, const UploadSession& session) {
  BW_TRY(std::int64_t n, tx.Exec("DELETE FROM uploads WHERE id = ?1 AND repository_id = ?2 AND principal_id = ?3",
                                 {session.id, session.repository, session.principal}));
  if (n == 0) return Error{Errc::kNotFound, "the upload session does not exist"};
  return {};
}

Result<Reservation> ReserveBlob(Tx& tx, const Digest& digest, std::string_view upload_id, Time now) {
  BW_TRY(auto dead, tx.Int("SELECT dead FROM blobs WHERE digest = ?1 AND domain = 0", {digest.str()}));
  if (dead == 1) return Reservation::kDying;
  BW_CHECK(Run(tx,
               "INSERT INTO reservations (digest, upload_id, until) VALUES (?1, ?2, ?3) "
               "ON CONFLICT (digest, upload_id) DO UPDATE SET until = excluded.until",
               {digest.str(), upload_id, now + kReservation}));
  return Reservation::kFree;
}

Status ReleaseBlob(Tx& tx, const Digest& digest, std::string_view upload_id) {
  return Run(tx, "DELETE FROM reservations WHERE digest = ?1 AND upload_id = ?2", {digest.str(), upload_id});
}

Status RecordBlob(Tx& tx, const UploadSession& session, const BlobInfo& blob, Time now) {
  BW_CHECK(RequireRepository(tx, session.repository));
  const std::string digest = blob.key.digest.str();
  BW_TRY(std::int64_t reserved,
         tx.Exec("DELETE FROM reservations WHERE digest = ?1 AND upload_id = ?2", {digest, session.id}));
  BW_TRY(auto dead, tx.Int("SELECT dead FROM blobs WHERE digest = ?1 AND domain = ?2", {digest, blob.key.domain}));
  if (reserved == 0 || dead == 1) return Error{Errc::kConflict, "the upload of " + digest + " lost its reservation"};
  BW_CHECK(Run(tx,
               "INSERT INTO blobs (domain, digest, size, created) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (digest, domain) "
               "DO NOTHING",
               {blob.key.domain, digest, blob.size, now}));
  BW_CHECK(GrantLease(tx, session.repository, blob.key.digest, session.principal, LeaseKind::kHasBytes, now));
  return Run(tx, "DELETE FROM uploads WHERE id = ?1", {session.id});
}

Status FinishUpload(Database& database, const UploadSession& session, BlobWriter& writer, const Digest& expected,
                    const Clock& clock, const std::function<Status(Tx&)>& with) {
  BW_CHECK(Reserve(database, session, expected, clock));
  const std::uint64_t size = writer.size();
  if (Status committed = writer.Commit(expected); !committed) {
    Release(database, session, expected);
    return committed;
  }
  // From here on the file is durable; without its row nobody sees it.
  Status recorded = database.Write([&](Tx& tx) -> Status {
    BW_CHECK(RecordBlob(tx, session, {{kPlainDomain, expected}, size}, clock.Now()));
    return with ? with(tx) : Status();
  });
  if (!recorded) Release(database, session, expected);
  return recorded;
}

}  // namespace bulwark::storage
