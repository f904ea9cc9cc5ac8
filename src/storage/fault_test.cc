// Fails each file system call of a push, a deletion and a collection in turn, as SQLite's own tests do. After every
// fault: the call that met it may fail, nothing is half done, what was acknowledged stays, trying again works without
// a restart, and a restart finds the same.

#include <gtest/gtest.h>

#include "base/log.h"
#include "storage/crash_world.h"
#include "storage/faulty_file_system.h"
#include "storage/test_directory.h"

namespace bulwark::storage {
namespace {

using Call = FaultyFileSystem::Call;
using Fault = FaultyFileSystem::Fault;

constexpr Time kStart{Millis(1'800'000'000'000)};
constexpr int kMostCalls = 2000;  // of the script; a bound against a loop that never ends
const std::set<std::string> kBlobs = {"old layer", "new layer", "new config"};

struct Step {
  std::string name;
  std::function<Status(CrashWorld&)> act;
  std::function<void(Model&)> acknowledged;
};

const std::vector<Step>& Script() {
  static const Time until = kStart + limits::kBlobLease;
  static const std::vector<Step> steps = {
      {"upload layer", [](CrashWorld& w) { return w.UploadBlob("new layer"); },
       [](Model& m) { m.leases["new layer"] = until; }},
      {"upload config", [](CrashWorld& w) { return w.UploadBlob("new config"); },
       [](Model& m) { m.leases["new config"] = until; }},
      {"put image", [](CrashWorld& w) { return w.PutImage("new", {"new layer", "new config"}, "latest"); },
       [](Model& m) {
         m.manifests["new"] = {"new layer", "new config"};
         m.tags["latest"] = "new";
       }},
      {"delete old image", [](CrashWorld& w) { return w.DeleteImage("old"); },
       [](Model& m) { m.manifests.erase("old"); }},
      {"leases run out and collect",
       [](CrashWorld& w) {
         w.clock().Set(until);
         return w.Collect();
       },
       [](Model&) {}},
  };
  return steps;
}

// One round; false when the script has fewer than n such calls.
bool RunWithFault(int n, Fault fault, const std::function<bool(Call)>& matches) {
  TestDirectory dir;
  FaultyFileSystem files(dir.path());
  CrashWorld world(dir.path(), files, kStart);
  Model model;
  EXPECT_TRUE(world.Open());
  EXPECT_TRUE(world.UploadBlob("old layer"));
  EXPECT_TRUE(world.PutImage("old", {"old layer"}, "latest"));
  model.leases["old layer"] = kStart + limits::kBlobLease;
  model.manifests["old"] = {"old layer"};
  model.tags["latest"] = "old";

  files.FailNth(static_cast<std::size_t>(n), fault, matches);
  for (const Step& step : Script()) {
    SCOPED_TRACE(step.name + ", call " + std::to_string(n));
    for (int tries = 0;; ++tries) {
      Status done = step.act(world);
      if (done) step.acknowledged(model);
      files.Pause(true);
      EXPECT_EQ(world.DifferenceFrom(model, world.clock().Now(), kBlobs), "");
      EXPECT_EQ(world.Damage(), "");
      files.Pause(false);
      if (done) break;
      EXPECT_TRUE(files.failed()) << done.error().message;
      EXPECT_TRUE(done.error().code == Errc::kIo || done.error().code == Errc::kUnavailable) << done.error().message;
      if (tries > 0) {
        ADD_FAILURE() << "fails again without a fault: " << done.error().message;
        return false;
      }
    }
  }
  const bool met = files.failed();
  files.FailNth(0, fault);
  EXPECT_TRUE(world.Open());
  EXPECT_EQ(world.DifferenceFrom(model, world.clock().Now(), kBlobs), "") << "after a restart, call " << n;
  EXPECT_EQ(world.Damage(), "");
  world.clock().Step(2 * Millis(limits::kBlobLease));
  EXPECT_TRUE(world.Collect());
  EXPECT_EQ(world.Files(), 2u) << "old layer gone, new ones kept, no leftovers; call " << n;
  return met;
}

// How many calls there were to fail.
int FailEach(Fault fault, const std::function<bool(Call)>& matches) {
  SetLogLevel(LogLevel::kError);
  for (int n = 1; n < kMostCalls; ++n)
    if (!RunWithFault(n, fault, matches) || ::testing::Test::HasFailure()) return n - 1;
  return kMostCalls;
}

TEST(FaultTest, EveryCallFailsInTurn) { EXPECT_GT(FailEach(Fault::kIo, {}), 50); }

TEST(FaultTest, EveryWriteFindsTheDiskFull) {
  EXPECT_GT(FailEach(Fault::kNoSpace, [](Call c) { return c == Call::kWrite; }), 10);
}

TEST(FaultTest, EveryWriteStopsHalfWay) {
  EXPECT_GT(FailEach(Fault::kShortWrite, [](Call c) { return c == Call::kWrite; }), 10);
}

}  // namespace
}  // namespace bulwark::storage
