#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "auth/auth.h"
#include "auth/scope.h"
#include "base/limits.h"
#include "storage/db/sqlite_database.h"
#include "storage/file_system.h"
#include "storage/test_directory.h"

namespace bulwark::auth {
namespace {

using namespace std::chrono_literals;
constexpr std::string_view kPassword = "correct horse battery", kHome = "192.0.2.1", kAttacker = "198.51.100.7";

class AuthenticatorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = storage::OpenSqlite(directory_.path() + "/bulwark.db", storage::PosixFileSystem());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    database_ = *std::move(opened);
    ASSERT_TRUE(database_->Migrate(Migrations()).ok());
    auth_ = MakeAuthenticator(*database_, clock_);
    static const std::string hash = HashPassword(kPassword).value();
    hash_ = hash;
  }

  std::int64_t AddUser(std::string_view name, std::vector<std::pair<std::string, std::string>> grants = {}) {
    auto id = database_->Write([&](storage::Tx& tx) -> Result<std::int64_t> {
      BW_TRY(User user, CreateUser(tx, name, hash_, PrincipalKind::kUser, clock_.Now()));
      for (const auto& [role, repositories] : grants) {
        BW_CHECK(AddGrant(tx, user.id, role, repositories));
      }
      return user.id;
    });
    EXPECT_TRUE(id.ok()) << id.error().message;
    return id.ok() ? *id : 0;
  }
  void Change(const std::function<Status(storage::Tx&)>& body) {
    Status status = database_->Write(body);
    ASSERT_TRUE(status.ok()) << status.error().message;
    auth_->Forget();
  }
  Principal LogIn(std::string_view user) {
    auto principal = auth_->Password(user, kPassword, kHome);
    EXPECT_TRUE(principal.ok()) << principal.error().message;
    return principal.value_or(Principal());
  }
  Principal WithToken(const Principal& principal, std::string scope) {
    auto token = auth_->Issue(principal, {std::move(scope)});
    EXPECT_TRUE(token.ok());
    auto out = auth_->Bearer(token->token);
    EXPECT_TRUE(out.ok());
    return out.value_or(Principal());
  }
  bool May(const Principal& principal, Verb verb, std::string_view repository) {
    auto may = auth_->Allowed(principal, verb, repository);
    EXPECT_TRUE(may.ok());
    return may.ok() && *may;
  }
  bool MayAnywhere(const Principal& principal, Verb verb) { return auth_->AllowedAnywhere(principal, verb).value(); }
  std::string WhyNot(std::string_view user, std::string_view password, std::string_view remote = kHome) {
    auto principal = auth_->Password(user, password, remote);
    if (principal.ok()) return "";
    EXPECT_EQ(principal.error().code, Errc::kUnauthenticated);
    return principal.error().message;
  }

  storage::TestDirectory directory_;
  FakeClock clock_{Time(1'790'000'000s)};
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<Authenticator> auth_;
  std::string hash_;
};

TEST_F(AuthenticatorTest, KnowsWhoLogsIn) {
  std::int64_t id = AddUser("alice", {{"developer", "team-a/**"}});
  Principal alice = LogIn("alice");
  EXPECT_EQ(alice.id, id);
  EXPECT_EQ(alice.name, "alice");
  EXPECT_EQ(alice.kind, PrincipalKind::kUser);
  EXPECT_FALSE(alice.scopes.has_value());
  EXPECT_TRUE(alice.only_pulls("team-a/app"));
  EXPECT_EQ(LogIn("ALICE ").id, id);
  EXPECT_TRUE(May(alice, Verb::kPush, "team-a/app"));
  EXPECT_FALSE(May(alice, Verb::kDelete, "team-a/app"));
  EXPECT_FALSE(May(alice, Verb::kPull, "team-b/app"));
}

// specs/attacks.md, login-oracle: one text for all; that the cost is one argon2 call for all is the shape of Verify.
TEST_F(AuthenticatorTest, RefusalsAreAlike) {
  AddUser("alice");
  std::int64_t gone = AddUser("gone");
  Change([&](storage::Tx& tx) { return SetDisabled(tx, gone, true); });
  std::string wrong = WhyNot("alice", "wrong");
  EXPECT_NE(wrong, "");
  EXPECT_EQ(WhyNot("nobody", "wrong"), wrong);
  EXPECT_EQ(WhyNot("gone", kPassword), wrong);
  EXPECT_EQ(WhyNot("not a name!", "wrong"), wrong);
  EXPECT_EQ(WhyNot("", ""), wrong);
  for (int i = 0; i < 6; ++i) WhyNot("alice", "wrong" + std::to_string(i));
  EXPECT_EQ(WhyNot("alice", kPassword), wrong);  // locked
}

// specs/attacks.md, lockout-tricks.
TEST_F(AuthenticatorTest, SpellingsShareOneCounter) {
  AddUser("alice");
  for (const char* spelling : {"alice", "Alice", "alice ", "ALICE", " alice"}) WhyNot(spelling, "wrong", kAttacker);
  EXPECT_NE(WhyNot("alice", kPassword, kAttacker), "");
  EXPECT_NE(WhyNot("aLICE", kPassword, "198.51.100.99"), "");      // the same /24
  EXPECT_NE(WhyNot("alice", kPassword, "::ffff:198.51.100.7"), "");
  EXPECT_EQ(WhyNot("alice", kPassword, kHome), "");                // the owner elsewhere
  clock_.Step(1s);
  EXPECT_EQ(WhyNot("alice", kPassword, kAttacker), "");
}

TEST_F(AuthenticatorTest, ACachedLogInDoesNotOpenALock) {
  AddUser("alice");
  EXPECT_EQ(WhyNot("alice", kPassword), "");
  for (int i = 0; i < 5; ++i) WhyNot("alice", "guess" + std::to_string(i));
  EXPECT_NE(WhyNot("alice", kPassword), "");
}

TEST_F(AuthenticatorTest, PasswordChangesEndCachedLogIns) {
  std::int64_t id = AddUser("alice");
  LogIn("alice");
  std::string other = HashPassword("another password").value();
  Change([&](storage::Tx& tx) { return SetPassword(tx, id, other, false); });
  EXPECT_NE(WhyNot("alice", kPassword), "");
  EXPECT_EQ(WhyNot("alice", "another password"), "");
}

// Even where nobody called Forget (another replica): within the lease of a second.
TEST_F(AuthenticatorTest, RightsEndWithinTheLease) {
  std::int64_t id = AddUser("alice", {{"developer", "**"}});
  Principal alice = LogIn("alice");
  auto token = auth_->Issue(alice, {"repository:app:pull"});
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(auth_->Bearer(token->token).ok());
  EXPECT_TRUE(May(alice, Verb::kPull, "app"));
  ASSERT_TRUE(database_->Write([&](storage::Tx& tx) { return SetDisabled(tx, id, true); }).ok());
  clock_.Step(1s);
  EXPECT_FALSE(May(alice, Verb::kPull, "app"));
  EXPECT_FALSE(auth_->Bearer(token->token).ok());
  EXPECT_NE(WhyNot("alice", kPassword), "");
}

TEST_F(AuthenticatorTest, TokensHoldTheIntersection) {
  AddUser("alice", {{"developer", "team-a/**"}});
  Principal alice = LogIn("alice");
  auto granted = [&](std::vector<std::string> asked) {
    auto token = auth_->Issue(alice, asked);
    return token.ok() ? EncodeScopes(token->granted) : std::string(Name(token.error().code));
  };
  EXPECT_EQ(granted({"repository:team-a/app:pull,push"}), "team-a/app:pull,push,create,sign");
  EXPECT_EQ(granted({"repository:team-b/secret:pull,push"}), "");
  EXPECT_EQ(granted({"repository:team-b/secret:*"}), "");
  EXPECT_EQ(granted({"repository:team-a/app:pull,delete,x"}), "team-a/app:pull");
  EXPECT_EQ(granted({"repository:team-a/app:*"}), "team-a/app:pull,push,create,sign,read-report,request-exception");
  EXPECT_EQ(granted({"repository:team-b/x:pull", "repository:team-a/app:pull"}), "team-a/app:pull");
  EXPECT_EQ(granted({"registry:catalog:*"}), "*catalog:pull");
  EXPECT_EQ(granted({}), "");
  EXPECT_EQ(granted(std::vector<std::string>(65, "repository:team-a/app:pull")), std::string(Name(Errc::kLimit)));
}

TEST_F(AuthenticatorTest, TokensNarrow) {
  AddUser("root", {{"admin", "**"}});
  Principal root = LogIn("root");
  EXPECT_TRUE(May(root, Verb::kDelete, "team-a/app"));
  EXPECT_TRUE(MayAnywhere(root, Verb::kAdmin));
  Principal puller = WithToken(root, "repository:team-a/app:pull");
  EXPECT_TRUE(May(puller, Verb::kPull, "team-a/app"));
  EXPECT_FALSE(May(puller, Verb::kPull, "team-a/lib"));
  EXPECT_FALSE(May(puller, Verb::kPush, "team-a/app"));
  EXPECT_FALSE(May(puller, Verb::kPullBlocked, "team-a/app"));  // gated whoever owns it (DESIGN 2.2)
  EXPECT_FALSE(MayAnywhere(puller, Verb::kAdmin));
  EXPECT_TRUE(puller.only_pulls("team-a/app"));
  Principal pusher = WithToken(root, "repository:team-a/app:pull,push");
  EXPECT_TRUE(May(pusher, Verb::kPullBlocked, "team-a/app"));
  EXPECT_FALSE(pusher.only_pulls("team-a/app"));
  EXPECT_TRUE(pusher.only_pulls("team-a/lib"));
  EXPECT_FALSE(May(pusher, Verb::kDelete, "team-a/app"));
  // A token does not make a wider one.
  auto wider = auth_->Issue(puller, {"repository:team-a/app:pull,push,delete"});
  ASSERT_TRUE(wider.ok());
  EXPECT_EQ(EncodeScopes(wider->granted), "team-a/app:pull");
}

// specs/attacks.md, service-account-wider and revoked-but-live: the right is the intersection at each use.
TEST_F(AuthenticatorTest, TokensFollowTheirOwner) {
  std::int64_t id = AddUser("alice", {{"developer", "team-a/**"}, {"puller", "team-a/**"}});
  auto token = auth_->Issue(LogIn("alice"), {"repository:team-a/app:pull,push"});
  ASSERT_TRUE(token.ok());
  Principal bearer = auth_->Bearer(token->token).value();
  EXPECT_TRUE(May(bearer, Verb::kPush, "team-a/app"));
  Change([&](storage::Tx& tx) -> Status {
    BW_TRY(auto grants, ListGrants(tx, id));
    return RemoveGrant(tx, grants[0].id);
  });
  EXPECT_FALSE(May(bearer, Verb::kPush, "team-a/app"));
  EXPECT_TRUE(May(bearer, Verb::kPull, "team-a/app"));
  Change([&](storage::Tx& tx) { return SetDisabled(tx, id, true); });
  EXPECT_FALSE(May(bearer, Verb::kPull, "team-a/app"));
  EXPECT_FALSE(auth_->Bearer(token->token).ok());
  Change([&](storage::Tx& tx) { return SetDisabled(tx, id, false); });
  EXPECT_FALSE(auth_->Bearer(token->token).ok());  // its tokens died with it
}

TEST_F(AuthenticatorTest, ALogInThatSignsGivesTokensThatMayIfTheOwnerMay) {
  AddUser("alice", {{"developer", "team-a/**"}, {"puller", "team-b/**"}});
  const std::string asked = "repository:team-a/app:pull";
  EXPECT_FALSE(May(WithToken(LogIn("alice"), asked), Verb::kSign, "team-a/app"));
  const Principal signer = WithToken(LogIn(" Alice+sign"), asked);
  EXPECT_EQ(signer.name, "alice");
  EXPECT_TRUE(May(signer, Verb::kSign, "team-a/app"));
  EXPECT_FALSE(signer.only_pulls("team-a/app"));
  EXPECT_FALSE(May(signer, Verb::kPush, "team-a/app"));
  EXPECT_FALSE(May(signer, Verb::kSign, "team-a/other"));
  const Principal reader = WithToken(LogIn("alice+sign"), "repository:team-b/app:pull registry:catalog:*");
  EXPECT_TRUE(May(reader, Verb::kPull, "team-b/app"));
  EXPECT_TRUE(reader.only_pulls("team-b/app"));
  EXPECT_TRUE(reader.lists_catalog());
  // One spelling of the account for those who guess, and one suffix.
  for (const char* other : {"alice+Sign", "alice+sign+sign", "alice+", "alice+push", "+sign"}) EXPECT_NE(WhyNot(other, kPassword), "") << other;
  for (std::size_t i = 0; i < 40; ++i) WhyNot(i % 2 == 0 ? "alice+sign" : "alice", "wrong password");
  EXPECT_NE(WhyNot("alice", kPassword), "");
  EXPECT_NE(WhyNot("alice+sign", kPassword), "");
}

// What is answered without asking the database is what asking would answer, or nothing.
TEST_F(AuthenticatorTest, WhatIsAtHandIsWhatWasAskedBefore) {
  const std::int64_t id = AddUser("alice", {{"developer", "team-a/**"}});
  const auto token = auth_->Issue(LogIn("alice"), {"repository:team-a/app:pull"});
  ASSERT_TRUE(token.ok());
  EXPECT_FALSE(auth_->BearerAtHand(token->token));  // never seen
  const Principal alice = *auth_->Bearer(token->token);
  ASSERT_TRUE(May(alice, Verb::kPull, "team-a/app"));
  const auto at_hand = auth_->BearerAtHand(token->token);
  ASSERT_TRUE(at_hand);
  EXPECT_EQ(at_hand->name, "alice");
  EXPECT_TRUE(auth_->AllowedAtHand(*at_hand, Verb::kPull, "team-a/app"));
  EXPECT_FALSE(auth_->AllowedAtHand(*at_hand, Verb::kPush, "team-a/app"));
  EXPECT_FALSE(auth_->AllowedAtHand(*at_hand, Verb::kPull, "team-a/other"));
  EXPECT_FALSE(auth_->AllowedAtHand(LogIn("alice"), Verb::kPull, "team-a/app"));  // no token's
  EXPECT_FALSE(auth_->BearerAtHand(std::string(token->token.size(), 'A')));
  clock_.Step(limits::kRightsLease);
  EXPECT_FALSE(auth_->BearerAtHand(token->token));
  EXPECT_FALSE(auth_->AllowedAtHand(*at_hand, Verb::kPull, "team-a/app"));
  ASSERT_TRUE(auth_->Bearer(token->token).ok());
  ASSERT_TRUE(auth_->BearerAtHand(token->token));
  Change([&](storage::Tx& tx) { return SetDisabled(tx, id, true); });
  EXPECT_FALSE(auth_->BearerAtHand(token->token));
  EXPECT_FALSE(auth_->Bearer(token->token).ok());
  EXPECT_FALSE(auth_->BearerAtHand(token->token));
  EXPECT_FALSE(auth_->AllowedAtHand(*at_hand, Verb::kPull, "team-a/app"));
}

TEST_F(AuthenticatorTest, TokensExpireAndOnlyTheirHashIsStored) {
  AddUser("alice", {{"puller", "**"}});
  auto token = auth_->Issue(LogIn("alice"), {"repository:app:pull"});
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->token.size(), 43u);
  EXPECT_EQ(token->token.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), std::string::npos);
  EXPECT_EQ(token->expires, clock_.Now() + limits::kTokenLifetime);
  auto stored = database_->Read([&](const storage::ReadTx& tx) {
    return tx.Int("SELECT count(*) FROM tokens WHERE hash = CAST(?1 AS BLOB)", {token->token});
  });
  EXPECT_EQ(stored.value(), 0);
  clock_.Step(limits::kTokenLifetime - 1ms);
  EXPECT_TRUE(auth_->Bearer(token->token).ok());
  clock_.Step(1ms);
  EXPECT_FALSE(auth_->Bearer(token->token).ok());
  // The next one sweeps it out.
  ASSERT_TRUE(auth_->Issue(LogIn("alice"), {}).ok());
  EXPECT_EQ(database_->Read([&](const storage::ReadTx& tx) { return tx.Int("SELECT count(*) FROM tokens", {}); }).value(), 1);
}

TEST_F(AuthenticatorTest, AnAccountHasSoManyTokens) {
  AddUser("alice", {{"developer", "**"}});
  AddUser("bob", {{"developer", "**"}});
  Principal alice = LogIn("alice");
  const std::string others = auth_->Issue(LogIn("bob"), {"repository:app:pull"})->token;
  const std::string first = auth_->Issue(alice, {"repository:app:pull"})->token;
  std::string last;
  for (std::uint64_t i = 0; i < limits::kTokensPerUser; ++i) {
    clock_.Step(Millis(1));
    last = auth_->Issue(alice, {"repository:app:pull"})->token;
  }
  auto stored = database_->Read([](const storage::ReadTx& tx) { return tx.Int("SELECT COUNT(*) FROM tokens", {}); });
  EXPECT_EQ(**stored, static_cast<std::int64_t>(limits::kTokensPerUser) + 1);
  EXPECT_FALSE(auth_->Bearer(first).ok());  // the oldest made room
  EXPECT_TRUE(auth_->Bearer(last).ok());
  EXPECT_TRUE(auth_->Bearer(others).ok());
}

TEST_F(AuthenticatorTest, TheCatalogIsAScopeOfItsOwn) {
  AddUser("alice", {{"developer", "team-a/**"}});
  auto token = auth_->Issue(LogIn("alice"), {"registry:catalog:* repository:team-a/app:pull"});
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->granted.size(), 2u);
  Principal lister = auth_->Bearer(token->token).value();
  EXPECT_TRUE(lister.lists_catalog());
  EXPECT_TRUE(auth_->Allowed(lister, Verb::kPull, "team-a/app").value());
  EXPECT_FALSE(auth_->Allowed(lister, Verb::kPull, "team-a/other").value());
  EXPECT_FALSE(auth_->Allowed(lister, Verb::kPull, kCatalogScope).value());
  for (const char* other : {"registry:catalog:pull", "registry:catalog:", "registry:other:*", "repository:*catalog:pull"})
    EXPECT_FALSE(auth_->Bearer(auth_->Issue(LogIn("alice"), {other})->token)->lists_catalog()) << other;
  EXPECT_FALSE(auth_->Bearer(auth_->Issue(lister, {"registry:catalog:*"})->token)->scopes->empty());
}

TEST_F(AuthenticatorTest, RefusesWhatIsNoToken) {
  AddUser("alice", {{"puller", "**"}});
  std::string token = auth_->Issue(LogIn("alice"), {})->token;
  std::string flipped = token;
  flipped[7] = flipped[7] == 'A' ? 'B' : 'A';
  for (const std::string& bad : {std::string(), std::string("x"), token + "x", token.substr(1), flipped, " " + token,
                                 std::string(43, 'A'), std::string(43, '\0'), std::string(1 << 20, '.')}) {
    EXPECT_EQ(auth_->Bearer(bad).error().code, Errc::kUnauthenticated);
  }
}

TEST_F(AuthenticatorTest, NobodyMayAnything) {
  AddUser("alice", {{"admin", "**"}});
  Principal anonymous;
  for (int v = 0; v <= static_cast<int>(Verb::kAdmin); ++v) {
    EXPECT_FALSE(May(anonymous, static_cast<Verb>(v), "app"));
    EXPECT_FALSE(MayAnywhere(anonymous, static_cast<Verb>(v)));
  }
  EXPECT_EQ(auth_->Issue(anonymous, {"repository:app:pull"}).error().code, Errc::kUnauthenticated);
  Principal forged;
  forged.kind = PrincipalKind::kUser;
  forged.id = 99;
  EXPECT_FALSE(May(forged, Verb::kPull, "app"));
}

TEST_F(AuthenticatorTest, NamesThatAreNoRepositoryGiveNoRight) {
  AddUser("alice", {{"developer", "team-a/**"}});
  Principal alice = LogIn("alice");
  for (std::string name : {std::string(""), std::string("team-a/../team-b/x"), std::string("team-a/"), std::string("team-a//x"),
                           std::string("TEAM-A/x"), std::string("team-a/X"), std::string("team-a/x\0", 9), std::string("team-a/**")}) {
    EXPECT_FALSE(May(alice, Verb::kPull, name)) << name;
  }
}

// A grant on some repositories gives no power over the whole.
TEST_F(AuthenticatorTest, GlobalVerbsNeedAGlobalGrant) {
  AddUser("local", {{"admin", "team-a/**"}, {"security", "*/**"}});
  AddUser("global", {{"security", "**"}});
  Principal local = LogIn("local"), global = LogIn("global");
  EXPECT_TRUE(May(local, Verb::kDelete, "team-a/app"));
  EXPECT_FALSE(MayAnywhere(local, Verb::kAdmin));
  EXPECT_FALSE(MayAnywhere(local, Verb::kManagePolicy));
  EXPECT_TRUE(MayAnywhere(global, Verb::kManagePolicy));
  EXPECT_FALSE(MayAnywhere(global, Verb::kAdmin));
}

TEST_F(AuthenticatorTest, ADuePasswordAllowsNothing) {
  std::int64_t id = AddUser("admin", {{"admin", "**"}});
  Change([&](storage::Tx& tx) { return SetPassword(tx, id, hash_, true); });
  Principal admin = LogIn("admin");
  EXPECT_TRUE(admin.must_change_password);
  EXPECT_FALSE(May(admin, Verb::kPull, "app"));
  EXPECT_FALSE(MayAnywhere(admin, Verb::kAdmin));
  EXPECT_EQ(auth_->Issue(admin, {"repository:app:pull"}).error().code, Errc::kDenied);
  // The flag of the moment counts, not that of the log-in.
  admin.must_change_password = false;
  EXPECT_FALSE(May(admin, Verb::kPull, "app"));
}

// specs/attacks.md, recycled-names.
TEST_F(AuthenticatorTest, ANameGivenAgainInheritsNothing) {
  std::int64_t old_id = AddUser("carol", {{"admin", "**"}});
  Principal old_carol = LogIn("carol");
  std::string token = auth_->Issue(old_carol, {"repository:app:*"})->token;
  Change([&](storage::Tx& tx) { return DeleteUser(tx, old_id); });
  std::int64_t new_id = AddUser("carol", {{"puller", "team-a/**"}});
  auth_->Forget();
  EXPECT_GT(new_id, old_id);
  EXPECT_FALSE(auth_->Bearer(token).ok());
  EXPECT_FALSE(May(old_carol, Verb::kPull, "app"));
  EXPECT_FALSE(May(old_carol, Verb::kPull, "team-a/app"));
  Principal carol = LogIn("carol");
  EXPECT_EQ(carol.id, new_id);
  EXPECT_FALSE(May(carol, Verb::kAdmin, "app"));
  EXPECT_TRUE(May(carol, Verb::kPull, "team-a/app"));
}

// Many clients with one credential share one hash; log-ins, changes and look-ups run together (TSan).
TEST_F(AuthenticatorTest, ManyThreads) {
  std::int64_t id = AddUser("alice", {{"developer", "**"}});
  AddUser("bob", {{"puller", "**"}});
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        auto principal = auth_->Password(t % 2 ? "alice" : "bob", kPassword, kHome);
        if (!principal.ok()) { ++failures; continue; }
        auto token = auth_->Issue(*principal, {"repository:app:pull"});
        if (!token.ok() || !auth_->Bearer(token->token).ok()) ++failures;
        if (!auth_->Allowed(*principal, Verb::kPull, "app").value_or(false)) ++failures;
        if (i % 5 == 0) auth_->Forget();
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 10; ++i) {
      auto grant = database_->Write([&](storage::Tx& tx) { return AddGrant(tx, id, "puller", "x" + std::to_string(i)); });
      if (!grant.ok()) ++failures;
      auth_->Forget();
    }
  });
  for (auto& t : threads) t.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace bulwark::auth
