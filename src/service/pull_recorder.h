#pragma once
// Counts allowed pulls and writes them in batches: one row a day for what runs and for previews (DESIGN 2.23), one
// audit record a minute, principal, repository and digest (DESIGN 2.25).

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "base/sync.h"
#include "service/registry.h"
#include "storage/content.h"
#include "storage/db/database.h"

namespace bulwark::service {

class PullRecorder {
 public:
  // Both outlive it.
  PullRecorder(storage::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  void Count(const Caller& caller, const storage::Repository& repository, const Digest& digest);
  // The same without ever waiting for the database. False: not counted, there are too many unwritten ones.
  bool CountAtHand(const Caller& caller, const storage::Repository& repository, const Digest& digest);
  // Writes what is a minute old, what clusters pulled, or with kAll everything. On failure all is kept for the next
  // time.
  enum class What { kDue, kAll };
  Status Flush(What what);

 private:
  struct Key {
    storage::RepositoryId repository{};
    Digest digest;
    std::int64_t principal = 0;
    std::string remote;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    std::string repository_name, actor;
    bool cluster = false;
    std::int64_t count = 0;
    Time first{}, last{};
  };
  void Add(const Caller& caller, const storage::Repository& repository, const Digest& digest) BW_REQUIRES(mutex_);
  void PutBack(std::map<Key, Entry> batch);

  storage::Database& database_;
  const Clock& clock_;
  Mutex mutex_;
  std::map<Key, Entry> entries_ BW_GUARDED_BY(mutex_);
};

// A digest was seen running at that time: by a cluster's pull, or reported. Its denied verdicts are judged again
// (grace).
Status SeenRunning(storage::Tx& tx, storage::RepositoryId repository, const Digest& digest, std::int64_t principal,
                   Time when);

}  // namespace bulwark::service
