#include "storage/blob/directory_sync.h"

namespace bulwark::storage {

Status DirectorySync::Sync(const std::string& directory) {
  MutexLock lock(mutex_);
  State& state = states_[directory];  // node-based: stays where it is while others come and go
  ++state.callers;
  // One that is running may have begun before our rename; the next one has not.
  const std::uint64_t needed = state.begun + 1;
  while (state.ended < needed) {
    if (state.running) {
      changed_.wait(mutex_);
      continue;
    }
    state.running = true;
    const std::uint64_t mine = ++state.begun;
    mutex_.unlock();
    Status done = files_.SyncDirectory(directory);
    mutex_.lock();
    state.running = false;
    state.ended = mine;
    if (!done) {
      state.failed = mine;
      state.failure = std::move(done);
    }
    changed_.notify_all();
  }
  // A later sync that succeeds says nothing for what a failed one should have written: the kernel may have dropped it.
  Status status = state.failed >= needed ? state.failure : Status();
  if (--state.callers == 0) states_.erase(directory);
  return status;
}

}  // namespace bulwark::storage
