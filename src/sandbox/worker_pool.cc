#include <algorithm>
#include <deque>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>

#include "base/log.h"
#include "base/sync.h"
#include "sandbox/lockdown.h"
#include "sandbox/process.h"
#include "sandbox/worker.h"

namespace bulwark::sandbox {
namespace {

// Counts the workers that are out, and wakes whoever waits for one to come back.
class Places {
 public:
  explicit Places(std::size_t places) : free_(places) {}
  void Take() {
    MutexLock lock(mutex_);
    ++waiting_;
    while (free_ == 0) changed_.wait(mutex_);
    --waiting_;
    --free_;
  }
  std::size_t waiting() const {
    MutexLock lock(mutex_);
    return waiting_;
  }
  void Return() {
    {
      MutexLock lock(mutex_);
      ++free_;
    }
    changed_.notify_one();
  }

 private:
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::size_t free_ BW_GUARDED_BY(mutex_);
  std::size_t waiting_ BW_GUARDED_BY(mutex_) = 0;
};

// A worker that is out: gives its place back when it goes.
class TakenWorker final : public Worker {
 public:
  TakenWorker(std::unique_ptr<WorkerProcess> process, Places& places) : process_(std::move(process)), places_(places) {}
  ~TakenWorker() override {
    process_.reset();
    places_.Return();
  }
  Status Send(ByteSpan message, int fd) override { return process_->Send(message, fd); }
  Result<Bytes> Receive(std::uint64_t limit, std::chrono::milliseconds timeout) override { return process_->Receive(limit, timeout); }
  std::uint64_t peak_memory() const override { return process_->peak_memory(); }

 private:
  std::unique_ptr<WorkerProcess> process_;
  Places& places_;
};

// One thread starts all processes, because each of them dies with the thread that started it (PR_SET_PDEATHSIG).
class ProcessPool final : public WorkerPool {
 public:
  ProcessPool(const WorkerOptions& options, UniqueFd null_fd)
      : options_(options), null_fd_(std::move(null_fd)), places_(std::max<std::size_t>(1, options.at_once)), starter_([this] { Run(); }) {}
  ~ProcessPool() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    starter_.join();
  }

  Result<std::unique_ptr<Worker>> Take(const std::function<bool()>& cancelled) override {
    places_.Take();
    auto process = NextReady(cancelled);
    if (!process.ok()) {
      places_.Return();
      return process.error();
    }
    return std::unique_ptr<Worker>(std::make_unique<TakenWorker>(*std::move(process), places_));
  }

  std::size_t waiting() const override { return places_.waiting(); }

 private:
  // One that died while it waited (the kernel was short of memory) is no reason to fail.
  Result<std::unique_ptr<WorkerProcess>> NextReady(const std::function<bool()>& cancelled) {
    for (std::size_t tries = options_.ready + 1;; --tries) {
      BW_TRY(auto process, Next());
      Status ready = process->WaitReady(cancelled);
      if (ready.ok()) return process;
      if (ready.error().code != Errc::kUnavailable || tries == 0) return ready.error();
    }
  }

  Result<std::unique_ptr<WorkerProcess>> Next() {
    MutexLock lock(mutex_);
    ++wanted_;
    changed_.notify_all();
    while (ready_.empty() && !failure_) changed_.wait(mutex_);
    --wanted_;
    if (ready_.empty()) {
      Error error = *failure_;
      if (wanted_ == 0) failure_.reset();  // the next who asks makes it try again
      return error;
    }
    auto process = std::move(ready_.front());
    ready_.pop_front();
    changed_.notify_all();
    return process;
  }

  bool ShouldStart() BW_REQUIRES(mutex_) {
    if (failure_) return false;
    return ready_.size() < options_.ready || ready_.size() < wanted_;
  }

  void Run() {
    pthread_setname_np(pthread_self(), "worker-starter");
    for (;;) {
      {
        MutexLock lock(mutex_);
        while (!stopping_ && !ShouldStart()) changed_.wait(mutex_);
        if (stopping_) break;
      }
      auto process = WorkerProcess::Start(options_.program, options_.mode, null_fd_.get());
      MutexLock lock(mutex_);
      if (process.ok()) ready_.push_back(*std::move(process));
      else failure_ = process.error();
      changed_.notify_all();
    }
    MutexLock lock(mutex_);
    ready_.clear();
  }

  const WorkerOptions options_;
  const UniqueFd null_fd_;
  Places places_;
  Mutex mutex_;
  ConditionVariable changed_;
  std::deque<std::unique_ptr<WorkerProcess>> ready_ BW_GUARDED_BY(mutex_);
  std::optional<Error> failure_ BW_GUARDED_BY(mutex_);  // of the last start, until everybody who waited heard of it
  std::size_t wanted_ BW_GUARDED_BY(mutex_) = 0;        // callers in Next
  bool stopping_ BW_GUARDED_BY(mutex_) = false;
  std::thread starter_;  // last: it uses the rest
};

}  // namespace

Result<std::unique_ptr<WorkerPool>> MakeWorkerPool(const WorkerOptions& options) {
  if (options.mode == Mode::kRequired && !SeccompAvailable()) {
    return {Errc::kUnsupported, "this kernel cannot filter system calls (seccomp), so images are not analysed; `sandbox: off` allows it without"};
  }
  UniqueFd null_fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_fd) return ErrnoError("opening /dev/null");
  return std::unique_ptr<WorkerPool>(std::make_unique<ProcessPool>(options, std::move(null_fd)));
}

Result<UniqueFd> OpenReadOnly(int fd) {
  UniqueFd out(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_RDONLY | O_CLOEXEC));
  if (!out) return ErrnoError("opening a file for a worker");
  return out;
}

}  // namespace bulwark::sandbox
