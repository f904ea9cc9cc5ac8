#include "storage/pull_counter.h"

#include <algorithm>
#include <utility>

namespace bulwark::storage {
namespace {

constexpr std::size_t kWaitingRows = 4096;

}  // namespace

bool PullCounter::Add(RepositoryId repository, const Digest& digest, PrincipalId principal, Time now) {
  const std::int64_t day = DayOf(now);
  MutexLock lock(mutex_);
  PullCount& count =
      counts_.try_emplace({repository, digest, principal, day}, PullCount{repository, digest, principal, day, 0, now})
          .first->second;
  ++count.count;
  count.last = std::max(count.last, now);
  return counts_.size() < kWaitingRows;
}

Status PullCounter::Flush(Database& database) {
  std::map<Key, PullCount> taken;
  {
    MutexLock lock(mutex_);
    taken.swap(counts_);
  }
  if (taken.empty()) return {};
  std::vector<PullCount> rows;
  rows.reserve(taken.size());
  for (const auto& [key, count] : taken) rows.push_back(count);
  Status written = database.Write([&](Tx& tx) { return RecordPulls(tx, rows); });
  if (!written) PutBack(taken);
  return written;
}

void PullCounter::PutBack(const std::map<Key, PullCount>& counts) {
  MutexLock lock(mutex_);
  for (const auto& [key, count] : counts) {
    auto [there, inserted] = counts_.try_emplace(key, count);
    if (inserted) continue;
    there->second.count += count.count;
    there->second.last = std::max(there->second.last, count.last);
  }
}

}  // namespace bulwark::storage
