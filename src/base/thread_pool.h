#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/sync.h"

namespace bulwark {

// A fixed number of threads that run blocking work, first in first out. An exception that leaves a task is logged and
// ends that task only (one of the few edges that catch). The destructor runs what was posted, then joins.
class ThreadPool {
 public:
  ThreadPool(std::string name, std::size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void Post(std::function<void()> task);  // any thread
  std::size_t waiting() const;            // posted and not yet begun

 private:
  void Run();

  std::string name_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::deque<std::function<void()>> tasks_ BW_GUARDED_BY(mutex_);
  bool stopping_ BW_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace bulwark
