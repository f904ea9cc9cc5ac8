#include "auth/lockout.h"

#include <gtest/gtest.h>

namespace bulwark::auth {
namespace {

using namespace std::chrono_literals;

TEST(Network, IsTheSubnet) {
  struct Case {
    const char* address;
    const char* network;
  };
  const Case cases[] = {
      {"192.0.2.1", "4:c00002"},     {"192.0.2.254:4711", "4:c00002"},     {"192.0.3.1", "4:c00003"},
      {"::ffff:192.0.2.9", "4:c00002"}, {"[::ffff:192.0.2.9]:80", "4:c00002"}, {"2001:db8::1", "6:20010db800000000"},
      {"2001:db8::ffff:1", "6:20010db800000000"}, {"[2001:db8:0:1::1]:443", "6:20010db800000001"}, {"fe80::1%eth0", "6:fe80000000000000"},
      // Not addresses for inet_pton: each is a network of its own, none is somebody else's.
      {"0x0a.1", "?:307830612e31"},  {"010.0.0.1", "?:3031302e302e302e31"}, {"", "?:"}, {"@", "?:40"},
  };
  for (const Case& c : cases) EXPECT_EQ(NetworkOf(c.address), c.network) << c.address;
}

class LockoutTest : public testing::Test {
 protected:
  // Tries until refused; how many went through.
  int Tries(std::string_view account, std::string_view network) {
    int n = 0;
    while (n < 1000 && lockout_.Begin(account, network, now_)) ++n;
    return n;
  }
  Time now_ = Time(1'000'000s);
  Lockout lockout_{1000};
};

TEST_F(LockoutTest, DelaysGrowAndEnd) {
  EXPECT_EQ(Tries("alice", "n"), 5);
  Millis expected = 1s;
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(lockout_.Locked("alice", "n", now_));
    now_ += expected - 1ms;
    EXPECT_FALSE(lockout_.Begin("alice", "n", now_)) << i;
    now_ += 1ms;
    EXPECT_FALSE(lockout_.Locked("alice", "n", now_));
    EXPECT_EQ(Tries("alice", "n"), 1) << i;
    expected = std::min<Millis>(expected * 2, 15min);
  }
  now_ += 1h;
  EXPECT_EQ(Tries("alice", "n"), 5);
}

TEST_F(LockoutTest, StrangersDoNotLockTheOwner) {
  EXPECT_EQ(Tries("alice", "attacker"), 5);
  EXPECT_TRUE(lockout_.Begin("alice", "home", now_));
  EXPECT_TRUE(lockout_.Begin("bob", "attacker", now_));
}

TEST_F(LockoutTest, SuccessForgetsAndWithdrawalDoesNotCount) {
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(lockout_.Begin("alice", "n", now_));
  lockout_.Succeeded("alice", "n");
  EXPECT_EQ(Tries("alice", "n"), 5);
  now_ += 1s;
  EXPECT_TRUE(lockout_.Begin("alice", "n", now_));
  lockout_.Withdraw("alice", "n");
  EXPECT_TRUE(lockout_.Begin("alice", "n", now_));
  EXPECT_FALSE(lockout_.Begin("alice", "n", now_));
}

TEST_F(LockoutTest, ForgetsTheOldestPairWhenFull) {
  EXPECT_EQ(Tries("alice", "n"), 5);
  for (int i = 0; i < 999; ++i) EXPECT_TRUE(lockout_.Begin("alice", std::to_string(i), now_));
  EXPECT_TRUE(lockout_.Locked("alice", "n", now_));
  EXPECT_TRUE(lockout_.Begin("alice", "one more", now_));
  EXPECT_FALSE(lockout_.Locked("alice", "n", now_));
}

}  // namespace
}  // namespace bulwark::auth
