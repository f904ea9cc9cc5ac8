#include "remote/copy.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>

#include "base/sync.h"
#include "remote/copy_plan.h"

namespace bulwark::remote {
namespace {

// Copies the blobs of a plan, one thread a pair of ends. The first error stops the others.
class BlobCopier {
 public:
  BlobCopier(CopyEnds& ends, const std::vector<formats::Descriptor>& blobs, CopyWatcher& watcher) : ends_(ends), blobs_(blobs), watcher_(watcher) {
    for (const auto& blob : blobs_) total_ += blob.size;
  }

  Status Run(CopyReport& report) {
    std::vector<std::thread> threads = Start(std::min(ends_.sources.size(), blobs_.size()));
    Work(0);
    for (auto& thread : threads) thread.join();
    MutexLock lock(mutex_);
    report.moved = counts_.moved;
    report.there = counts_.there;
    report.mounted = counts_.mounted;
    report.bytes = counts_.bytes;
    return failed_ ? Status(*failed_) : Status();
  }

 private:
  // All but the first end's. A system that has no more threads is no reason to stop.
  std::vector<std::thread> Start(std::size_t ends) {
    std::vector<std::thread> out;
    out.reserve(ends);
    try {
      for (std::size_t i = 1; i < ends; ++i) out.emplace_back([this, i] { Work(i); });
    } catch (const std::exception& e) {
      MutexLock lock(mutex_);
      watcher_.Note("only " + std::to_string(out.size() + 1) + " blobs at once: " + e.what());
    }
    return out;
  }

  void Work(std::size_t end) {
    for (std::size_t i; !stop_ && (i = next_.fetch_add(1)) < blobs_.size();) {
      Status copied = Caught(end, blobs_[i]);
      if (copied) continue;
      MutexLock lock(mutex_);
      if (!failed_) failed_ = copied.error();
      stop_ = true;
    }
  }

  // The edge of a thread: exhausted memory ends the copy, not the process.
  Status Caught(std::size_t end, const formats::Descriptor& blob) {
    try {
      return CopyBlob(*ends_.sources[end], *ends_.targets[end], blob);
    } catch (const std::exception& e) {
      return {Errc::kUnavailable, "copy blob " + blob.digest.short_str() + ": " + e.what()};
    }
  }

  Status CopyBlob(CopySource& source, CopyTarget& target, const formats::Descriptor& blob) {
    BW_TRY(bool there, target.HasBlob(blob));
    if (there) return Done(blob, &CopyReport::there);
    BW_TRY(bool mounted, target.MountBlob(blob));
    if (mounted) return Done(blob, &CopyReport::mounted);
    std::uint64_t counted = 0;
    Moved moved = [&](std::uint64_t bytes) -> Status {
      if (stop_) return {Errc::kCancelled, "stopped, because another part of the copy failed"};
      bytes = std::min(bytes, blob.size - counted);  // what is sent again after a cut does not count twice
      counted += bytes;
      Advance(bytes, blob);
      return {};
    };
    auto bytes = source.Blob(blob, [&] { return target.MakeSpool(); }, moved);
    if (!bytes && bytes.error().code == Errc::kNotFound && blob.has_urls) {
      MutexLock lock(mutex_);
      watcher_.Note("layer " + blob.digest.str() + " is not at the source, only elsewhere as its manifest says: not copied");
      return {};
    }
    if (!bytes) return bytes.error();
    const bool spooled = bytes->spooled;
    BW_CHECK(target.PutBlob(blob, *std::move(bytes), spooled ? nullptr : moved));
    MutexLock lock(mutex_);
    ++counts_.moved;
    counts_.bytes += blob.size;
    return {};
  }

  Status Done(const formats::Descriptor& blob, std::uint64_t CopyReport::* count) {
    Advance(blob.size, blob);
    MutexLock lock(mutex_);
    ++(counts_.*count);
    return {};
  }

  void Advance(std::uint64_t bytes, const formats::Descriptor& blob) {
    MutexLock lock(mutex_);
    watcher_.Moved(done_ += bytes, total_, blob.digest.short_str());
  }

  CopyEnds& ends_;
  const std::vector<formats::Descriptor>& blobs_;
  CopyWatcher& watcher_;
  std::uint64_t total_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  std::uint64_t done_ BW_GUARDED_BY(mutex_) = 0;
  CopyReport counts_ BW_GUARDED_BY(mutex_);
  std::optional<Error> failed_ BW_GUARDED_BY(mutex_);
};

// The manifests in order; before the last one, which moves the tag, whatever refers to it can be found.
Status PutManifests(CopyTarget& target, const CopyPlan& plan, CopyWatcher& watcher) {
  for (std::size_t i = 0; i < plan.manifests.size(); ++i) {
    if (i + 1 == plan.manifests.size()) BW_CHECK(target.PutReferrers());
    BW_TRY(std::string warning, target.PutManifest(plan.manifests[i]));
    if (!warning.empty()) watcher.Note(warning);
  }
  return target.Finish();
}

}  // namespace

Result<CopyReport> Copy(CopyEnds& ends, const std::string& from, const std::string& tag, const CopyOptions& options, CopyWatcher& watcher) {
  CopyTarget& target = *ends.targets.front();
  const TargetView view{[&](const formats::Descriptor& d) { return target.HasManifest(d); }, [&](const std::string& t) { return target.Tagged(t); }};
  BW_TRY(CopyPlan plan, PlanCopy(*ends.sources.front(), from, tag, options, view, [&](std::string_view s) { watcher.Note(s); }));
  BW_CHECK(target.Expect(plan.manifests));
  CopyReport report;
  BW_CHECK(BlobCopier(ends, plan.blobs, watcher).Run(report));
  // From here on every blob is at the target: manifests can follow.
  BW_CHECK(PutManifests(target, plan, watcher));
  report.manifests = plan.manifests.size();
  if (plan.whole) report.digests.push_back(plan.manifests.back().manifest.digest);
  for (const auto& m : plan.manifests)
    if (!plan.whole && m.role == Role::kTop && m.tag.empty()) report.digests.push_back(m.manifest.digest);
  return report;
}

}  // namespace bulwark::remote
