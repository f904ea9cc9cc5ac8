#pragma once
// The threads that keep the service true while nobody asks: jobs and pending verdicts, expired times, pull batches,
// idle uploads, memory.

#include <atomic>
#include <thread>
#include <vector>

#include "base/sync.h"
#include "service/engine.h"
#include "service/layer_store.h"
#include "service/pull_recorder.h"
#include "service/registry_parts.h"

namespace bulwark::service {

class Background {
 public:
  // All outlive it. Starts `workers` threads that judge, as many that make facts (those wait for analysis, so that
  // judging never does), and one for upkeep; the destructor stops and joins them.
  Background(Engine& engine, PullRecorder& pulls, LayerStore& layers, Uploads& uploads, unsigned workers);
  ~Background();

  void Wake();  // something became pending

 private:
  void Judge();
  void MakeFacts();
  void Keep();
  bool Sleep(std::chrono::milliseconds time);  // false: stopping

  Engine& engine_;
  PullRecorder& pulls_;
  LayerStore& layers_;
  Uploads& uploads_;
  Mutex mutex_;
  ConditionVariable changed_;
  bool stopping_ BW_GUARDED_BY(mutex_) = false;
  std::uint64_t wakes_ BW_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_;
};

}  // namespace bulwark::service
