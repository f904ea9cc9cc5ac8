#pragma once
// Upload sessions, and how a finished upload becomes a blob.
//
// A blob row says that the file is there and durable. Against the collector, which marks a row dead, unlinks the file
// and then removes the row, a finishing upload goes in three steps:
//   1. ReserveBlob commits: from here on the collector leaves the digest alone. A reservation is no right: the bytes
//   are
//      not verified yet. A row that is dead already: wait until it is gone (kUnavailable after a while).
//   2. BlobWriter::Commit verifies the digest and makes the file durable.
//   3. RecordBlob commits: blob row, lease for the uploader, session and reservation gone.
// FinishUpload does all three; a crash between them leaves a file without a row, which start-up removes or adopts.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/digest.h"
#include "base/limits.h"
#include "base/result.h"
#include "storage/blob/driver.h"
#include "storage/db/database.h"
#include "storage/ids.h"

namespace bulwark::storage {

struct UploadSession {
  std::string id;  // 32 hex digits, random: hard to guess, and still found only by its owner in its repository
  RepositoryId repository{};
  PrincipalId principal{};
  Time created{}, expires{};
};

// What the configuration says of sessions.
struct UploadLimits {
  std::uint64_t per_principal = limits::kUploadSessionsPerUser;  // open at once
  Millis lifetime = limits::kUploadLifetime;                     // of one that rests
};

// kLimit: the principal has as many open as allowed.
Result<UploadSession> CreateUpload(Tx& tx, RepositoryId repository, PrincipalId principal, Time now,
                                   const UploadLimits& allowed = {});
// nullopt also for the sessions of others, of other repositories, and expired ones.
Result<std::optional<UploadSession>> FindUpload(const ReadTx& tx, std::string_view id, RepositoryId repository,
                                                PrincipalId principal, Time now);
// Moves `expires` to a lifetime from now; kNotFound.
Status RenewUpload(Tx& tx, const UploadSession& session, Time now, const UploadLimits& allowed = {});
// kNotFound. The caller cancels the spool (BlobWriter::Cancel) afterwards.
Status DeleteUpload(Tx& tx, const UploadSession& session);

enum class Reservation { kFree, kDying };  // kDying: being collected now, nothing was reserved
Result<Reservation> ReserveBlob(Tx& tx, const Digest& digest, std::string_view upload_id, Time now);
Status ReleaseBlob(Tx& tx, const Digest& digest, std::string_view upload_id);
// kConflict: no reservation of that upload, or the row died meanwhile (bugs and replicas only: upload again).
Status RecordBlob(Tx& tx, const UploadSession& session, const BlobInfo& blob, Time now);

// Steps 1 to 3. `with` joins step 3's transaction (audit, events). kDigest, kUnavailable: the session
// and its spool stay. After another error the client starts anew; a file without a row is left for start-up. Blocks for
// the disk.
Status FinishUpload(Database& database, const UploadSession& session, BlobWriter& writer, const Digest& expected,
                    const Clock& clock, const std::function<Status(Tx&)>& with = {});

}  // namespace bulwark::storage
