// DESIGN 2.16, ADR 8: what is served from memory is void at once when anything it rests on changes.
#include "service/manifest_cache.h"

#include "base/limits.h"
#include "service/exceptions.h"
#include "service/policies.h"
#include "service/service_fixture.h"

namespace bulwark::service {
namespace {

constexpr const char* kApp = "team-a/app";
const std::string kAllowing = "policy: default\napplies_to: {repositories: [\"**\"]}\nmode: audit\n";

class AtHandTest : public ServiceFixture {
 protected:
  const Image image_ = ImageOf({DebianLayer({{"libaom", "1.0-1"}})});
  const std::vector<Vulnerability> known_{{"CVE-2024-5171", "libaom", "1.0-2"}};

  void PushImage() { Must(Push(Pusher("alice", kApp), kApp, image_, "v1")); }
  bool AtHand(std::string_view reference) { return registry().ManifestAtHand(As("pat"), Repo(kApp), Ref(reference)).has_value(); }
  // Pulled until it is at hand: the first pull may have to judge it.
  void Warm(std::string_view reference) {
    for (int i = 0; i < 3 && !AtHand(reference); ++i) ASSERT_EQ(Pull(As("pat"), kApp, reference), "") << reference;
    ASSERT_TRUE(AtHand(reference)) << reference;
  }
  void ExpectRefused(std::string_view reference) {
    EXPECT_FALSE(AtHand(reference)) << "before anybody asked the gate";
    EXPECT_NE(Pull(As("pat"), kApp, reference), "");
    EXPECT_FALSE(AtHand(reference)) << "and afterwards";
  }
  void UseIndex(const std::vector<Vulnerability>& vulnerabilities) {
    Must(service_->inputs().ChangeIndex(IndexWith(vulnerabilities), [](storage::Tx&) { return Status(); }));
  }
};

TEST_F(AtHandTest, APolicyThatChangesThroughTheApi) {
  Start(IndexWith(known_));
  Policies policies(*service_);
  Must(policies.Put(As("sue"), {"default", kAllowing, true, std::nullopt}));
  PushImage();
  Warm("v1");
  Must(policies.Put(As("sue"), {"default", StrictPolicy(), true, std::nullopt}));
  ExpectRefused("v1");
  Must(policies.Put(As("sue"), {"default", kAllowing, true, std::nullopt}));
  Warm("v1");
  Must(policies.Remove(As("sue"), "default"));  // the built-in one is back
  ExpectRefused("v1");
}

TEST_F(AtHandTest, AnExceptionThatIsGrantedRevokedOrOver) {
  StartWith({StrictPolicy()}, IndexWith(known_));
  PushImage();
  ExpectRefused("v1");  // quarantined
  Exceptions exceptions(*service_);
  auto asked = Must(exceptions.Request(As("alice"), Accepted(kApp)));
  ExpectRefused("v1");
  Must(exceptions.Approve(As("sue"), asked.exception.id));
  Warm("v1");
  Must(exceptions.Revoke(As("sue"), asked.exception.id));
  ExpectRefused("v1");
  Must(exceptions.Approve(As("sue"), Must(exceptions.Request(As("alice"), Accepted(kApp))).exception.id));
  Warm("v1");
  clock_.Step(10 * kDay);
  ExpectRefused("v1");
}

// The verdict on its push holds the image back, although pulls are let pass.
TEST_F(AtHandTest, AQuarantineThatEndsAndBegins) {
  StartWith({StrictPolicy("on_push: quarantine\n", "push"),
             "policy: pulls\napplies_to: {repositories: [\"**\"], at: [pull, admission]}\nmode: audit\n"},
            IndexWith(known_));
  PushImage();
  ExpectRefused("v1");
  UseIndex({});
  Drain();
  clock_.Step(kDay);  // denials last that long beyond their advisory
  Drain();
  Warm("v1");
  UseIndex(known_);
  Warm("v1");  // by the old verdict, until there is a new one
  Drain();
  ExpectRefused("v1");
}

TEST_F(AtHandTest, AdvisoriesThatAreRead) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith({}));
  PushImage();
  Warm("v1");
  UseIndex(known_);
  EXPECT_FALSE(AtHand("v1"));
  Warm("v1");  // as above
  Drain();
  ExpectRefused("v1");
}

TEST_F(AtHandTest, AChildThatIsJudgedWorse) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith({}));
  const Image index = IndexOf({{&image_}});
  PushImage();
  Must(Push(Pusher("alice", kApp), kApp, index, "all"));
  Drain();
  UseIndex(known_);
  Warm("all");
  Warm(image_.digest().str());
  Drain();
  ExpectRefused("all");
  ExpectRefused(image_.digest().str());
}

class CacheTest : public ServiceFixture {
 protected:
  static constexpr std::size_t kBytes = limits::kCachedManifestBytes / 16 - 100;

  // Its bytes, which the cache alone holds from here on.
  std::weak_ptr<const std::string> Insert(int i, std::uint64_t generation) {
    auto bytes = std::make_shared<const std::string>(kBytes, 'x');
    cache_->Insert(Repo(kApp), Tag(i), {{}, {{}, "", bytes}, kNever, generation});
    return bytes;
  }
  bool Has(int i) { return cache_->Find(Repo(kApp), Tag(i), clock_.Now()) != nullptr; }
  static Reference Tag(int i) { return Ref("v" + std::to_string(i)); }
  void Commit() {
    Must(database_->Write([](storage::Tx& tx) -> Status {
      BW_CHECK(tx.Exec("UPDATE judging SET configured = configured"));
      return {};
    }));
  }
  void SetUp() override {
    ServiceFixture::SetUp();
    cache_ = std::make_unique<ManifestCache>(*database_);
  }
  std::unique_ptr<ManifestCache> cache_;
};

TEST_F(CacheTest, WhatIsOldGoesWhenItIsMet) {
  auto bytes = Insert(1, database_->generation());
  EXPECT_TRUE(Has(1));
  Commit();
  EXPECT_FALSE(Has(1));
  EXPECT_TRUE(bytes.expired());
  Insert(2, database_->generation() - 1);  // read before that commit
  EXPECT_FALSE(Has(2));
}

TEST_F(CacheTest, WhatIsOldMakesRoomFirst) {
  for (int i = 0; i < 15; ++i) Insert(i, database_->generation());
  Commit();
  for (int i = 15; i < 31; ++i) Insert(i, database_->generation());
  for (int i = 15; i < 31; ++i) EXPECT_TRUE(Has(i)) << i;
  Insert(31, database_->generation());  // no room, and nothing is old
  EXPECT_TRUE(Has(31));
  EXPECT_FALSE(Has(15));
}

}  // namespace
}  // namespace bulwark::service
