#pragma once
// Counts pulls in memory and writes them in batches (DESIGN 2.23).

#include <map>
#include <tuple>

#include "base/sync.h"
#include "storage/content.h"

namespace bulwark::storage {

// Any thread.
class PullCounter {
 public:
  // False once as many different rows wait as one flush should write: the caller flushes. Nothing is dropped.
  bool Add(RepositoryId repository, const Digest& digest, PrincipalId principal, Time now);
  // Writes what was counted; on an error it is kept for the next flush.
  Status Flush(Database& database);

 private:
  using Key = std::tuple<RepositoryId, Digest, PrincipalId, std::int64_t>;
  void PutBack(const std::map<Key, PullCount>& counts);

  Mutex mutex_;
  std::map<Key, PullCount> counts_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::storage
