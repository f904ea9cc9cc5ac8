#pragma once
// Mutexes that clang's thread-safety analysis understands: a field says BW_GUARDED_BY(mutex_).

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define BW_THREAD_ATTR(x) __attribute__((x))
#else
#define BW_THREAD_ATTR(x)
#endif
#define BW_GUARDED_BY(x) BW_THREAD_ATTR(guarded_by(x))
#define BW_REQUIRES(x) BW_THREAD_ATTR(requires_capability(x))

namespace bulwark {

class BW_THREAD_ATTR(capability("mutex")) Mutex {
 public:
  void lock() BW_THREAD_ATTR(acquire_capability()) { mutex_.lock(); }
  void unlock() BW_THREAD_ATTR(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class BW_THREAD_ATTR(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) BW_THREAD_ATTR(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() BW_THREAD_ATTR(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits with a Mutex held: `while (!ready_) changed_.wait(mutex_);`
using ConditionVariable = std::condition_variable_any;

}  // namespace bulwark
