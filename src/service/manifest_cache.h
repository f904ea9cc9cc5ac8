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

  // Null: ask the gate. What does not serve any more goes when it is met.
  std::shared_ptr<const Entry> Find(const RepoName& name, const Reference& reference, Time now);
  void Insert(const RepoName& name, const Reference& reference, Entry entry);

 private:
  // Shared with the requests that answer from them.
  using Entries = std::unordered_map<std::string, std::shared_ptr<const Entry>>;
  Entries::iterator Drop(Entries::iterator entry) BW_REQUIRES(mutex_);
  bool HasRoom(std::uint64_t size) const BW_REQUIRES(mutex_);
  void MakeRoom(std::uint64_t size, std::uint64_t generation) BW_REQUIRES(mutex_);

  const storage::Database& database_;
  Mutex mutex_;
  Entries entries_ BW_GUARDED_BY(mutex_);
  std::uint64_t bytes_ BW_GUARDED_BY(mutex_) = 0;
};

}  // namespace bulwark::service
