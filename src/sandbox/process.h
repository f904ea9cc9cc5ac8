#pragma once
// A started worker process as the server sees it: socket, memory watch, and how it ended.

#include <chrono>
#include <memory>
#include <string>

#include <sys/types.h>

#include "base/sync.h"
#include "sandbox/frames.h"
#include "sandbox/worker.h"

namespace bulwark::sandbox {

class WorkerProcess final : public Worker {
 public:
  // Starts `program worker` with descriptors 0 to 2 from `null_fd`. The process dies with the thread that calls this.
  // kUnavailable.
  static Result<std::unique_ptr<WorkerProcess>> Start(const std::string& program, Mode mode, int null_fd);
  ~WorkerProcess() override;

  // Waits until it has locked itself down. kUnsupported with what is missing, kUnavailable, kCancelled.
  Status WaitReady(const std::function<bool()>& cancelled);

  Status Send(ByteSpan message, int fd) override;
  Result<Bytes> Receive(std::uint64_t limit, std::chrono::milliseconds timeout) override;
  std::uint64_t peak_memory() const override;

 private:
  WorkerProcess(pid_t pid, UniqueFd socket, UniqueFd status);
  void Kill();
  // Reaps it, by force after a while, and says how it ended.
  Error Ended();
  // kUnavailable once it used more than limits::kWorkerMemory: it is killed then.
  Status CheckMemory();

  const pid_t pid_;
  UniqueFd socket_;
  UniqueFd status_file_;  // /proc/PID/status, opened while we still may
  FrameReader frames_;
  std::chrono::steady_clock::time_point last_check_{};
  mutable Mutex mutex_;
  std::uint64_t peak_ BW_GUARDED_BY(mutex_) = 0;
  bool reaped_ = false;
  std::string end_;  // how, once reaped
};

}  // namespace bulwark::sandbox
