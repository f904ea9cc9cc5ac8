#pragma once
// Manifests that whoever may pull from their repository gets now: by name and reference, while nothing was committed that
// could change it (storage::Database::generation) and no verdict has run out (DESIGN 2.16). Any thread, never blocks.

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/sync.h"
#include "service/registry.h"
#include "storage/content.h"
#include "storage/db/database.h"

namespace bulwark::service {

class ManifestCache {
 public:
  struct Entry {
    storage::Repository repository;
    ManifestAnswer answer;
    Time until{};                 // the first verdict runs out
    std::uint64_t generation = 0;  // read before everything else here was
  };
  // The database outlives it.
  explicit ManifestCache(const storage::Database& database) : database_(database) {}

  // Null: ask the gate.
  std::shared_ptr<const Entry> Find(const RepoName& name, const Reference& reference, Time now) const;
  void Insert(const RepoName& name, const Reference& reference, Entry entry);

 private:
  const storage::Database& database_;
  mutable Mutex mutex_;
  // Shared with the requests that answer from them.
  std::unordered_map<std::string, std::shared_ptr<const Entry>> entries_ BW_GUARDED_BY(mutex_);
  std::uint64_t bytes_ BW_GUARDED_BY(mutex_) = 0;
};

}  // namespace bulwark::service
