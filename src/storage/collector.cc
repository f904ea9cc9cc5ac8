#include "storage/collector.h"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "storage/content_rows.h"

namespace bulwark::storage {
namespace {

// Rows of one transaction: a few milliseconds of the writer. A manifest may have thousands of edges.
constexpr std::int64_t kBatch = 500, kBatchEdges = 4000;
constexpr std::size_t kUnlinkers = 16, kFewUnlinks = 32;
// A digest that an upload holds is looked at again after this.
constexpr Millis kReservedPause{60'000};

struct DeadBlob {
  std::int64_t id;
  BlobKey key;
  std::int64_t size;
};

Result<std::vector<DeadBlob>> DeadAfter(const ReadTx& tx, std::int64_t id) {
  std::vector<DeadBlob> out;
  BW_CHECK(EachRow(tx, "SELECT id, domain, digest, size FROM blobs WHERE dead = 1 AND id > ?1 ORDER BY id LIMIT ?2",
                   {id, kBatch}, [&](const Row& row) -> Result<bool> {
                     BW_TRY(Digest digest, StoredDigest(row.Text(2)));
                     out.push_back({row.Int(0), {static_cast<std::uint32_t>(row.Int(1)), digest}, row.Int(3)});
                     return true;
                   }));
  return out;
}

// Each unlink may wait for the file system's journal (3.7 ms on ext4 with discard, of a file that was synced), and many
// wait together as long as one: 16 at a time make it 0.1 ms.
std::vector<Status> Unlink(BlobDriver& blobs, const std::vector<DeadBlob>& dead) {
  std::vector<Status> out(dead.size());
  const std::size_t threads = dead.size() < kFewUnlinks ? 1 : kUnlinkers;
  auto work = [&](std::size_t from) {
    for (std::size_t i = from; i < dead.size(); i += threads) out[i] = blobs.Remove(dead[i].key);
  };
  std::vector<std::jthread> others;
  for (std::size_t n = 1; n < threads; ++n) others.emplace_back(work, n);
  work(0);
  others.clear();  // joins
  return out;
}

Result<std::vector<std::string>> Texts(const ReadTx& tx, std::string_view sql, std::initializer_list<Param> params) {
  std::vector<std::string> out;
  BW_CHECK(tx.Each(sql, params, [&](const Row& row) {
    out.emplace_back(row.Text(0));
    return true;
  }));
  return out;
}

// Marks of a batch of loose digests those dead that nothing holds, and takes them off the list unless an upload holds
// them; how many were looked at. Statements of many rows, not many statements: each of those would copy every page that it
// changes for a rollback of its own.
Result<std::int64_t> JudgeLoose(Tx& tx, Time now) {
  BW_CHECK(Run(tx,
               "UPDATE loose_blobs SET since = ?2 WHERE since <= ?1 AND digest IN "
               "(SELECT digest FROM reservations WHERE until > ?1)",
               {now, now + kReservedPause}));
  BW_CHECK(Run(tx,
               "UPDATE blobs SET dead = 1 WHERE digest IN "
               "(SELECT digest FROM loose_blobs WHERE since <= ?1 ORDER BY since, digest LIMIT ?2) "
               "AND NOT EXISTS (SELECT 1 FROM edges e WHERE e.digest = blobs.digest AND e.kind = 1) "
               "AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.digest = blobs.digest AND l.until > ?1)",
               {now, kBatch}));
  return tx.Exec(
      "DELETE FROM loose_blobs WHERE digest IN "
      "(SELECT digest FROM loose_blobs WHERE since <= ?1 ORDER BY since, digest LIMIT ?2)",
      {now, kBatch});
}

// The last manifest of the next batch of a repository, in the order of ids; 0: there is none.
Result<std::int64_t> LastOfBatch(const ReadTx& tx, RepositoryId repository) {
  std::int64_t last = 0, edges = 0;
  BW_CHECK(tx.Each("SELECT m.id, (SELECT count(*) FROM edges e WHERE e.manifest_id = m.id) FROM manifests m "
                   "WHERE m.repository_id = ?1 ORDER BY m.id LIMIT ?2",
                   {repository, kBatch}, [&](const Row& row) {
                     last = row.Int(0);
                     return (edges += row.Int(1)) < kBatchEdges;
                   }));
  return last;
}

// A batch of manifests of a deleted repository; how many there were. Their blobs are judged here and not by way of the
// list of loose digests: that would be two random pages more for each of them.
Result<std::int64_t> PurgeManifests(Tx& tx, RepositoryId repository, Time now) {
  BW_TRY(const std::int64_t last, LastOfBatch(tx, repository));
  if (last == 0) return std::int64_t{0};
  const std::string batch = "(SELECT id FROM manifests WHERE repository_id = ?1 AND id <= ?2)";
  BW_CHECK(Run(tx, "DELETE FROM tags WHERE manifest_id IN " + batch, {repository, last}));
  BW_CHECK(Run(tx,
               "UPDATE blobs SET dead = 1 WHERE digest IN (SELECT digest FROM edges WHERE kind = 1 AND manifest_id IN " + batch +
                   ") AND NOT EXISTS (SELECT 1 FROM edges e WHERE e.digest = blobs.digest AND e.kind = 1 "
                   "AND (e.repository_id <> ?1 OR e.manifest_id > ?2)) "
                   "AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.digest = blobs.digest AND l.until > ?3) "
                   "AND NOT EXISTS (SELECT 1 FROM reservations v WHERE v.digest = blobs.digest AND v.until > ?3)",
               {repository, last, now}));
  // What a lease holds is looked at when that ends, what another edge holds when that goes.
  BW_CHECK(Run(tx,
               "INSERT INTO loose_blobs (digest, since) SELECT DISTINCT v.digest, 0 FROM reservations v "
               "JOIN edges e ON e.digest = v.digest AND e.kind = 1 AND e.repository_id = ?1 AND e.manifest_id <= ?2 "
               "WHERE v.until > ?3 ON CONFLICT (digest) DO UPDATE SET since = 0",
               {repository, last, now}));
  BW_CHECK(Run(tx, "DELETE FROM edges WHERE manifest_id IN " + batch, {repository, last}));
  BW_CHECK(Run(tx, "DELETE FROM absent_blobs WHERE manifest_id IN " + batch, {repository, last}));
  return tx.Exec("DELETE FROM manifests WHERE repository_id = ?1 AND id <= ?2", {repository, last});
}

Status PurgeRest(Tx& tx, RepositoryId repository, const Collector::Purge& purge) {
  BW_CHECK(Run(tx,
               "INSERT INTO loose_blobs (digest, since) SELECT DISTINCT digest, 0 FROM leases WHERE repository_id = ?1 "
               "ON CONFLICT (digest) DO UPDATE SET since = 0",
               {repository}));
  BW_CHECK(Run(tx, "DELETE FROM leases WHERE repository_id = ?1", {repository}));
  BW_CHECK(Run(tx, "DELETE FROM uploads WHERE repository_id = ?1", {repository}));
  BW_CHECK(Run(tx, "DELETE FROM pulls WHERE repository_id = ?1", {repository}));
  if (purge) BW_CHECK(purge(tx, repository));
  return Run(tx, "DELETE FROM repositories WHERE id = ?1", {repository});
}

// The time up to which at most about kBatch rows are due, so that a backlog does not become one long transaction.
Result<Time> BatchEnd(const ReadTx& tx, std::string_view sql, Time now) {
  BW_TRY(auto end, tx.Int(sql, {now, kBatch}));
  return end ? Time(Millis(*end)) : now;
}

}  // namespace

Collector::Collector(Database& database, BlobDriver& blobs, const Clock& clock, Purge purge)
    : database_(database), blobs_(blobs), clock_(clock), purge_(std::move(purge)) {}

Result<CollectorReport> Collector::Recover() {
  report_ = {};
  BW_CHECK(database_.Write([](Tx& tx) { return storage::Run(tx, "DELETE FROM reservations", {}); }));
  // A file that cannot be unlinked must not keep the registry from starting; the passes try again.
  if (Status removed = RemoveDead({}); !removed) LogWarning("remove dead blobs: " + removed.error().message);
  BW_CHECK(ExpireUploads({}));
  BW_CHECK(RemoveForeignSpools());
  return report_;
}

Result<CollectorReport> Collector::Run(const CollectorStop& stop) {
  report_ = {};
  BW_CHECK(ExpireLeases(stop));
  BW_CHECK(ExpireUploads(stop));
  BW_CHECK(PurgeRepositories(stop));
  BW_CHECK(RemoveLoose(stop));
  BW_CHECK(RemoveForeignSpools());
  report_.complete = !stop.stop_requested();  // what stopped a stage stops still
  return report_;
}

Status Collector::ExpireLeases(const CollectorStop& stop) {
  for (bool more = true; more && !stop.stop_requested();) {
    BW_CHECK(database_.Write([&](Tx& tx) -> Status {
      const Time now = clock_.Now();
      BW_TRY(Time end,
             BatchEnd(tx, "SELECT until FROM leases WHERE until <= ?1 ORDER BY until LIMIT 1 OFFSET ?2", now));
      BW_CHECK(storage::Run(
          tx,
          "INSERT INTO loose_blobs (digest, since) SELECT DISTINCT digest, 0 FROM leases WHERE until <= ?1 "
          "ON CONFLICT (digest) DO UPDATE SET since = 0",
          {end}));
      BW_TRY(std::int64_t n, tx.Exec("DELETE FROM leases WHERE until <= ?1", {end}));
      more = n > 0;
      return storage::Run(tx, "DELETE FROM reservations WHERE until <= ?1", {now});
    }));
  }
  return {};
}

Status Collector::ExpireUploads(const CollectorStop& stop) {
  while (!stop.stop_requested()) {
    std::vector<std::string> expired;
    BW_CHECK(database_.Write([&](Tx& tx) -> Status {
      BW_TRY(expired,
             Texts(tx, "SELECT id FROM uploads WHERE expires <= ?1 ORDER BY expires LIMIT ?2", {clock_.Now(), kBatch}));
      for (const std::string& id : expired) BW_CHECK(storage::Run(tx, "DELETE FROM uploads WHERE id = ?1", {id}));
      return {};
    }));
    if (expired.empty()) return {};
    for (const std::string& id : expired) CancelSpool(id);
    report_.uploads += static_cast<std::int64_t>(expired.size());
  }
  return {};
}

// A spool that is open (a request writes to it, or has a moment ago) stays until a later pass: RemoveForeignSpools.
bool Collector::CancelSpool(const std::string& upload_id) {
  auto writer = blobs_.Upload(upload_id);
  if (writer) {
    (*writer)->Cancel();
  } else if (writer.error().code != Errc::kConflict) {
    LogWarning("remove upload: " + writer.error().message);
  }
  return writer.ok();
}

Status Collector::PurgeRepositories(const CollectorStop& stop) {
  while (!stop.stop_requested()) {
    BW_TRY(auto id, database_.Read([](const ReadTx& tx) {
      return tx.Int("SELECT id FROM repositories WHERE name IS NULL ORDER BY id LIMIT 1", {});
    }));
    if (!id) return {};
    BW_CHECK(PurgeRepository(RepositoryId{*id}, stop));
  }
  return {};
}

Status Collector::PurgeRepository(RepositoryId repository, const CollectorStop& stop) {
  std::vector<std::string> uploads;
  for (bool done = false; !done;) {
    if (stop.stop_requested()) return {};
    std::int64_t purged = 0;
    BW_CHECK(database_.Write([&](Tx& tx) -> Status {
      BW_TRY(purged, PurgeManifests(tx, repository, clock_.Now()));
      done = purged == 0;
      if (!done) return {};
      BW_TRY(uploads, Texts(tx, "SELECT id FROM uploads WHERE repository_id = ?1", {repository}));
      return PurgeRest(tx, repository, purge_);
    }));
    report_.manifests += purged;
    // At once: an upload of a dead blob waits for its removal. What cannot be unlinked is told by RemoveLoose.
    static_cast<void>(RemoveDead(stop));
  }
  for (const std::string& id : uploads) CancelSpool(id);
  return {};
}

Status Collector::RemoveLoose(const CollectorStop& stop) {
  Status first = RemoveDead(stop);  // left by a pass that could not unlink
  while (!stop.stop_requested()) {
    std::int64_t judged = 0;
    BW_CHECK(database_.Write([&](Tx& tx) -> Status {
      BW_TRY(judged, JudgeLoose(tx, clock_.Now()));
      return {};
    }));
    if (judged == 0) return first;
    // From here on the dead rows are durable: no edge and no lease can come back to them.
    Status removed = RemoveDead(stop);
    if (first) first = std::move(removed);
  }
  return first;
}

Status Collector::RemoveDead(const CollectorStop& stop) {
  Status first;
  for (std::int64_t after = 0; !stop.stop_requested();) {
    BW_TRY(auto dead, database_.Read([&](const ReadTx& tx) { return DeadAfter(tx, after); }));
    if (dead.empty()) return first;
    after = dead.back().id;
    std::vector<DeadBlob> unlinked;
    std::vector<Status> removed = Unlink(blobs_, dead);
    for (std::size_t i = 0; i < dead.size(); ++i) {
      if (removed[i]) unlinked.push_back(dead[i]);
      else if (first) first = std::move(removed[i]);
    }
    // Only now may an upload of the same digest put a file in this place.
    BW_CHECK(database_.Write([&](Tx& tx) -> Status {
      for (const DeadBlob& blob : unlinked)
        BW_CHECK(storage::Run(tx, "DELETE FROM blobs WHERE id = ?1 AND dead = 1", {blob.id}));
      return {};
    }));
    for (const DeadBlob& blob : unlinked) report_.bytes += blob.size;
    report_.blobs += static_cast<std::int64_t>(unlinked.size());
  }
  return first;
}

Status Collector::RemoveForeignSpools() {
  std::vector<std::string> spools;
  BW_CHECK(blobs_.EachUpload([&](const std::string& id) {
    spools.push_back(id);
    return true;
  }));
  for (const std::string& id : spools) {
    BW_TRY(auto session,
           database_.Read([&](const ReadTx& tx) { return tx.Int("SELECT 1 FROM uploads WHERE id = ?1", {id}); }));
    if (session) continue;
    if (CancelSpool(id)) ++report_.spools;
  }
  return {};
}

Result<CollectorReport> Collector::AdoptOrphans(std::stop_token stop) {
  report_ = {};
  std::vector<BlobInfo> orphans;
  Status failed;
  BW_CHECK(blobs_.Each([&](const BlobInfo& blob) {
    auto known = database_.Read([&](const ReadTx& tx) {
      return tx.Int("SELECT 1 FROM blobs WHERE digest = ?1 AND domain = ?2", {blob.key.digest.str(), blob.key.domain});
    });
    if (!known) failed = known.error();
    else if (!*known) orphans.push_back(blob);
    if (orphans.size() >= static_cast<std::size_t>(kBatch)) failed = Adopt(std::exchange(orphans, {}));
    return failed.ok() && !stop.stop_requested();
  }));
  BW_CHECK(failed);
  BW_CHECK(Adopt(orphans));
  return report_;
}

// Nobody but this thread removes files, so what was listed is still there. An upload that finishes now has either its
// reservation or its row.
Status Collector::Adopt(const std::vector<BlobInfo>& orphans) {
  if (orphans.empty()) return {};
  std::int64_t adopted = 0;
  BW_CHECK(database_.Write([&](Tx& tx) -> Status {
    const Time now = clock_.Now();
    adopted = 0;
    for (const BlobInfo& blob : orphans) {
      const std::string digest = blob.key.digest.str();
      BW_TRY(std::int64_t n, tx.Exec("INSERT INTO blobs (domain, digest, size, created) SELECT ?1, ?2, ?3, ?4 "
                                     "WHERE NOT EXISTS (SELECT 1 FROM reservations WHERE digest = ?2) "
                                     "ON CONFLICT (digest, domain) DO NOTHING",
                                     {blob.key.domain, digest, blob.size, now}));
      if (n > 0) BW_CHECK(MarkLoose(tx, blob.key.digest, now + limits::kBlobLease));
      adopted += n;
    }
    return {};
  }));
  report_.adopted += adopted;
  return {};
}

}  // namespace bulwark::storage
