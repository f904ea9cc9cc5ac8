#pragma once
// Removes what nothing holds any more, while everything else goes on (DESIGN 2.15). A blob goes in three steps: the row
// is marked dead where no edge, no live lease and no reservation is left, and that commits; the file is unlinked; the
// row is removed. Whoever finds a dead row finds no blob; whoever wants to store one waits for the third step
// (uploads.h). What may have become loose is written down by those who let go (manifest deletions, leases that run
// out) or judged when a deleted repository's manifests go, so a pass costs what changed, not what is stored.
// Transactions are short; pushes wait for one at most.

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "storage/blob/driver.h"
#include "storage/db/database.h"
#include "storage/ids.h"

namespace bulwark::storage {

struct CollectorReport {
  std::int64_t blobs = 0, bytes = 0;     // removed
  std::int64_t manifests = 0;            // of deleted repositories
  std::int64_t uploads = 0, spools = 0;  // sessions that expired; files without a session
  std::int64_t adopted = 0;              // files without a row that got one
  bool complete = true;                  // false: a pass that was ended early
};

// What ends a pass early: a request, or the time.
struct CollectorStop {
  std::stop_token token{};
  std::chrono::steady_clock::time_point at = std::chrono::steady_clock::time_point::max();
  bool stop_requested() const { return token.stop_requested() || std::chrono::steady_clock::now() >= at; }
};

// One thread at a time. Only one collector for a database and its blobs.
class Collector {
 public:
  // Called in the transaction that removes a deleted repository's last rows, so that other folders remove theirs.
  using Purge = std::function<Status(Tx&, RepositoryId)>;

  // All outlive the collector.
  Collector(Database& database, BlobDriver& blobs, const Clock& clock, Purge purge = {});

  // At start, before anybody else uses database and blobs: drops reservations of the process that died, finishes what
  // it was removing, removes expired sessions and spools without one.
  Result<CollectorReport> Recover();
  // Once after each start, beside everything else (it looks at every file). A file without a row belongs to a push that
  // was never acknowledged, or the database is older than the files (a restore, a lost one). It becomes a row that no
  // repository holds, so nobody sees it, and goes after limits::kBlobLease if nothing takes it: an administrator who
  // started with the wrong database has until then.
  Result<CollectorReport> AdoptOrphans(std::stop_token stop = {});
  // One pass over everything that is due. Ends early, in a sound state, when stop says so; the next goes on from there.
  // kIo: what could not be unlinked stays dead and is tried again by the next pass; the rest of the pass was done.
  Result<CollectorReport> Run(const CollectorStop& stop = {});

 private:
  Status ExpireLeases(const CollectorStop& stop);
  Status ExpireUploads(const CollectorStop& stop);
  Status PurgeRepositories(const CollectorStop& stop);
  Status PurgeRepository(RepositoryId repository, const CollectorStop& stop);
  Status RemoveLoose(const CollectorStop& stop);
  Status RemoveDead(const CollectorStop& stop);
  Status RemoveForeignSpools();
  Status Adopt(const std::vector<BlobInfo>& orphans);
  bool CancelSpool(const std::string& upload_id);

  Database& database_;
  BlobDriver& blobs_;
  const Clock& clock_;
  Purge purge_;
  CollectorReport report_;
};

}  // namespace bulwark::storage
