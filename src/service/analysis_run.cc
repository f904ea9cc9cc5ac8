#include "service/analysis_run.h"

#include <algorithm>
#include <exception>

#include "base/limits.h"
#include "base/log.h"
#include "catalog/cataloger.h"
#include "crypto/hash.h"

namespace bulwark::service {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kGrowStep = 256 * limits::kKiB;  // a waiting worker is not woken for less, except at the end
constexpr auto kLook = 200ms;                            // how soon a cancelled run is noticed
// A slow upload gives its worker back when it kept it idle this long and others wait for one.
constexpr auto kIdle = 2s;

std::chrono::milliseconds Left(std::chrono::steady_clock::time_point until) {
  return std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
}

// The blob counts as a layer that nobody could look into: what a runtime would make of it is unknown.
image::LayerRecord Blind(const std::string& reason, std::uint64_t size) {
  image::LayerRecord record;
  record.is_layer = true;
  record.complete = false;
  record.blob_size = size;
  record.set_version = catalog::kSetVersion;
  record.limits_version = limits::kLimitsVersion;
  record.gaps.push_back({image::GapKind::kBlind, "", "layer", reason});
  return record;
}

}  // namespace

AnalysisRun::AnalysisRun(sandbox::WorkerPool& workers, UniqueFd fd, Extent extent)
    : workers_(workers), fd_(std::move(fd)), extent_(extent) {}

void AnalysisRun::ReadAgain(Bytes record, std::vector<image::Unread> unread) {
  again_ = true;
  known_record_ = std::move(record);
  unread_ = std::move(unread);
}

void AnalysisRun::Run() {
  while (WaitForBytes()) {
    auto turn = DriveSafely();
    if (turn.ok() && *turn == Turn::kDone) return;
    if (!turn.ok()) {
      if (!cancelled()) Settle(Blind(turn.error().message, 0));
      return;
    }
    MutexLock lock(mutex_);
    all_at_once_ = true;
    read_ = 0;
  }
}

void AnalysisRun::Grow(Extent extent) {
  MutexLock lock(mutex_);
  extent_.size = std::max(extent_.size, extent.size);
  extent_.finished |= extent.finished;
  changed_.notify_all();
}

void AnalysisRun::Cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  changed_.notify_all();
}

std::uint64_t AnalysisRun::behind() const {
  MutexLock lock(mutex_);
  return settled_ ? 0 : extent_.size - std::min(extent_.size, read_);
}

Result<image::LayerRecord> AnalysisRun::Wait(std::chrono::milliseconds timeout) {
  auto until = Steady::now() + timeout;
  MutexLock lock(mutex_);
  while (!(settled_ && extent_.finished) && !cancelled_) {
    auto left = Left(until);
    if (left <= 0ms) return {Errc::kUnavailable, "the layer is still being read"};
    changed_.wait_for(mutex_, left);
  }
  if (!record_) return {Errc::kCancelled, "the analysis was given up, or its record was taken before"};
  image::LayerRecord out = std::move(*record_);
  record_.reset();
  // A whole record is about all the bytes that we hashed.
  if (!out.complete) out.blob_size = extent_.size;
  if (!out.is_layer || !out.complete || out.blob_size == extent_.size) return out;
  return Blind("the worker read " + std::to_string(out.blob_size) + " of " + std::to_string(extent_.size) + " bytes", extent_.size);
}

// This thread is an edge: what a library throws here (memory) is this blob's trouble only.
Result<AnalysisRun::Turn> AnalysisRun::DriveSafely() {
  try {
    return Drive();
  } catch (const std::exception& e) {
    return Error{Errc::kUnavailable, std::string("reading the layer: ") + e.what()};
  }
}

// One worker, from Take to its answer.
Result<AnalysisRun::Turn> AnalysisRun::Drive() {
  BW_TRY(auto worker, workers_.Take([this] { return cancelled(); }));
  if (cancelled()) return Turn::kDone;
  Nonce nonce{};
  Bytes random = crypto::RandomBytes(nonce.size());
  std::copy(random.begin(), random.end(), nonce.begin());
  Extent told;
  Status begun = Begin(*worker, nonce, told);
  if (!begun.ok()) {  // it died while it waited for a job: not this blob's fault
    worker.reset();
    BW_TRY(worker, workers_.Take([this] { return cancelled(); }));
    BW_CHECK(Begin(*worker, nonce, told));
  }
  return Converse(*worker, nonce, told);
}

Status AnalysisRun::Begin(sandbox::Worker& worker, const Nonce& nonce, Extent& told) {
  StartMessage start;
  start.nonce = nonce;
  {
    MutexLock lock(mutex_);
    told = start.extent = extent_;
  }
  start.again = again_;
  start.record = known_record_;
  start.unread = unread_;
  Bytes message = Encode(FromServer(std::move(start)));
  if (message.size() > limits::kWorkerMessageBytes) return {Errc::kLimit, "the layer's record is too large to be read again"};
  return worker.Send(message, fd_.get());
}

Result<AnalysisRun::Turn> AnalysisRun::Converse(sandbox::Worker& worker, const Nonce& nonce, Extent& told) {
  auto moved = Steady::now();
  std::uint64_t read = 0;
  for (;;) {
    auto bytes = worker.Receive(limits::kWorkerMessageBytes, kLook);
    if (cancelled()) return Turn::kDone;
    if (!bytes.ok() && bytes.error().code != Errc::kCancelled) return bytes.error();
    if (bytes.ok()) {
      BW_TRY(FromWorker message, DecodeFromWorker(*bytes));
      if (const auto* record = std::get_if<RecordMessage>(&message)) {
        BW_CHECK(OnRecord(*record, nonce));
        return Turn::kDone;
      }
      if (const auto* failed = std::get_if<FailedMessage>(&message)) {
        return Error{Errc::kCorrupt, failed->nonce == nonce ? Printable(failed->reason, limits::kAuditFieldBytes) : "the worker answered another job"};
      }
      const auto& progress = std::get<ProgressMessage>(message);
      if (progress.read < read || progress.read > told.size) return Error{Errc::kCorrupt, "the worker tells nonsense about its progress"};
      if (progress.read > read || progress.waits) moved = Steady::now();
      read = progress.read;
      BW_TRY(bool goes_on, OnProgress(worker, progress, told));
      if (!goes_on) return Turn::kLater;
    }
    if (Steady::now() - moved > limits::kWorkerStall) return Error{Errc::kLimit, "the worker made no progress for 60 s"};
  }
}

// False: the worker is given back.
Result<bool> AnalysisRun::OnProgress(sandbox::Worker& worker, const ProgressMessage& progress, Extent& told) {
  {
    MutexLock lock(mutex_);
    read_ = progress.read;
  }
  if (!progress.waits) return true;
  if (told.finished) return Error{Errc::kCorrupt, "the worker waits for bytes behind the end"};
  BW_TRY(bool grown, WaitForGrowth(told));
  if (!grown) return false;
  {
    MutexLock lock(mutex_);
    told = extent_;
  }
  Status sent = worker.Send(Encode(FromServer(GrowMessage{told})));
  // A dead one says how it died when it is listened to next.
  if (!sent.ok() && sent.error().code != Errc::kUnavailable) return sent.error();
  return true;
}

Status AnalysisRun::OnRecord(const RecordMessage& message, const Nonce& nonce) {
  if (message.nonce != nonce) return {Errc::kCorrupt, "the worker answered another job"};
  auto decoded = image::DecodeLayerRecord(message.record);
  if (!decoded.ok()) return decoded.error().Wrap("the worker's answer");
  // What we know better than a worker, whoever speaks through it.
  if (decoded->set_version != catalog::kSetVersion || decoded->limits_version != limits::kLimitsVersion) {
    return {Errc::kCorrupt, "the worker answered for another version of itself"};
  }
  Settle(*std::move(decoded));
  return {};
}

// Until a worker has something to do: the first bytes, or all of them after one was given back.
bool AnalysisRun::WaitForBytes() {
  MutexLock lock(mutex_);
  while (!cancelled_ && !extent_.finished && (all_at_once_ || extent_.size == 0)) changed_.wait(mutex_);
  return !cancelled_;
}

// False: cancelled, or kept idle while others wait.
Result<bool> AnalysisRun::WaitForGrowth(Extent told) {
  auto begin = Steady::now();
  MutexLock lock(mutex_);
  while (!cancelled_ && !extent_.finished && extent_.size - told.size < kGrowStep) {
    changed_.wait_for(mutex_, kLook);
    if (Steady::now() - begin < kIdle) continue;
    if (workers_.waiting() > 0) return false;
    if (extent_.size > told.size) break;  // little, but it is time to look alive
  }
  return !cancelled_;
}

void AnalysisRun::Settle(image::LayerRecord record) {
  MutexLock lock(mutex_);
  settled_ = true;
  record_ = std::move(record);
  changed_.notify_all();
}

bool AnalysisRun::cancelled() const {
  MutexLock lock(mutex_);
  return cancelled_;
}

}  // namespace bulwark::service
