#include "service/analysis.h"

#include <atomic>
#include <list>
#include <thread>

#include "base/sync.h"
#include "service/analysis_run.h"

namespace bulwark::service {
namespace {

// Shared by the follower, which feeds it, and the analyser's thread, which runs it.
using SharedRun = std::shared_ptr<AnalysisRun>;

class RunFollower final : public LayerFollower {
 public:
  explicit RunFollower(SharedRun run) : run_(std::move(run)) {}
  ~RunFollower() override { run_->Cancel(); }
  void Grew(std::uint64_t size) override { run_->Grow({size, false}); }
  void Finished(std::uint64_t size) override { run_->Grow({size, true}); }
  std::uint64_t behind() const override { return run_->behind(); }
  Result<image::LayerRecord> Wait(std::chrono::milliseconds timeout) override { return run_->Wait(timeout); }

 private:
  SharedRun run_;
};

class WorkerAnalyzer final : public Analyzer {
 public:
  explicit WorkerAnalyzer(sandbox::WorkerPool& workers) : workers_(workers) {}
  ~WorkerAnalyzer() override {
    std::list<Thread> threads;
    {
      MutexLock lock(mutex_);
      threads.swap(threads_);
    }
    for (Thread& t : threads) t.run->Cancel();
    for (Thread& t : threads) t.thread.join();
  }

  Result<std::unique_ptr<LayerFollower>> Follow(int spool_fd) override {
    BW_TRY(UniqueFd fd, sandbox::OpenReadOnly(spool_fd));
    auto run = std::make_shared<AnalysisRun>(workers_, std::move(fd), Extent{});
    Start(run);
    return std::unique_ptr<LayerFollower>(std::make_unique<RunFollower>(std::move(run)));
  }

  Result<image::LayerRecord> Read(int fd, std::uint64_t size) override {
    BW_TRY(UniqueFd own, sandbox::OpenReadOnly(fd));
    AnalysisRun run(workers_, std::move(own), {size, true});
    run.Run();
    return run.Wait(std::chrono::milliseconds(0));
  }

  Result<image::LayerRecord> ReadAgain(int fd, std::uint64_t size, const image::LayerRecord& record,
                                       const std::vector<image::Unread>& unread) override {
    BW_TRY(UniqueFd own, sandbox::OpenReadOnly(fd));
    AnalysisRun run(workers_, std::move(own), {size, true});
    run.ReadAgain(image::Encode(record), unread);
    run.Run();
    return run.Wait(std::chrono::milliseconds(0));
  }

 private:
  struct Thread {
    SharedRun run;
    std::shared_ptr<std::atomic<bool>> done;  // shared by the list and the thread
    std::thread thread;
  };

  void Start(const SharedRun& run) {
    auto done = std::make_shared<std::atomic<bool>>(false);
    std::list<Thread> ended;
    MutexLock lock(mutex_);
    for (auto it = threads_.begin(); it != threads_.end();) {
      auto next = std::next(it);
      if (*it->done) ended.splice(ended.end(), threads_, it);
      it = next;
    }
    for (Thread& t : ended) t.thread.join();  // at its last instruction
    threads_.push_back({run, done, std::thread([run, done] {
                          run->Run();
                          *done = true;
                        })});
  }

  sandbox::WorkerPool& workers_;
  Mutex mutex_;
  std::list<Thread> threads_ BW_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Analyzer> MakeAnalyzer(sandbox::WorkerPool& workers) { return std::make_unique<WorkerAnalyzer>(workers); }

}  // namespace bulwark::service
