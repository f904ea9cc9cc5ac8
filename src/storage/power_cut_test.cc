// Simulated power cuts (issue 3, "Must show"): random histories of push, delete, collection, clock steps and restarts
// run over a file system that records every change. The disk is then rebuilt as it would be after a cut at many
// instants, with everything unsynced dropped or a random part of it kept, and a server starts on it. Required: what was
// acknowledged before the cut is there, whole; of the step that was running, all or nothing; nothing else is seen.
// The control shows that the test can fail: with fsync compiled out acknowledged pushes are lost.
// 340 cuts and as many with faults before them; BULWARK_FULL_TESTS makes it 1,000 of each, BULWARK_POWER_CUTS any number.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <thread>

#include "base/byte_source.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sync.h"
#include "storage/crash_world.h"
#include "storage/faulty_file_system.h"
#include "storage/test_directory.h"

namespace bulwark::storage {
namespace {

using Unsynced = FaultyFileSystem::Unsynced;
using Fault = FaultyFileSystem::Fault;
using Call = FaultyFileSystem::Call;

constexpr Time kStart{Millis(1'800'000'000'000)};

// The state after a step was acknowledged. Between two of them the running step may be in either.
struct Milestone {
  std::size_t operations;  // recorded when it was acknowledged
  Time now;
  Model model;
  // The step failed: the state is that before it, and the one that it was about to make while it ran.
  std::optional<Model> also{};
};

struct History {
  std::vector<Milestone> milestones;
  std::set<std::string> blobs;  // all bytes ever uploaded
};

enum class Faults { kNone, kSome };

// Takes random steps and writes down what was acknowledged when.
class Historian {
 public:
  Historian(CrashWorld& world, FaultyFileSystem& files, std::uint64_t seed, Faults faults)
      : world_(world), files_(files), random_(seed), faults_(faults) {}

  History Run(int steps) {
    Acknowledge();
    for (int i = 0; i < steps; ++i) {
      const Model before = model_;
      if (faults_ == Faults::kSome && random_() % 3 == 0) ArmFault();
      Status done = Step();
      const bool faulty = files_.failed();
      files_.FailNth(0, Fault::kIo);
      EXPECT_TRUE(done || faulty) << done.error().message;
      if (done) Acknowledge();
      else TakeBack(before);
    }
    return std::move(history_);
  }
  int failures() const { return failures_; }

 private:
  void Acknowledge() { history_.milestones.push_back({files_.operations(), world_.clock().Now(), model_}); }

  // One of the next calls: a write stops half way or finds no space, a sync fails and loses what it should have written.
  void ArmFault() {
    switch (random_() % 4) {
      case 0: return files_.FailNth(1 + random_() % 6, Fault::kShortWrite, [](Call c) { return c == Call::kWrite; });
      case 1: return files_.FailNth(1 + random_() % 6, Fault::kNoSpace, [](Call c) { return c == Call::kWrite; });
      case 2: return files_.FailNth(1 + random_() % 12, Fault::kIo);
      default: return files_.FailNth(1 + random_() % 3, Fault::kIo, [](Call c) { return c == Call::kSync || c == Call::kSyncDirectory; });
    }
  }
  // A server that could not start is started again: the fault is over.
  void TakeBack(const Model& before) {
    ++failures_;
    history_.milestones.push_back({files_.operations(), world_.clock().Now(), before, model_});
    model_ = before;
    if (!opened_) {
      Status opened = world_.Open();
      EXPECT_TRUE(opened) << opened.error().message;
      opened_ = true;
      Acknowledge();
    }
    EXPECT_EQ(world_.DifferenceFrom(model_, world_.clock().Now(), history_.blobs), "") << "after a failed step";
  }

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
      default: return random_() % 3 ? Upload() : Restart();
    }
  }
  Status Upload() {
    const std::string bytes = std::to_string(random_() % 12) + std::string(1 + random_() % 3000, 'b');
    history_.blobs.insert(bytes);
    model_.leases[bytes] = world_.clock().Now() + limits::kBlobLease;
    return world_.UploadBlob(bytes);
  }
  Status Put() {
    std::set<std::string> blobs;
    for (const std::string& bytes : model_.VisibleBlobs(world_.clock().Now()))
      if (random_() % 2) blobs.insert(bytes);
    const std::string body = "manifest " + std::to_string(next_++), tag = "t" + std::to_string(random_() % 4);
    model_.manifests[body] = blobs;
    model_.tags[tag] = body;
    return world_.PutImage(body, blobs, tag);
  }
  Status Delete() {
    if (model_.manifests.empty()) return {};
    const std::string body =
        std::next(model_.manifests.begin(), static_cast<std::ptrdiff_t>(random_() % model_.manifests.size()))->first;
    model_.manifests.erase(body);
    std::erase_if(model_.tags, [&](const auto& t) { return t.second == body; });
    return world_.DeleteImage(body);
  }
  Status Collect() {
    if (random_() % 2) {
      world_.clock().Step(Millis(limits::kBlobLease) / 2 + Millis(1));
      Acknowledge();  // the clock's step shows at once, before the collector does anything
    }
    return world_.Collect();
  }

  Status Restart() {
    Status opened = world_.Open();
    opened_ = opened.ok();
    return opened;
  }

  CrashWorld& world_;
  FaultyFileSystem& files_;
  std::mt19937_64 random_;
  Faults faults_;
  bool opened_ = true;
  int failures_ = 0;
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
  const Milestone* after = nullptr;
  for (const Milestone& m : history.milestones) {
    if (m.operations <= cut) before = &m;
    else if (!after) after = &m;
  }
  std::vector<const Model*> allowed;
  if (after) allowed.push_back(&after->model);
  if (after && after->also) allowed.push_back(&*after->also);
  if (before) allowed.push_back(&before->model);
  const Time now = (after ? after : before)->now;
  CrashWorld world(directory, files, now);
  if (Status opened = world.Open(); !opened) return {true, "does not start: " + opened.error().message};
  if (std::string damage = world.Damage(); !damage.empty()) return {true, damage};
  std::string difference;
  bool fits = !before;  // cut before the registry had been made
  for (const Model* model : allowed) {
    std::string d = world.DifferenceFrom(*model, now, history.blobs);
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
  int cuts = 0, lost = 0, failures = 0;
  std::string first;
};

Totals CutOften(std::uint64_t seed, int steps, int cuts, FaultyFileSystem::Sync sync, Faults faults) {
  SetLogLevel(LogLevel::kError);
  TestDirectory dir;
  FaultyFileSystem files(dir.path(), sync);
  CrashWorld world(dir.path(), files, kStart);
  EXPECT_TRUE(world.Open());
  const std::size_t begun = files.operations();
  Historian historian(world, files, seed, faults);
  const History history = historian.Run(steps);
  std::mt19937_64 random(seed);
  Totals totals;
  totals.failures = historian.failures();
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

int Cuts() {
  const char* text = std::getenv("BULWARK_POWER_CUTS");
  if (auto n = ParseUint(text ? text : ""); n && *n > 0) return static_cast<int>(*n);
  const char* full = std::getenv("BULWARK_FULL_TESTS");
  return full && *full ? 1000 : 340;
}

// Histories of 60 steps, 34 cuts in each.
Totals CutManyHistories(Faults faults) {
  Totals all;
  for (std::uint64_t seed = 1; all.cuts < Cuts(); ++seed) {
    const Totals one = CutOften(seed, 60, 34, FaultyFileSystem::Sync::kHonoured, faults);
    EXPECT_EQ(one.lost, 0) << one.first;
    all.cuts += one.cuts;
    all.lost += one.lost;
    all.failures += one.failures;
  }
  return all;
}

TEST(PowerCutTest, NothingAcknowledgedIsLostAndNothingPartialIsSeen) {
  const Totals all = CutManyHistories(Faults::kNone);
  std::cout << "[ cuts     ] " << all.cuts << " simulated power cuts, " << all.lost
            << " with something acknowledged lost or something partial seen\n";
}

TEST(PowerCutTest, NorAfterShortWritesFullDisksAndFailedSyncs) {
  const Totals all = CutManyHistories(Faults::kSome);
  EXPECT_GT(all.failures, 20);
  std::cout << "[ cuts     ] " << all.cuts << " simulated power cuts after " << all.failures << " failed steps, " << all.lost
            << " with something acknowledged lost or something partial seen\n";
}

// An fsync of the database's log fails, the process dies, and the next one finds in the page cache what is on no disk and
// will not be written by any later fsync of its own. Whatever it commits after that must not hang on it.
TEST(PowerCutTest, WhatAFailedSyncLostIsNotBuiltUpon) {
  constexpr int kPushes = 6;  // a checkpoint is among them
  TestDirectory dir, next;
  FaultyFileSystem files(dir.path());
  CrashWorld world(dir.path(), files, kStart);
  ASSERT_TRUE(world.Open());
  ASSERT_TRUE(world.UploadBlob("blob"));
  ASSERT_TRUE(world.Open());  // the log begins anew, so that the next sync is a commit of frames that stand
  const std::size_t before = files.operations();
  std::string log;  // at that instant: a process that lives on gives the log up
  files.FailNth(1, Fault::kIo, [&](Call c) {
    if (c == Call::kSync && log.empty()) log = *ReadFile(dir.path() + "/bulwark.db-wal", UINT64_MAX);
    return c == Call::kSync;
  });
  ASSERT_FALSE(world.PutImage("failed", {"blob"}, "t"));
  // kill -9: the disk as it was, and a page cache that knows more of the log and holds it for written.
  ASSERT_TRUE(files.PowerCut(before, Unsynced::kDropped, 0, next.path()));
  FaultyFileSystem again(next.path());
  again.FailNth(1, Fault::kIo, [](Call c) { return c == Call::kSync; });
  auto cached = *again.Open(next.path() + "/bulwark.db-wal", OpenMode::kReadWrite);
  ASSERT_TRUE(cached->WriteAt(0, AsBytes(log)));
  ASSERT_FALSE(cached->SyncData());

  CrashWorld restarted(next.path(), again, kStart);
  ASSERT_TRUE(restarted.Open());
  Model model;
  model.leases["blob"] = kStart + limits::kBlobLease;
  model.manifests["failed"] = {"blob"};
  model.tags["t"] = "failed";
  ASSERT_EQ(restarted.DifferenceFrom(model, kStart, {"blob"}), "") << "the log shows the failed push: SQLite takes it";
  History history{{{again.operations(), kStart, model}}, {"blob"}};
  for (int i = 0; i < kPushes; ++i) {
    const std::string body = "after " + std::to_string(i);
    ASSERT_TRUE(restarted.PutImage(body, {"blob"}, "t"));
    model.manifests[body] = {"blob"};
    model.tags["t"] = body;
    history.milestones.push_back({again.operations(), kStart, model});
  }
  for (std::size_t cut = history.milestones.front().operations; cut <= again.operations(); ++cut) {
    TestDirectory after;
    ASSERT_TRUE(again.PowerCut(cut, Unsynced::kDropped, 0, after.path()));
    const Verdict verdict = Judge(after.path(), PosixFileSystem(), history, cut);
    ASSERT_FALSE(verdict.lost) << "cut " << cut << " of " << again.operations() << ": " << verdict.what;
  }
}

TEST(PowerCutTest, ControlWithoutFsyncLosesSome) {
  const Totals totals = CutOften(1, 40, 20, FaultyFileSystem::Sync::kIgnored, Faults::kNone);
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
