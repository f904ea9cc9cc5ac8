// Simulated power cuts (issue 3, "Must show"): random histories of push, delete, collection, clock steps and restarts
// run over a file system that records every change. The disk is then rebuilt as it would be after a cut at many
// instants, with everything unsynced dropped or a random part of it kept, and a server starts on it. Required: what was
// acknowledged before the cut is there, whole; of the step that was running, all or nothing; nothing else is seen.
// The control shows that the test can fail: with fsync compiled out acknowledged pushes are lost.

#include <gtest/gtest.h>

#include <iostream>
#include <thread>

#include "base/log.h"
#include "base/sync.h"
#include "storage/crash_world.h"
#include "storage/faulty_file_system.h"
#include "storage/test_directory.h"

namespace bulwark::storage {
namespace {

using Unsynced = FaultyFileSystem::Unsynced;

constexpr Time kStart{Millis(1'800'000'000'000)};

// The state after a step was acknowledged. Between two of them the running step may be in either.
struct Milestone {
  std::size_t operations;  // recorded when it was acknowledged
  Time now;
  Model model;
};

struct History {
  std::vector<Milestone> milestones;
  std::set<std::string> blobs;  // all bytes ever uploaded
};

// Takes random steps and writes down what was acknowledged when.
class Historian {
 public:
  Historian(CrashWorld& world, const FaultyFileSystem& files, std::uint64_t seed)
      : world_(world), files_(files), random_(seed) {}

  History Run(int steps) {
    Acknowledge();
    for (int i = 0; i < steps; ++i) {
      Status done = Step();
      EXPECT_TRUE(done) << done.error().message;
      Acknowledge();
    }
    return std::move(history_);
  }

 private:
  void Acknowledge() { history_.milestones.push_back({files_.operations(), world_.clock().Now(), model_}); }

  Status Step() {
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2:
      case 3: return Upload();
      case 4:
      case 5:
      case 6: return Put();
      case 7: return Delete();
      case 8: return Collect();
      default: return random_() % 3 ? Upload() : world_.Open();
    }
  }
  Status Upload() {
    const std::string bytes = std::to_string(random_() % 12) + std::string(1 + random_() % 3000, 'b');
    history_.blobs.insert(bytes);
    BW_CHECK(world_.UploadBlob(bytes));
    model_.leases[bytes] = world_.clock().Now() + limits::kBlobLease;
    return {};
  }
  Status Put() {
    std::set<std::string> blobs;
    for (const std::string& bytes : model_.VisibleBlobs(world_.clock().Now()))
      if (random_() % 2) blobs.insert(bytes);
    const std::string body = "manifest " + std::to_string(next_++), tag = "t" + std::to_string(random_() % 4);
    BW_CHECK(world_.PutImage(body, blobs, tag));
    model_.manifests[body] = blobs;
    model_.tags[tag] = body;
    return {};
  }
  Status Delete() {
    if (model_.manifests.empty()) return {};
    const std::string body =
        std::next(model_.manifests.begin(), static_cast<std::ptrdiff_t>(random_() % model_.manifests.size()))->first;
    BW_CHECK(world_.DeleteImage(body));
    model_.manifests.erase(body);
    std::erase_if(model_.tags, [&](const auto& t) { return t.second == body; });
    return {};
  }
  Status Collect() {
    if (random_() % 2) {
      world_.clock().Step(Millis(limits::kBlobLease) / 2 + Millis(1));
      Acknowledge();  // the clock's step shows at once, before the collector does anything
    }
    return world_.Collect();
  }

  CrashWorld& world_;
  const FaultyFileSystem& files_;
  std::mt19937_64 random_;
  Model model_;
  History history_;
  int next_ = 0;
};

struct Verdict {
  bool lost = false;  // something acknowledged is gone or damaged
  std::string what;
};

// Starts a server on the directory and compares with what the history allows at `cut`.
Verdict Judge(const std::string& directory, FileSystem& files, const History& history, std::size_t cut) {
  const Milestone* before = nullptr;
  std::vector<const Milestone*> allowed;
  for (const Milestone& m : history.milestones) {
    if (m.operations <= cut) before = &m;
    else if (allowed.empty()) allowed.push_back(&m);
  }
  if (before) allowed.push_back(before);
  const Time now = allowed.front()->now;
  CrashWorld world(directory, files, now);
  if (Status opened = world.Open(); !opened) return {true, "does not start: " + opened.error().message};
  if (std::string damage = world.Damage(); !damage.empty()) return {true, damage};
  std::string difference;
  bool fits = !before;  // cut before the registry had been made
  for (const Milestone* m : allowed) {
    std::string d = world.DifferenceFrom(m->model, now, history.blobs);
    if (d.empty()) fits = true;
    else difference = d;
  }
  if (!fits) return {true, difference};
  // It goes on working, and what nobody holds goes away for good.
  if (Status pushed = world.UploadBlob("after the cut"); !pushed)
    return {true, "no push after the cut: " + pushed.error().message};
  world.clock().Step(2 * Millis(limits::kBlobLease));
  if (Status collected = world.Collect(); !collected)
    return {true, "no collection after the cut: " + collected.error().message};
  auto rows = world.database().Read([](const ReadTx& tx) { return tx.Int("SELECT count(*) FROM blobs", {}); });
  if (static_cast<std::size_t>(**rows) != world.Files()) return {true, "files without rows, or rows without files"};
  return {};
}

struct Totals {
  int cuts = 0, lost = 0;
  std::string first;
};

Totals CutOften(std::uint64_t seed, int steps, int cuts, FaultyFileSystem::Sync sync) {
  SetLogLevel(LogLevel::kError);
  TestDirectory dir;
  FaultyFileSystem files(dir.path(), sync);
  CrashWorld world(dir.path(), files, kStart);
  EXPECT_TRUE(world.Open());
  const std::size_t begun = files.operations();
  const History history = Historian(world, files, seed).Run(steps);
  std::mt19937_64 random(seed);
  Totals totals;
  for (int i = 0; i < cuts; ++i) {
    const std::size_t cut = begun + random() % (files.operations() - begun + 1);
    TestDirectory after;
    EXPECT_TRUE(files.PowerCut(cut, i % 2 ? Unsynced::kRandom : Unsynced::kDropped, random(), after.path()));
    Verdict verdict;
    if (i % 5 == 0) {
      // A second cut, while the server starts after the first.
      FaultyFileSystem again(after.path(), sync);
      { (void)CrashWorld(after.path(), again, kStart).Open(); }
      TestDirectory twice;
      EXPECT_TRUE(again.PowerCut(random() % (again.operations() + 1), Unsynced::kRandom, random(), twice.path()));
      verdict = Judge(twice.path(), PosixFileSystem(), history, cut);
    } else {
      verdict = Judge(after.path(), PosixFileSystem(), history, cut);
    }
    ++totals.cuts;
    totals.lost += verdict.lost;
    if (verdict.lost && totals.first.empty())
      totals.first = "seed " + std::to_string(seed) + " cut " + std::to_string(cut) + " of " +
                     std::to_string(files.operations()) + ": " + verdict.what;
  }
  return totals;
}

TEST(PowerCutTest, NothingAcknowledgedIsLostAndNothingPartialIsSeen) {
  int cuts = 0, lost = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Totals totals = CutOften(seed, 60, 34, FaultyFileSystem::Sync::kHonoured);
    EXPECT_EQ(totals.lost, 0) << totals.first;
    cuts += totals.cuts;
    lost += totals.lost;
  }
  EXPECT_GE(cuts, 300);
  std::cout << "[ cuts     ] " << cuts << " simulated power cuts, " << lost
            << " with something acknowledged lost or something partial seen\n";
}

TEST(PowerCutTest, ControlWithoutFsyncLosesSome) {
  const Totals totals = CutOften(1, 40, 20, FaultyFileSystem::Sync::kIgnored);
  EXPECT_GT(totals.lost, 0) << "the test cannot see a loss";
  std::cout << "[ control  ] fsync compiled out: " << totals.lost << " of " << totals.cuts
            << " cuts lost something; first: " << totals.first << "\n";
}

// Group commit: several pushers at once, so that one commit and one directory sync serve many.
TEST(PowerCutTest, ConcurrentPushesKeepWhatWasAcknowledged) {
  struct Push {
    std::size_t operations;
    std::string body, blob;
  };
  constexpr int kPushers = 4, kEach = 12, kCuts = 40;
  SetLogLevel(LogLevel::kError);
  TestDirectory dir;
  FaultyFileSystem files(dir.path());
  CrashWorld world(dir.path(), files, kStart);
  ASSERT_TRUE(world.Open());
  const std::size_t begun = files.operations();
  Mutex mutex;
  std::vector<Push> acknowledged;
  std::vector<std::thread> pushers;
  for (int p = 0; p < kPushers; ++p) {
    pushers.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        const std::string name = std::to_string(p) + "." + std::to_string(i),
                          blob = "blob " + std::to_string(i % 3) + "." + name;
        ASSERT_TRUE(world.UploadBlob(blob));
        ASSERT_TRUE(world.PutImage("image " + name, {blob}, "t" + name));
        const std::size_t operations = files.operations();
        MutexLock lock(mutex);
        acknowledged.push_back({operations, "image " + name, blob});
      }
    });
  }
  for (auto& pusher : pushers) pusher.join();
  std::mt19937_64 random(1);
  for (int i = 0; i < kCuts; ++i) {
    const std::size_t cut = begun + random() % (files.operations() - begun + 1);
    TestDirectory after;
    ASSERT_TRUE(files.PowerCut(cut, i % 2 ? Unsynced::kRandom : Unsynced::kDropped, random(), after.path()));
    CrashWorld recovered(after.path(), PosixFileSystem(), kStart);
    ASSERT_TRUE(recovered.Open());
    EXPECT_EQ(recovered.Damage(), "") << "cut " << cut;
    for (const Push& push : acknowledged) {
      if (push.operations > cut) continue;
      auto whole = recovered.database().Read([&](const ReadTx& tx) -> Result<bool> {
        BW_TRY(auto manifest, FindManifest(tx, recovered.repository(), crypto::Sha256(AsBytes(push.body))));
        BW_TRY(auto blob, BlobInRepository(tx, recovered.repository(), crypto::Sha256(AsBytes(push.blob)), kStart));
        return manifest.has_value() && blob.has_value();
      });
      EXPECT_TRUE(whole && *whole) << push.body << " was acknowledged at " << push.operations << ", cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace bulwark::storage
