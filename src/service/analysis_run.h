#pragma once
// The server's half of one analysis: a blob that may still grow, driven through workers until there is a record.

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/sync.h"
#include "base/unique_fd.h"
#include "image/layer_record.h"
#include "sandbox/worker.h"
#include "service/analysis_messages.h"

namespace bulwark::service {

// Any thread, except that Run is called once.
class AnalysisRun {
 public:
  // `fd` can only read. `again`: the job is to read part of a known record again.
  AnalysisRun(sandbox::WorkerPool& workers, UniqueFd fd, Extent extent);
  void ReadAgain(Bytes record, std::vector<image::Unread> unread);

  // Works until there is a record or Cancel was called. Whatever goes wrong becomes the record's blind gap.
  void Run();

  void Grow(Extent extent);
  void Cancel();
  std::uint64_t behind() const;
  // The record, given once, when all bytes were announced. kUnavailable after `timeout`; kCancelled.
  Result<image::LayerRecord> Wait(std::chrono::milliseconds timeout);

 private:
  enum class Turn { kDone, kLater };  // kLater: gave the worker back, start anew when all bytes are there
  using Steady = std::chrono::steady_clock;

  Result<Turn> DriveSafely();
  Result<Turn> Drive();
  Status Begin(sandbox::Worker& worker, const Nonce& nonce, Extent& told);
  Result<Turn> Converse(sandbox::Worker& worker, const Nonce& nonce, Extent& told);
  Result<bool> OnProgress(sandbox::Worker& worker, const ProgressMessage& progress, Extent& told);
  Status OnRecord(const RecordMessage& message, const Nonce& nonce);
  bool WaitForBytes();                        // false: cancelled
  Result<bool> WaitForGrowth(Extent told);    // false: better later
  void Settle(image::LayerRecord record);
  bool cancelled() const;

  sandbox::WorkerPool& workers_;
  const UniqueFd fd_;
  bool again_ = false;
  Bytes known_record_;
  std::vector<image::Unread> unread_;

  mutable Mutex mutex_;
  ConditionVariable changed_;
  Extent extent_ BW_GUARDED_BY(mutex_);
  std::uint64_t read_ BW_GUARDED_BY(mutex_) = 0;
  bool cancelled_ BW_GUARDED_BY(mutex_) = false;
  bool settled_ BW_GUARDED_BY(mutex_) = false;
  bool all_at_once_ BW_GUARDED_BY(mutex_) = false;  // do not follow any more: wait for the end first
  std::optional<image::LayerRecord> record_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::service
