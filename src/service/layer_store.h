#pragma once
// Layer records: those being made behind uploads, those just made, those in the database (DESIGN 2.8, 2.9).

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/sync.h"
#include "base/thread_pool.h"
#include "image/layer_record.h"
#include "service/analysis.h"
#include "storage/blob/driver.h"
#include "storage/db/database.h"

namespace bulwark::service {

// Shared by the store's memory and whoever reads it.
using LayerRecordPtr = std::shared_ptr<const image::LayerRecord>;

class LayerStore {
 public:
  // All outlive it. `pool` runs the waiting for followers and the reading of stored blobs.
  LayerStore(storage::Database& database, const storage::BlobDriver& blobs, Analyzer& analyzer, ThreadPool& pool);
  ~LayerStore();

  // A finished upload whose digest is confirmed: its record arrives in the background and is stored.
  void Adopt(const Digest& digest, std::unique_ptr<LayerFollower> follower);
  // Whether a complete record of the current versions is there: no need to read the blob again.
  Result<bool> IsKnown(const Digest& digest) const;
  // The record. Waits up to `timeout` for one under way; reads the stored blob if nobody does. kUnavailable: not yet;
  // kNotFound: no such blob. A record of older versions serves when `stale_serves`.
  Result<LayerRecordPtr> Get(const Digest& digest, std::chrono::milliseconds timeout);
  // Reads what merge found unread in that layer; the record with those facts, stored under the same key.
  Result<LayerRecordPtr> ReadAgain(const Digest& digest, const LayerRecordPtr& record,
                                   const std::vector<image::Unread>& unread);
  void Stop();  // whoever waits gets kCancelled from here on; what is under way is given up
  // Forgets records held in memory. Jobs under way go on.
  void DropCache();

 private:
  struct Pending;
  void Start(const Digest& digest, std::shared_ptr<Pending> pending) BW_REQUIRES(mutex_);
  void Run(const Digest& digest, const std::shared_ptr<Pending>& pending);
  bool IsReplaced(const Digest& digest, const LayerRecordPtr& record) const;
  void End(const Digest& digest, const std::shared_ptr<Pending>& pending);
  Result<image::LayerRecord> Make(const Digest& digest, Pending& pending);
  Result<LayerRecordPtr> Load(const Digest& digest) const;  // null: none of the current versions
  Status Save(const Digest& digest, const image::LayerRecord& record);
  void Remember(const Digest& digest, LayerRecordPtr record);

  storage::Database& database_;
  const storage::BlobDriver& blobs_;
  Analyzer& analyzer_;
  ThreadPool& pool_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::map<Digest, std::shared_ptr<Pending>> pending_ BW_GUARDED_BY(mutex_);  // owned by the map and the task
  std::list<std::pair<Digest, LayerRecordPtr>> recent_ BW_GUARDED_BY(mutex_);
  std::size_t running_ BW_GUARDED_BY(mutex_) = 0;
  bool stopping_ BW_GUARDED_BY(mutex_) = false;
  ThreadPool saver_{"layer-record", 1};  // last: its tasks use the rest
};

}  // namespace bulwark::service
