#include "service/pull_recorder.h"

#include <vector>

#include "audit/audit.h"
#include "service/verdict_rows.h"

namespace bulwark::service {
namespace {

constexpr Millis kBatch = std::chrono::minutes(1);
constexpr std::size_t kEntries = 100'000;  // then a batch is written early

}  // namespace

void PullRecorder::Count(const Caller& caller, const storage::Repository& repository, const Digest& digest) {
  bool full = false;
  {
    MutexLock lock(mutex_);
    Add(caller, repository, digest);
    full = entries_.size() > kEntries;
  }
  // The caller waits then: pulls are never dropped silently.
  if (full) (void)Flush(What::kAll);
}

bool PullRecorder::CountAtHand(const Caller& caller, const storage::Repository& repository, const Digest& digest) {
  MutexLock lock(mutex_);
  if (entries_.size() >= kEntries) return false;
  Add(caller, repository, digest);
  return true;
}

void PullRecorder::Add(const Caller& caller, const storage::Repository& repository, const Digest& digest) {
  const Time now = clock_.Now();
  Entry& entry = entries_[{repository.id, digest, caller.principal.id, caller.remote}];
  if (entry.count++ == 0) {
    entry.repository_name = repository.name;
    entry.actor = caller.principal.name;
    entry.cluster = caller.principal.kind == auth::PrincipalKind::kCluster;
    entry.first = now;
  }
  entry.last = now;
}

Status PullRecorder::Flush(What what) {
  std::map<Key, Entry> batch;
  Time now = clock_.Now();
  {
    MutexLock lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end();) {
      bool due = what == What::kAll || it->second.cluster || now - it->second.first >= kBatch || now < it->second.first;
      if (due) {
        batch.insert(entries_.extract(it++));
      } else {
        ++it;
      }
    }
  }
  if (batch.empty()) return {};
  Status written = database_.Write([&](storage::Tx& tx) -> Status {
    std::vector<storage::PullCount> pulls;
    for (const auto& [key, entry] : batch) {
      pulls.push_back({key.repository, key.digest, storage::PrincipalId{key.principal}, storage::DayOf(entry.last),
                       entry.count, entry.last});
      if (entry.cluster) BW_CHECK(SeenRunning(tx, key.repository, key.digest, key.principal, entry.last));
      audit::Event event;
      event.at = entry.last;
      event.actor = entry.actor;
      event.actor_id = key.principal;
      event.action = "manifest.pull";
      event.object = entry.repository_name + "@" + key.digest.str();
      event.reason = "pulled " + std::to_string(entry.count) + (entry.count == 1 ? " time" : " times");
      event.remote = key.remote;
      BW_CHECK(audit::Record(tx, std::move(event)));
    }
    return storage::RecordPulls(tx, pulls);
  });
  if (!written) PutBack(std::move(batch));
  return written;
}

void PullRecorder::PutBack(std::map<Key, Entry> batch) {
  MutexLock lock(mutex_);
  for (auto& [key, entry] : batch) {
    Entry& now = entries_[key];
    std::int64_t count = now.count + entry.count;
    Time last = std::max(now.last, entry.last);
    now = std::move(entry);
    now.count = count;
    now.last = last;
  }
}

Status SeenRunning(storage::Tx& tx, storage::RepositoryId repository, const Digest& digest, std::int64_t principal,
                   Time when) {
  BW_CHECK(
      tx.Exec("INSERT INTO running_reports (repository, digest, principal, last) VALUES (?1, ?2, ?3, ?4) "
              "ON CONFLICT (repository, digest, principal) DO UPDATE SET last = excluded.last WHERE "
              "running_reports.last < excluded.last",
              {repository, digest.str(), principal, when}));
  BW_TRY(auto denied,
         tx.Int("SELECT 1 FROM verdicts WHERE repository = ?1 AND digest = ?2 AND denied_since IS NOT NULL LIMIT 1",
                {repository, digest.str()}));
  if (!denied) return {};
  return MarkPending(tx, repository, digest, Pending::kFacts);
}

}  // namespace bulwark::service
