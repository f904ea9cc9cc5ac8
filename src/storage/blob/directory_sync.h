#pragma once
// fsync of directories, shared by those who wait for the same one.

#include <memory>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "base/sync.h"
#include "storage/file_system.h"

namespace bulwark::storage {

class DirectorySync {
 public:
  explicit DirectorySync(FileSystem& files) : files_(files) {}
  // Returns after a sync that began after the call; several waiting callers share one. Fails if that one failed. Any
  // thread.
  Status Sync(const std::string& directory);

 private:
  struct State {
    std::uint64_t begun = 0, ended = 0, failed = 0;  // numbers of syncs of this directory; 0: none
    bool running = false;
    int callers = 0;
    Status failure;  // of number `failed`
  };
  FileSystem& files_;
  Mutex mutex_;
  ConditionVariable changed_;
  std::unordered_map<std::string, State> states_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::storage
