// Who collects when: administrators get an answer in time, and need not wait for the chore.
#include "service/collection.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "service/service_fixture.h"

namespace bulwark::service {
namespace {

using std::chrono::milliseconds;

class CollectionTest : public ServiceFixture {
 protected:
  static constexpr std::int64_t kBlobs = 2000;  // four transactions

  void SetUp() override {
    ServiceFixture::SetUp();
    Must(database_->Write([](storage::Tx& tx) -> Status {
      for (std::int64_t i = 0; i < kBlobs; ++i) {
        const std::string digest = DigestOf(std::to_string(i)).str();
        BW_CHECK(tx.Exec("INSERT INTO blobs (domain, digest, size, created) VALUES (0, ?1, 1, 0)", {digest}));
        BW_CHECK(tx.Exec("INSERT INTO loose_blobs (digest, since) VALUES (?1, 0)", {digest}));
      }
      return {};
    }));
    auto driver = std::make_unique<HookedDriver>(std::move(blobs_));
    driver_ = driver.get();
    blobs_ = std::move(driver);
    Start(IndexWith({}));
    collector_ = std::make_unique<storage::Collector>(*database_, *driver_, clock_);
    collection_ = std::make_unique<Collection>(*service_, *collector_);
  }
  storage::CollectorReport Run(milliseconds most) { return Must(collection_->Run(As("admin"), most)); }
  // The chore, in the middle of its pass until Release.
  void HoldChore() {
    driver_->unlink = [this] {
      held_ = true;
      while (!released_) std::this_thread::sleep_for(milliseconds(1));
    };
    chore_ = std::jthread([this] { Must(collection_->RunDue()); });
    while (!held_) std::this_thread::sleep_for(milliseconds(1));
  }
  void Release() {
    released_ = true;
    chore_.join();
  }

  HookedDriver* driver_ = nullptr;
  std::unique_ptr<storage::Collector> collector_;
  std::unique_ptr<Collection> collection_;
  std::atomic<bool> held_ = false, released_ = false;
  std::jthread chore_;
};

TEST_F(CollectionTest, AnswersInTimeAndGoesOnWhereItStopped) {
  driver_->unlink = [] { std::this_thread::sleep_for(milliseconds(1)); };
  const auto none = Run(milliseconds(0));
  EXPECT_EQ(std::pair(none.blobs, none.complete), std::pair(std::int64_t{0}, false));
  std::int64_t removed = 0;
  int incomplete = 0;
  for (bool complete = false; !complete;) {
    const auto report = Run(milliseconds(20));  // 500 unlinks of 16 threads take 31
    removed += report.blobs;
    complete = report.complete;
    incomplete += complete ? 0 : 1;
    ASSERT_LT(incomplete, 1000);
  }
  EXPECT_EQ(removed, kBlobs);
  EXPECT_GE(incomplete, 2);
}

TEST_F(CollectionTest, TheChoreMakesWay) {
  HoldChore();
  EXPECT_FALSE(Run(milliseconds(10)).complete);
  Release();
  driver_->unlink = [] {};
  const auto rest = Run(std::chrono::minutes(1));
  EXPECT_TRUE(rest.complete);
  EXPECT_EQ(rest.blobs, kBlobs - 500) << "the chore ended after its transaction";
}

TEST_F(CollectionTest, TheChoreGoesOnOnceNobodyAsks) {
  driver_->unlink = [] {};
  Run(milliseconds(0));
  Must(collection_->RunDue());
  EXPECT_EQ(Run(std::chrono::minutes(1)).blobs, 0);
}

TEST_F(CollectionTest, StopEndsWhoWaits) {
  HoldChore();
  std::jthread admin([this] { EXPECT_FALSE(Run(std::chrono::hours(1)).complete); });
  collection_->Stop();
  admin.join();
  Release();
  EXPECT_FALSE(Run(std::chrono::minutes(1)).complete);
}

}  // namespace
}  // namespace bulwark::service
