#include "auth/password.h"

#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "auth/auth.h"
#include "base/limits.h"

namespace bulwark::auth {
namespace {

TEST(Password, FitsItsHashOnly) {
  auto hash = HashPassword("correct horse battery");
  ASSERT_TRUE(hash.ok());
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << *hash;
  EXPECT_TRUE(VerifyPassword(*hash, "correct horse battery").value());
  for (const char* wrong : {"", "correct horse batter", "correct horse battery ", "Correct horse battery"}) {
    EXPECT_FALSE(VerifyPassword(*hash, wrong).value()) << wrong;
  }
  EXPECT_FALSE(VerifyPassword(*hash, std::string("correct horse battery\0", 22)).value());
  EXPECT_FALSE(VerifyPassword(*hash, std::string(5000, 'x')).value());
  EXPECT_NE(*hash, HashPassword("correct horse battery").value());  // another salt
  EXPECT_EQ(HashPassword(std::string(1025, 'x')).error().code, Errc::kInvalid);
}

// RFC 9106 section 5.3 has no vector for these parameters; this one was made with the argon2(1) tool:
//   printf 'hunter2 hunter2' | argon2 saltsaltsaltsalt -id -t 2 -k 19456 -p 1 -l 32 -e
TEST(Password, AgreesWithTheArgon2Tool) {
  EXPECT_TRUE(VerifyPassword("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$6bp6qLMxxyG17l0t30vK0bBPZV+tGaxpgEzIshTSTXY", "hunter2 hunter2").value());
}

TEST(Password, NobodysHashParsesAndFitsNothing) {
  auto fits = VerifyPassword(NobodysHash(), "password");
  ASSERT_TRUE(fits.ok()) << fits.error().message;
  EXPECT_FALSE(*fits);
}

// The parameters of a stored hash are not taken as orders: 4 GiB of memory, 10^6 passes.
TEST(Password, RefusesForeignParameters) {
  for (const char* stored : {"", "x", "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$AAAA", "$argon2id$v=19$m=19456,t=1000000,p=1$c2FsdHNhbHQ$AAAA",
                             "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=19456,t=2,p=1$",
                             "$argon2id$v=19$m=19456,t=2,p=1$!!!$!!!"}) {
    auto fits = VerifyPassword(stored, "x");
    ASSERT_FALSE(fits.ok()) << stored;
    EXPECT_EQ(fits.error().code, Errc::kCorrupt) << stored;
  }
}

TEST(Password, QueueIsBounded) {
  std::atomic<int> refused = 0, done = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < limits::kPasswordHashes + limits::kPasswordHashQueue + 40; ++i) {
    threads.emplace_back([&] {
      auto fits = VerifyPassword(NobodysHash(), "x");
      if (fits.ok()) ++done;
      else if (fits.error().code == Errc::kUnavailable) ++refused;
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(refused + done, static_cast<int>(threads.size()));
  EXPECT_GE(done, static_cast<int>(limits::kPasswordHashQueue));
  EXPECT_TRUE(VerifyPassword(NobodysHash(), "x").ok());  // and it recovers
}

// NIST SP 800-63B section 5.1.1.2, and the default-password row of specs/attacks.md.
TEST(Password, NewOnesHaveRules) {
  for (const char* good : {"correct horse", "twelve chars", "ключевое-сло", "Administrator-9"}) {
    EXPECT_TRUE(CheckNewPassword("admin", good).ok()) << good;
  }
  for (std::string bad : {std::string(""), std::string("short"), std::string("eleven-char"), std::string("aaaaaaaaaaaaaaaa"),
                          std::string("ключевоесло"), std::string("with\nnewline-inside"), std::string("nul\0 inside a password", 22),
                          std::string("not utf-8 \xff\xfe...."), std::string(1025, 'x') + "y"}) {
    EXPECT_FALSE(CheckNewPassword("admin", bad).ok()) << bad;
  }
  EXPECT_FALSE(CheckNewPassword("averylongusername", "AVeryLongUsername").ok());
  EXPECT_FALSE(CheckNewPassword("admin", "adminadminadmin").ok());
  EXPECT_FALSE(CheckNewPassword("bob", "bobbobbobbob").ok());
}

TEST(Password, GeneratedOnesAreGoodAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(GeneratePassword());
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_TRUE(CheckNewPassword("admin", *seen.begin()).ok());
}

}  // namespace
}  // namespace bulwark::auth
