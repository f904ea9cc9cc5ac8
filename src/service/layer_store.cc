#include "service/layer_store.h"

#include <algorithm>
#include <optional>

#include <sys/resource.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "catalog/cataloger.h"

namespace bulwark::service {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kRecent = 64;                    // records held in memory for the manifest that follows
constexpr std::size_t kSavesWaiting = 16;              // records that wait to be packed and stored
constexpr milliseconds kPatience{200};                 // between looks at whether to stop
constexpr milliseconds kAnalysisTime{15 * 60 * 1000};  // longest wait for one worker; then a blind gap

image::LayerRecord Failed(std::string reason) {
  image::LayerRecord record;
  record.set_version = catalog::kSetVersion;
  record.limits_version = limits::kLimitsVersion;
  record.complete = false;
  record.is_layer = true;  // not known to be anything else
  record.gaps.push_back({image::GapKind::kBlind, "", "layer", std::move(reason)});
  return record;
}

// Packing a record is work that nobody waits for: pushes that are being analysed come first.
void StepBack() { ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19); }

}  // namespace

struct LayerStore::Pending {
  std::unique_ptr<LayerFollower> follower;  // null: read the stored blob
  std::optional<Error> failed;              // set with done
  LayerRecordPtr record;
  bool done = false;
};

LayerStore::LayerStore(storage::Database& database, const storage::BlobDriver& blobs, Analyzer& analyzer,
                       ThreadPool& pool)
    : database_(database), blobs_(blobs), analyzer_(analyzer), pool_(pool) {}

LayerStore::~LayerStore() {
  Stop();
  MutexLock lock(mutex_);
  while (running_ > 0) changed_.wait(mutex_);
}

void LayerStore::Stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void LayerStore::Adopt(const Digest& digest, std::unique_ptr<LayerFollower> follower) {
  MutexLock lock(mutex_);
  if (pending_.contains(digest)) return;  // somebody uploads the same bytes: theirs will do
  auto pending = std::make_shared<Pending>();
  pending->follower = std::move(follower);
  Start(digest, std::move(pending));
}

void LayerStore::Start(const Digest& digest, std::shared_ptr<Pending> pending) {
  pending_[digest] = pending;
  ++running_;
  pool_.Post([this, digest, pending] { Run(digest, pending); });
}

void LayerStore::Run(const Digest& digest, const std::shared_ptr<Pending>& pending) {
  auto record = Make(digest, *pending);
  pending->follower.reset();
  LayerRecordPtr shared;
  std::optional<Error> failed;
  if (record) shared = std::make_shared<const image::LayerRecord>(*std::move(record));
  else failed = record.error();
  {
    // Whoever waits gets the record now; the database follows (a verdict rests on the inventory, which is stored with
    // it).
    MutexLock lock(mutex_);
    pending->record = shared;
    pending->failed = std::move(failed);
    pending->done = true;
  }
  changed_.notify_all();
  if (!shared) return End(digest, pending);
  Remember(digest, shared);
  auto save = [this, digest, pending, shared] {
    if (IsReplaced(digest, shared)) return End(digest, pending);  // by one that knows more
    if (Status saved = Save(digest, *shared); !saved)
      LogError("layer record of " + digest.str() + ": " + saved.error().message);
    End(digest, pending);
  };
  // So many wait that they would cost more memory than the time is worth.
  if (saver_.waiting() >= kSavesWaiting) return save();
  saver_.Post([save] {
    StepBack();
    save();
  });
}

bool LayerStore::IsReplaced(const Digest& digest, const LayerRecordPtr& record) const {
  MutexLock lock(mutex_);
  return std::any_of(recent_.begin(), recent_.end(),
                     [&](const auto& item) { return item.first == digest && item.second != record; });
}

void LayerStore::End(const Digest& digest, const std::shared_ptr<Pending>& pending) {
  MutexLock lock(mutex_);
  if (auto it = pending_.find(digest); it != pending_.end() && it->second == pending) pending_.erase(it);
  --running_;
  changed_.notify_all();
}

Result<image::LayerRecord> LayerStore::Make(const Digest& digest, Pending& pending) {
  std::unique_ptr<storage::BlobReader> blob;
  if (!pending.follower) {  // a stored blob is followed like an upload that is complete: that can be stopped
    BW_TRY(blob, blobs_.Open({0, digest}));
    if (blob->fd() < 0) return {Errc::kUnsupported, "the blob store gives no descriptor for analysis"};
    auto follower = analyzer_.Follow(blob->fd());
    if (!follower) return Failed("analysis did not start: " + follower.error().message);
    pending.follower = *std::move(follower);
    pending.follower->Finished(blob->size());
  }
  const auto deadline = steady_clock::now() + kAnalysisTime;
  while (true) {
    auto record = pending.follower->Wait(kPatience);
    if (record) return record;
    bool again = record.error().code == Errc::kUnavailable && steady_clock::now() < deadline;
    if (!again) return Failed("analysis did not finish: " + record.error().message);
    MutexLock lock(mutex_);
    if (stopping_) return {Errc::kCancelled, "stopping"};  // the blob is stored: it is read by the next process
  }
}

Result<bool> LayerStore::IsKnown(const Digest& digest) const {
  {
    MutexLock lock(mutex_);  // the database follows
    for (const auto& [known, record] : recent_)
      if (known == digest && record->complete) return true;
  }
  BW_TRY(auto found, database_.Read([&](const storage::ReadTx& tx) {
    return tx.Int("SELECT complete FROM layer_records WHERE digest = ?1 AND set_version = ?2 AND limits_version = ?3",
                  {digest.str(), catalog::kSetVersion, limits::kLimitsVersion});
  }));
  return found.value_or(0) == 1;
}

Result<LayerRecordPtr> LayerStore::Get(const Digest& digest, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  std::shared_ptr<Pending> pending;
  {
    MutexLock lock(mutex_);
    for (const auto& [known, record] : recent_)
      if (known == digest) return record;
    if (auto it = pending_.find(digest); it != pending_.end()) pending = it->second;
  }
  if (!pending) {
    BW_TRY(LayerRecordPtr stored, Load(digest));
    if (stored) return stored;
    if (auto there = blobs_.Stat({0, digest}); !there) return there.error();
  }
  MutexLock lock(mutex_);
  if (!pending) {
    auto it = pending_.find(digest);
    if (it == pending_.end()) {
      pending = std::make_shared<Pending>();
      Start(digest, pending);
    } else {
      pending = it->second;
    }
  }
  while (!pending->done) {
    if (stopping_) return {Errc::kCancelled, "stopping"};
    if (changed_.wait_until(mutex_, deadline) == std::cv_status::timeout && !pending->done)
      return {Errc::kUnavailable, "layer " + digest.short_str() + " is being analysed"};
  }
  if (pending->failed) return *pending->failed;
  return pending->record;
}

Result<LayerRecordPtr> LayerStore::ReadAgain(const Digest& digest, const LayerRecordPtr& record,
                                             const std::vector<image::Unread>& unread) {
  BW_TRY(auto blob, blobs_.Open({0, digest}));
  if (blob->fd() < 0) return {Errc::kUnsupported, "the blob store gives no descriptor for analysis"};
  BW_TRY(image::LayerRecord more, analyzer_.ReadAgain(blob->fd(), blob->size(), *record, unread));
  if (more.entries.size() != record->entries.size())  // the worker died: what was known before is worth more
    return {Errc::kUnavailable, "reading files of layer " + digest.short_str() + " again failed"};
  auto shared = std::make_shared<const image::LayerRecord>(std::move(more));
  Remember(digest, shared);
  BW_CHECK(Save(digest, *shared));
  return LayerRecordPtr(shared);
}

Result<LayerRecordPtr> LayerStore::Load(const Digest& digest) const {
  Bytes packed;
  BW_CHECK(database_.Read([&](const storage::ReadTx& tx) {
    return tx.Each("SELECT record FROM layer_records WHERE digest = ?1 AND set_version = ?2 AND limits_version = ?3",
                   {digest.str(), catalog::kSetVersion, limits::kLimitsVersion}, [&](const storage::Row& row) {
                     packed.assign(row.Blob(0).begin(), row.Blob(0).end());
                     return false;
                   });
  }));
  if (packed.empty()) return LayerRecordPtr();
  BW_TRY(image::LayerRecord record, image::DecodeLayerRecord(packed));
  return LayerRecordPtr(std::make_shared<const image::LayerRecord>(std::move(record)));
}

Status LayerStore::Save(const Digest& digest, const image::LayerRecord& record) {
  Bytes packed = image::Encode(record);
  return database_.Write([&](storage::Tx& tx) -> Status {
    // Facts of older versions served until now.
    BW_CHECK(tx.Exec("DELETE FROM layer_records WHERE digest = ?1", {digest.str()}));
    BW_CHECK(tx.Exec(
        "INSERT INTO layer_records (digest, set_version, limits_version, complete, record) VALUES (?1, ?2, ?3, ?4, ?5)",
        {digest.str(), record.set_version, record.limits_version, record.complete, packed}));
    return {};
  });
}

void LayerStore::Remember(const Digest& digest, LayerRecordPtr record) {
  MutexLock lock(mutex_);
  recent_.remove_if([&](const auto& item) { return item.first == digest; });
  recent_.emplace_front(digest, std::move(record));
  if (recent_.size() > kRecent) recent_.pop_back();
}

void LayerStore::DropCache() {
  MutexLock lock(mutex_);
  recent_.clear();
}

}  // namespace bulwark::service
