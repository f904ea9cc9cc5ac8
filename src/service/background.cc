#include "service/background.h"

#include <exception>

#include "base/log.h"

namespace bulwark::service {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{500};  // how late a marked verdict may be seen without Wake
constexpr milliseconds kUpkeep{5000};
constexpr Millis kIdleUpload = std::chrono::minutes(5);
constexpr std::size_t kAtOnce = 64;

// One of the few edges that catch: a bug in one job must not end the thread.
template <typename F>
void Guarded(std::string_view what, F&& body) {
  try {
    if (auto done = body(); !done) LogError(std::string(what) + ": " + done.error().message);
  } catch (const std::exception& bug) { LogError(std::string(what) + ": " + bug.what()); }
}

}  // namespace

Background::Background(Engine& engine, PullRecorder& pulls, LayerStore& layers, Uploads& uploads, unsigned workers)
    : engine_(engine), pulls_(pulls), layers_(layers), uploads_(uploads) {
  for (unsigned i = 0; i < workers; ++i) {
    threads_.emplace_back([this] { Judge(); });
    threads_.emplace_back([this] { MakeFacts(); });
  }
  threads_.emplace_back([this] { Keep(); });
}

Background::~Background() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Background::Wake() {
  MutexLock lock(mutex_);
  ++wakes_;
  changed_.notify_all();
}

bool Background::Sleep(milliseconds time) {
  auto until = std::chrono::steady_clock::now() + time;
  MutexLock lock(mutex_);
  std::uint64_t seen = wakes_;
  while (!stopping_ && wakes_ == seen) {
    if (changed_.wait_until(mutex_, until) == std::cv_status::timeout) break;
  }
  return !stopping_;
}

void Background::Judge() {
  bool more = false;
  while (Sleep(more ? milliseconds(0) : kTick)) {
    more = false;
    Guarded("judging", [&]() -> Status {
      BW_TRY(std::size_t done, engine_.RunPending(kAtOnce));
      more = done > 0;
      return {};
    });
  }
}

void Background::MakeFacts() {
  bool more = false;
  while (Sleep(more ? milliseconds(0) : kTick)) {
    more = false;
    Guarded("making facts", [&]() -> Status {
      BW_TRY(more, engine_.RunFactsJob());
      return {};
    });
  }
}

void Background::Keep() {
  while (Sleep(kUpkeep)) {
    Guarded("recording pulls", [&] { return pulls_.Flush(PullRecorder::What::kDue); });
    uploads_.CloseIdle(kIdleUpload);
    layers_.DropCache();
  }
  Guarded("recording pulls", [&] { return pulls_.Flush(PullRecorder::What::kAll); });
}

}  // namespace bulwark::service
