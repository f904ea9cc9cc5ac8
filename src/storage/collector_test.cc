#include "storage/collector.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "storage/blob/file_driver.h"
#include "storage/content_fixture.h"
#include "storage/faulty_file_system.h"

namespace bulwark::storage {
namespace {

class CollectorTest : public ContentFixture {
 protected:
  void SetUp() override {
    ContentFixture::SetUp();
    driver_ = *OpenFileDriver(dir_.path(), files_);
    collector_ = std::make_unique<Collector>(*database_, *driver_, clock_);
  }
  // A whole upload, file included.
  Result<Digest> Upload(RepositoryId repository, PrincipalId principal, std::string_view bytes) {
    const Digest digest = crypto::Sha256(AsBytes(bytes));
    BW_TRY(auto session, Write([&](Tx& tx) { return CreateUpload(tx, repository, principal, clock_.Now()); }));
    BW_TRY(auto writer, driver_->Upload(session.id));
    BW_CHECK(writer->Append(AsBytes(bytes)));
    BW_CHECK(FinishUpload(*database_, session, *writer, digest, clock_));
    return digest;
  }
  bool HasFile(const Digest& digest) { return driver_->Stat({0, digest}).ok(); }
  CollectorReport Run() {
    auto report = collector_->Run();
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : CollectorReport{};
  }
  void Step(Millis by) {
    clock_.Step(by);
    now_ += by;
  }
  std::int64_t Count(const std::string& table) {
    return **Read([&](const ReadTx& tx) { return tx.Int("SELECT count(*) FROM " + table, {}); });
  }

  FaultyFileSystem files_{dir_.path()};
  std::unique_ptr<BlobDriver> driver_;
  FakeClock clock_{now_};
  std::unique_ptr<Collector> collector_;
};

TEST_F(CollectorTest, KeepsWhatAnEdgeOrALeaseHolds) {
  const Digest edge = *Upload(app_, kAlice, "edge"), lease = *Upload(app_, kAlice, "lease");
  Put(app_, {.body = "m", .blobs = {edge}});
  EXPECT_EQ(Run().blobs, 0);
  Step(limits::kBlobLease);
  const CollectorReport report = Run();
  EXPECT_EQ(report.blobs, 1);
  EXPECT_EQ(report.bytes, 5);
  EXPECT_TRUE(HasFile(edge));
  EXPECT_FALSE(HasFile(lease));
  EXPECT_EQ(Count("blobs"), 1);
  EXPECT_EQ(Count("leases"), 0);
  EXPECT_EQ(Count("loose_blobs"), 0);
}

TEST_F(CollectorTest, CollectsAfterTheLastManifestIsGone) {
  const Digest blob = *Upload(app_, kAlice, "b");
  const Digest one = Put(app_, {.body = "1", .blobs = {blob}});
  ASSERT_TRUE(Write([&](Tx& tx) { return Mount(tx, app_, other_, blob, kBob, now_); }));
  const Digest two = Put(other_, {.body = "2", .blobs = {blob}, .by = kBob});
  Step(limits::kBlobLease);
  Run();
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteManifest(tx, app_, one); }));
  EXPECT_EQ(Run().blobs, 0) << "the other repository holds it";
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteManifest(tx, other_, two); }));
  EXPECT_EQ(Run().blobs, 1);
  EXPECT_FALSE(HasFile(blob));
}

TEST_F(CollectorTest, DeletedManifestsBlobsStayWhileALeaseRuns) {
  const Digest blob = *Upload(app_, kAlice, "b");
  const Digest m = Put(app_, {.body = "m", .blobs = {blob}});
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteManifest(tx, app_, m); }));
  EXPECT_EQ(Run().blobs, 0);
  EXPECT_TRUE(TryPut(app_, {.body = "again", .blobs = {blob}}));
}

TEST_F(CollectorTest, ReservationHoldsABlobAndIsLookedAtAgain) {
  const Digest blob = *Upload(app_, kAlice, "b");
  Step(limits::kBlobLease);
  ASSERT_TRUE(Write([&](Tx& tx) { return ReserveBlob(tx, blob, "ab", now_); }));
  EXPECT_EQ(Run().blobs, 0);
  ASSERT_TRUE(Write([&](Tx& tx) { return ReleaseBlob(tx, blob, "ab"); }));
  Step(Millis(60'000));
  EXPECT_EQ(Run().blobs, 1);
}

TEST_F(CollectorTest, ExpiredUploadsGoWithTheirSpools) {
  auto session = *Write([&](Tx& tx) { return CreateUpload(tx, app_, kAlice, now_); });
  ASSERT_TRUE((*driver_->Upload(session.id))->Append(AsBytes("half")));
  EXPECT_EQ(Run().uploads, 0);
  Step(limits::kUploadLifetime);
  EXPECT_EQ(Run().uploads, 1);
  EXPECT_EQ(Count("uploads"), 0);
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path() + "/uploads"));
}

TEST_F(CollectorTest, DeletedRepositoryGoesInBatches) {
  const Digest blob = *Upload(app_, kAlice, "b");
  for (int i = 0; i < 30; ++i) Put(app_, {.body = std::to_string(i), .blobs = {blob}, .tag = "t" + std::to_string(i)});
  const PullCount pull{app_, blob, kBob, 1, 1, now_};
  ASSERT_TRUE(Write([&](Tx& tx) { return RecordPulls(tx, std::span(&pull, 1)); }));
  ASSERT_TRUE(Write([&](Tx& tx) { return CreateUpload(tx, app_, kAlice, now_); }));
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteRepository(tx, app_); }));
  std::vector<RepositoryId> purged;
  Collector collector(*database_, *driver_, clock_, [&](Tx&, RepositoryId id) -> Status {
    purged.push_back(id);
    return {};
  });
  auto report = collector.Run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->manifests, 30);
  EXPECT_EQ(report->blobs, 1);
  EXPECT_EQ(purged, std::vector<RepositoryId>{app_});
  for (const char* table : {"manifests", "tags", "edges", "leases", "uploads", "pulls", "blobs"})
    EXPECT_EQ(Count(table), 0) << table;
  EXPECT_EQ(Count("repositories"), 1);
  EXPECT_TRUE(Write([&](Tx& tx) { return DeleteProject(tx, project_); }));
}

TEST_F(CollectorTest, ADeletedRepositorysBlobsAreJudgedOneByOne) {
  const Digest own = *Upload(app_, kAlice, "own"), shared = *Upload(app_, kAlice, "shared"),
               leased = *Upload(app_, kAlice, "leased"), reserved = *Upload(app_, kAlice, "reserved");
  Put(app_, {.body = "m", .blobs = {own, shared, leased, reserved}});
  Step(limits::kBlobLease);
  Run();
  ASSERT_TRUE(Write([&](Tx& tx) -> Status {
    BW_CHECK(Mount(tx, app_, other_, shared, kBob, now_));
    BW_CHECK(Mount(tx, app_, other_, leased, kBob, now_));
    return ReserveBlob(tx, reserved, "ab", now_) ? Status() : Status(Errc::kInternal, "reserve");
  }));
  Put(other_, {.body = "o", .blobs = {shared}, .by = kBob});
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteRepository(tx, app_); }));
  EXPECT_EQ(Run().blobs, 1);
  EXPECT_FALSE(HasFile(own));
  ASSERT_TRUE(Write([&](Tx& tx) { return ReleaseBlob(tx, reserved, "ab"); }));
  Step(Millis(60'000));
  EXPECT_EQ(Run().blobs, 1);
  EXPECT_FALSE(HasFile(reserved));
  Step(limits::kBlobLease);
  EXPECT_EQ(Run().blobs, 1);
  EXPECT_FALSE(HasFile(leased));
  EXPECT_TRUE(HasFile(shared));
  EXPECT_EQ(Count("loose_blobs"), 0);
}

// The blob of the first and of the last manifest is not dead after the first batch.
TEST_F(CollectorTest, WhatALaterBatchNamesWaitsForIt) {
  const Digest first = *Upload(app_, kAlice, "first"), both = *Upload(app_, kAlice, "both");
  Put(app_, {.body = "0", .blobs = {first, both}});
  ASSERT_TRUE(Write([&](Tx& tx) -> Status {
    for (int i = 1; i <= 600; ++i) {
      const std::string body = std::to_string(i);
      NewManifest m;
      m.digest = crypto::Sha256(AsBytes(body));
      m.media_type = kImageType;
      m.bytes = AsBytes(body);
      if (i == 600) m.edges.push_back({EdgeKind::kBlob, both, std::nullopt, true});
      BW_CHECK(PutManifest(tx, app_, m, std::nullopt, kAlice, now_));
    }
    return {};
  }));
  Step(limits::kBlobLease);
  Run();
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteRepository(tx, app_); }));
  std::stop_source stop;  // after the first batch: its blob has been unlinked
  files_.FailNth(1, FaultyFileSystem::Fault::kIo, [&](auto call) {
    if (call == FaultyFileSystem::Call::kRemove) stop.request_stop();
    return false;
  });
  EXPECT_EQ(collector_->Run({stop.get_token()})->blobs, 1);
  EXPECT_FALSE(HasFile(first));
  EXPECT_TRUE(HasFile(both));
  EXPECT_EQ(Run().blobs, 1);
  EXPECT_FALSE(HasFile(both));
  EXPECT_EQ(Count("manifests"), 0);
}

// Of manifests with thousands of edges a batch has few.
TEST_F(CollectorTest, ABatchEndsWhereItsEdgesAreMany) {
  for (int i = 0; i < 4; ++i)
    Put(app_, {.body = std::to_string(i), .blobs = {*Upload(app_, kAlice, "blob " + std::to_string(i))}});
  ASSERT_TRUE(Write([&](Tx& tx) -> Status {
    auto done = tx.Exec("INSERT INTO edges (manifest_id, kind, digest, repository_id) "
                        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
                        "SELECT m.id, 1, 'sha256:' || m.id || '-' || n.i, m.repository_id FROM manifests m, n", {});
    return done ? Status() : Status(done.error());
  }));
  Step(limits::kBlobLease);
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteRepository(tx, app_); }));
  std::stop_source stop;
  files_.FailNth(1, FaultyFileSystem::Fault::kIo, [&](auto call) {
    if (call == FaultyFileSystem::Call::kRemove) stop.request_stop();
    return false;
  });
  EXPECT_EQ(collector_->Run({stop.get_token()})->manifests, 2);
  EXPECT_EQ(Run().manifests, 2);
  EXPECT_EQ(Count("edges"), 0);
}

// A spool that was open while its repository was removed goes with a later pass.
TEST_F(CollectorTest, AnOpenSpoolGoesOnceItIsClosed) {
  auto session = *Write([&](Tx& tx) { return CreateUpload(tx, app_, kAlice, now_); });
  auto kept = *Write([&](Tx& tx) { return CreateUpload(tx, other_, kAlice, now_); });
  auto open = *driver_->Upload(session.id);
  ASSERT_TRUE(open->Append(AsBytes("half")));
  ASSERT_TRUE((*driver_->Upload(kept.id))->Append(AsBytes("half")));
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteRepository(tx, app_); }));
  EXPECT_EQ(Run().spools, 0);
  EXPECT_TRUE(std::filesystem::exists(dir_.path() + "/uploads/" + session.id));
  open.reset();
  EXPECT_EQ(Run().spools, 1);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/uploads/" + session.id));
  EXPECT_TRUE(std::filesystem::exists(dir_.path() + "/uploads/" + kept.id));
}

TEST_F(CollectorTest, AProjectGoesBeforeItsRowsDo) {
  const Digest blob = *Upload(app_, kAlice, "b");
  Put(app_, {.body = "m", .blobs = {blob}, .tag = "t"});
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteRepository(tx, app_); }));
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteProject(tx, project_); }));
  EXPECT_FALSE(Read([&](const ReadTx& tx) { return FindProject(tx, "team-a"); })->has_value());
  const auto listed = Read([&](const ReadTx& tx) { return ListProjects(tx, {}); });
  for (const Project& project : listed->items) EXPECT_NE(project.name, ".leaving");
  EXPECT_FALSE(Read([&](const ReadTx& tx) { return FindProject(tx, ".leaving"); })->has_value());
  auto again = Write([&](Tx& tx) { return CreateProject(tx, "team-a", now_); });
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_NE(again->id, project_);
  EXPECT_EQ(Run().manifests, 1);
  EXPECT_EQ(Count("manifests"), 0);
}

TEST_F(CollectorTest, WhatCannotBeUnlinkedIsTriedAgain) {
  const Digest a = *Upload(app_, kAlice, "a"), b = *Upload(app_, kAlice, "b");
  Step(limits::kBlobLease);
  files_.FailNth(1, FaultyFileSystem::Fault::kIo, [](auto call) { return call == FaultyFileSystem::Call::kRemove; });
  EXPECT_EQ(collector_->Run().error().code, Errc::kIo);
  EXPECT_NE(HasFile(a), HasFile(b)) << "one failed, the other was done";
  EXPECT_EQ(Count("blobs"), 1);
  EXPECT_FALSE(Present(app_, a));
  EXPECT_EQ(Run().blobs, 1);
  EXPECT_EQ(Count("blobs"), 0);
}

TEST_F(CollectorTest, ManyAreUnlinkedSideBySideAndOneFailureIsOne) {
  constexpr int kMany = 100;
  for (int i = 0; i < kMany; ++i) ASSERT_TRUE(Upload(app_, kAlice, "blob " + std::to_string(i)));
  Step(limits::kBlobLease);
  files_.FailNth(50, FaultyFileSystem::Fault::kIo, [](auto call) { return call == FaultyFileSystem::Call::kRemove; });
  EXPECT_EQ(collector_->Run().error().code, Errc::kIo);
  EXPECT_EQ(Count("blobs"), 1);
  EXPECT_EQ(Run().blobs, 1);
  std::size_t files = 0;
  ASSERT_TRUE(driver_->Each([&](const BlobInfo&) { return ++files > 0; }));
  EXPECT_EQ(files, 0u);
}

TEST_F(CollectorTest, RecoverFinishesWhatDied) {
  const Digest dying = *Upload(app_, kAlice, "dying"), kept = *Upload(app_, kAlice, "kept");
  auto live = *Write([&](Tx& tx) { return CreateUpload(tx, app_, kAlice, now_); });
  ASSERT_TRUE((*driver_->Upload(live.id))->Append(AsBytes("half")));
  ASSERT_TRUE((*driver_->Upload("abcdef"))->Append(AsBytes("no session")));
  ASSERT_TRUE(Write([&](Tx& tx) -> Status {
    BW_CHECK(tx.Exec("UPDATE blobs SET dead = 1 WHERE digest = ?1", {dying.str()}));
    BW_CHECK(ReserveBlob(tx, kept, "ab", now_));
    return {};
  }));
  auto report = collector_->Recover();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->blobs, 1);
  EXPECT_EQ(report->spools, 1);
  EXPECT_FALSE(HasFile(dying));
  EXPECT_TRUE(HasFile(kept));
  EXPECT_EQ(Count("reservations"), 0);
  EXPECT_EQ((*driver_->Upload(live.id))->size(), 4u) << "an upload survives a restart";
}

TEST_F(CollectorTest, OrphansAreAdoptedUnseenAndGoLater) {
  auto writer = *driver_->Upload("abc");
  const Digest orphan = crypto::Sha256(AsBytes("orphan"));
  ASSERT_TRUE(writer->Append(AsBytes("orphan")));
  ASSERT_TRUE(writer->Commit(orphan));
  EXPECT_EQ(collector_->AdoptOrphans()->adopted, 1);
  EXPECT_EQ(collector_->AdoptOrphans()->adopted, 0);
  EXPECT_FALSE(Present(app_, orphan));
  EXPECT_EQ(Run().blobs, 0);
  Step(limits::kBlobLease);
  EXPECT_EQ(Run().blobs, 1);
  EXPECT_FALSE(HasFile(orphan));
}

TEST_F(CollectorTest, AFileThatAnUploadIsFinishingIsNoOrphan) {
  auto writer = *driver_->Upload("abc");
  const Digest digest = crypto::Sha256(AsBytes("x"));
  ASSERT_TRUE(Write([&](Tx& tx) { return ReserveBlob(tx, digest, "abc", now_); }));
  ASSERT_TRUE(writer->Append(AsBytes("x")));
  ASSERT_TRUE(writer->Commit(digest));
  EXPECT_EQ(collector_->AdoptOrphans()->adopted, 0);
}

TEST_F(CollectorTest, StopsWhenAsked) {
  ASSERT_TRUE(Upload(app_, kAlice, "b"));
  Step(limits::kBlobLease);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(collector_->Run({stop.get_token()})->blobs, 0);
  EXPECT_EQ(Run().blobs, 1);
}

// specs/attacks.md, gc-against-push: pushers upload the same few blobs, mount, refer and delete, while the collector
// never stops and every lease is made to lapse at once. Whoever got an acknowledgement has a complete image.
TEST_F(CollectorTest, RaceAgainstPushes) {
  constexpr int kPushers = 4, kRounds = 60;
  std::atomic<bool> done = false;
  std::atomic<int> broken = 0, acknowledged = 0, passes = 0;
  // The collector's clock is a lease ahead: only edges, reservations and the leases of this instant protect.
  FakeClock ahead(clock_.Now() + Millis(limits::kBlobLease) - Millis(1));
  std::thread collecting([&] {
    Collector collector(*database_, *driver_, ahead);
    while (!done) {
      if (!collector.Run()) ++broken;
      ++passes;
      ahead.Step(Millis(1));
      clock_.Step(Millis(1));
    }
  });
  std::vector<std::thread> pushers;
  for (int p = 0; p < kPushers; ++p) {
    pushers.emplace_back([&, p] {
      std::mt19937 random(static_cast<unsigned>(p));
      const RepositoryId repository = p % 2 ? app_ : other_;
      for (int round = 0; round < kRounds; ++round) {
        const std::string bytes = "blob " + std::to_string(random() % 3);
        auto blob = Upload(repository, kAlice, bytes);
        if (!blob) {
          ADD_FAILURE() << blob.error().message;
          ++broken;
          continue;
        }
        NewManifest m;
        const std::string body = std::to_string(p) + "." + std::to_string(round);
        m.digest = crypto::Sha256(AsBytes(body));
        m.media_type = kImageType;
        m.bytes = AsBytes(body);
        m.edges.push_back({EdgeKind::kBlob, *blob, bytes.size(), true});
        auto put = Write([&](Tx& tx) { return PutManifest(tx, repository, m, {}, kAlice, clock_.Now()); });
        if (!put) continue;  // its lease lapsed: refused, which is sound
        ++acknowledged;
        auto reader = driver_->Open({0, *blob});
        if (!reader || (*reader)->size() != bytes.size()) {
          ADD_FAILURE() << "an acknowledged manifest without its blob";
          ++broken;
        }
        if (!Write([&](Tx& tx) { return DeleteManifest(tx, repository, m.digest); })) ++broken;
      }
    });
  }
  for (auto& t : pushers) t.join();
  done = true;
  collecting.join();
  EXPECT_EQ(broken, 0);
  EXPECT_GT(acknowledged, 0);
  EXPECT_GT(passes, 1);
}

}  // namespace
}  // namespace bulwark::storage
