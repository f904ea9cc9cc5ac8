#pragma once
// For tests: a FileSystem that fails chosen calls and that can show what a power cut would leave on the disk.
//
// It works on real files below `root` and records every change. The model of the disk is the weakest that POSIX allows
// a careful program: a file's bytes and size are durable only up to its last SyncData, a name (made, renamed, removed)
// only after SyncDirectory of its directory. What a failed sync should have written is lost for good, as with Linux.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/sync.h"
#include "storage/file_system.h"

namespace bulwark::storage {

class FaultyFileSystem final : public FileSystem {
 public:
  // kIgnored: the control experiment, as if fsync had been compiled out. Calls succeed and make nothing durable.
  enum class Sync { kHonoured, kIgnored };
  enum class Call { kOpen, kWrite, kTruncate, kSync, kRename, kRemove, kMakeDirectory, kSyncDirectory, kList };
  enum class Fault {
    kIo,          // EIO: nothing done
    kNoSpace,     // ENOSPC: nothing done (kUnavailable)
    kShortWrite,  // half of the bytes are written, then EIO; other calls: as kIo
  };
  // What of the unsynced changes reaches the disk at a power cut.
  enum class Unsynced {
    kDropped,  // nothing
    kRandom,   // each with probability 1/2; a write that survives may be torn at a 512-byte boundary
  };

  // What is below `root` already counts as durable.
  explicit FaultyFileSystem(std::string root, Sync sync = Sync::kHonoured);
  ~FaultyFileSystem() override;

  // The n-th call from now on (1: the next) that `matches` fails; one fault at a time. Any call if nothing is given.
  void FailNth(std::size_t n, Fault fault, std::function<bool(Call)> matches = {});
  // While paused no call fails and none is counted: for looking at the result.
  void Pause(bool paused);
  bool failed() const;        // whether the fault has happened
  std::size_t calls() const;  // that could have failed, so far

  // Changes recorded so far: the instants at which power can be cut are 0 … operations().
  std::size_t operations() const;
  // Writes the disk's state after the first `operations` changes into the empty directory `to`.
  Status PowerCut(std::size_t operations, Unsynced unsynced, std::uint64_t seed, const std::string& to) const;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status MakeDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::uint64_t> FreeBytes(const std::string& directory) const override;
  Status Each(const std::string& directory, const std::function<void(const std::string&)>& each) const override;

 private:
  class RecordedFile;
  struct Operation;
  struct Disk;

  // The fault that is due for this call, if any.
  std::optional<Fault> Due(Call call) const;
  Status Checked(Call call) const;
  void Record(Operation operation);
  std::string Relative(const std::string& path) const;
  void Scan(const std::string& directory) BW_REQUIRES(mutex_);

  const std::string root_;
  const Sync sync_;
  mutable Mutex mutex_;
  std::vector<Operation> log_ BW_GUARDED_BY(mutex_);
  std::unordered_map<std::string, int> inodes_ BW_GUARDED_BY(mutex_);  // by present name, relative to the root
  int next_inode_ BW_GUARDED_BY(mutex_) = 1;
  std::unique_ptr<Disk> start_;  // what was there at construction
  mutable std::size_t calls_ BW_GUARDED_BY(mutex_) = 0;
  mutable std::size_t due_ BW_GUARDED_BY(mutex_) = 0;  // 0: none
  mutable bool failed_ BW_GUARDED_BY(mutex_) = false;
  bool paused_ BW_GUARDED_BY(mutex_) = false;
  Fault fault_ BW_GUARDED_BY(mutex_) = Fault::kIo;
  std::function<bool(Call)> matches_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::storage
