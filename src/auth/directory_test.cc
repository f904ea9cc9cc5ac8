#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "audit/audit.h"
#include "auth/auth.h"
#include "auth/bootstrap.h"
#include "storage/db/sqlite_database.h"
#include "storage/file_system.h"
#include "storage/test_directory.h"

namespace bulwark::auth {
namespace {

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = storage::OpenSqlite(directory_.path() + "/bulwark.db", storage::PosixFileSystem());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    database_ = *std::move(opened);
    ASSERT_TRUE(database_->Migrate(audit::Migrations()).ok());
    ASSERT_TRUE(database_->Migrate(Migrations()).ok());
  }
  Result<User> Create(std::string_view name, PrincipalKind kind = PrincipalKind::kUser) {
    return database_->Write([&](storage::Tx& tx) { return CreateUser(tx, name, "hash", kind, clock_.Now()); });
  }
  Result<Grant> Give(std::int64_t user, std::string_view role, std::string_view repositories) {
    return database_->Write([&](storage::Tx& tx) { return AddGrant(tx, user, role, repositories); });
  }
  Errc CodeOf(const auto& result) { return result.ok() ? Errc::kInternal : result.error().code; }
  bool AnyAdmin() { return database_->Read(AnyAdministrator).value(); }

  storage::TestDirectory directory_;
  FakeClock clock_{Time(std::chrono::seconds(1'790'000'000))};
  std::unique_ptr<storage::Database> database_;
};

TEST_F(DirectoryTest, CreatesFindsAndLists) {
  ASSERT_TRUE(Create("alice").ok());
  ASSERT_TRUE(Create("ci.bot-1", PrincipalKind::kService).ok());
  EXPECT_EQ(CodeOf(Create("alice")), Errc::kExists);
  auto bot = database_->Read([](const storage::ReadTx& tx) { return FindUser(tx, "ci.bot-1"); });
  ASSERT_TRUE(bot.ok() && *bot);
  EXPECT_EQ((*bot)->kind, PrincipalKind::kService);
  EXPECT_EQ((*bot)->created, clock_.Now());
  auto page = database_->Read([](const storage::ReadTx& tx) { return ListUsers(tx, 1, 10); });
  ASSERT_EQ(page.value().size(), 1u);
  EXPECT_EQ(page.value()[0].name, "ci.bot-1");
}

TEST_F(DirectoryTest, RefusesOddNamesAndKinds) {
  for (const char* name : {"", "Alice", " alice", "alice ", "al ice", "anonymous", "system", "a/b", "a:b", "é", "-a", "a\n"}) {
    EXPECT_EQ(CodeOf(Create(name)), Errc::kInvalid) << name;
  }
  EXPECT_EQ(CodeOf(Create("x", PrincipalKind::kSystem)), Errc::kInvalid);
  EXPECT_EQ(CodeOf(Create("x", PrincipalKind::kAnonymous)), Errc::kInvalid);
}

TEST_F(DirectoryTest, GrantsAreChecked) {
  std::int64_t id = Create("alice")->id;
  auto grant = Give(id, "developer", "team-a/**");
  ASSERT_TRUE(grant.ok());
  EXPECT_EQ(CodeOf(Give(id, "developer", "team-a/**")), Errc::kExists);
  EXPECT_EQ(CodeOf(Give(id, "root", "team-a/**")), Errc::kInvalid);
  EXPECT_EQ(CodeOf(Give(id, "developer", "team-a/../team-b/**")), Errc::kInvalid);
  EXPECT_EQ(CodeOf(Give(99, "developer", "**")), Errc::kNotFound);
  EXPECT_TRUE(database_->Write([&](storage::Tx& tx) { return RemoveGrant(tx, grant->id); }).ok());
  EXPECT_EQ(CodeOf(database_->Write([&](storage::Tx& tx) { return RemoveGrant(tx, grant->id); })), Errc::kNotFound);
  EXPECT_EQ(CodeOf(database_->Write([&](storage::Tx& tx) { return SetDisabled(tx, 99, true); })), Errc::kNotFound);
}

// sql-through-filters of specs/attacks.md: text is a parameter, always.
TEST_F(DirectoryTest, TextIsNeverSql) {
  ASSERT_TRUE(Create("alice").ok());
  for (const char* text : {"'", "\"", "' OR 1=1 --", "%", "_", "\\", "1) UNION SELECT 1"}) {
    auto found = database_->Read([&](const storage::ReadTx& tx) { return FindUser(tx, text); });
    ASSERT_TRUE(found.ok());
    EXPECT_FALSE(found->has_value()) << text;
  }
}

TEST_F(DirectoryTest, AnAdministratorIsEnabledAndGlobal) {
  std::int64_t id = Create("root")->id;
  EXPECT_FALSE(AnyAdmin());
  ASSERT_TRUE(Give(id, "admin", "team-a/**").ok());
  EXPECT_FALSE(AnyAdmin());
  ASSERT_TRUE(Give(id, "admin", "**").ok());
  EXPECT_TRUE(AnyAdmin());
  ASSERT_TRUE(database_->Write([&](storage::Tx& tx) { return SetDisabled(tx, id, true); }).ok());
  EXPECT_FALSE(AnyAdmin());
}

// DESIGN 2.2: of the built-in roles only admin and security carry pull-blocked; only admin administers.
TEST_F(DirectoryTest, RolesHoldWhatTheDesignSays) {
  auto holds = [](std::string_view role, Verb verb) {
    auto verbs = VerbsOf(role);
    return verbs && std::find(verbs->begin(), verbs->end(), verb) != verbs->end();
  };
  for (const char* role : {"admin", "security", "auditor", "maintainer", "developer", "puller"}) {
    ASSERT_TRUE(VerbsOf(role)) << role;
    std::string_view name = role;
    EXPECT_EQ(holds(role, Verb::kPullBlocked), name == "admin" || name == "security") << role;
    EXPECT_EQ(holds(role, Verb::kManagePolicy), name == "admin" || name == "security") << role;
    EXPECT_EQ(holds(role, Verb::kAdmin), name == "admin") << role;
    EXPECT_EQ(holds(role, Verb::kPull), name != "auditor") << role;
    EXPECT_EQ(holds(role, Verb::kPush), name == "admin" || name == "maintainer" || name == "developer") << role;
    EXPECT_EQ(holds(role, Verb::kDelete), name == "admin" || name == "maintainer") << role;
    EXPECT_TRUE(holds(role, Verb::kReadReport)) << role;
  }
  EXPECT_FALSE(VerbsOf("root"));
  EXPECT_FALSE(VerbsOf("Admin"));
  for (int v = 0; v <= static_cast<int>(Verb::kAdmin); ++v) {
    EXPECT_EQ(ParseVerb(Name(static_cast<Verb>(v))), static_cast<Verb>(v));
    EXPECT_TRUE(holds("admin", static_cast<Verb>(v)));
  }
}

// specs/attacks.md, default-password.
TEST_F(DirectoryTest, BootstrapMakesARandomPasswordOnce) {
  auto first = Bootstrap(*database_, clock_, std::nullopt);
  ASSERT_TRUE(first.ok()) << first.error().message;
  ASSERT_TRUE(first->has_value());
  auto auth = MakeAuthenticator(*database_, clock_);
  auto admin = auth->Password("admin", **first, "127.0.0.1");
  ASSERT_TRUE(admin.ok());
  EXPECT_TRUE(admin->must_change_password);
  auto second = Bootstrap(*database_, clock_, std::string("another password"));
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(second->has_value());
  EXPECT_FALSE(auth->Password("admin", "another password", "127.0.0.1").ok());
  EXPECT_TRUE(database_->Read(audit::Verify).ok());
  auto events = database_->Read([](const storage::ReadTx& tx) { return audit::List(tx, 0, 10); });
  ASSERT_EQ(events.value().size(), 2u);
  EXPECT_EQ(events.value()[0].action, "user.create");
  EXPECT_EQ(events.value()[1].action, "grant.add");
}

TEST_F(DirectoryTest, BootstrapTakesAGivenPassword) {
  EXPECT_EQ(CodeOf(Bootstrap(*database_, clock_, std::string("Harbor12345"))), Errc::kInvalid);
  EXPECT_FALSE(AnyAdmin());
  auto made = Bootstrap(*database_, clock_, std::string("given by the operator"));
  ASSERT_TRUE(made.ok());
  EXPECT_FALSE(made->has_value());
  auto admin = MakeAuthenticator(*database_, clock_)->Password("admin", "given by the operator", "127.0.0.1");
  ASSERT_TRUE(admin.ok());
  EXPECT_FALSE(admin->must_change_password);
}

TEST_F(DirectoryTest, BootstrapDoesNotReplaceADisabledAdministrator) {
  ASSERT_TRUE(Bootstrap(*database_, clock_, std::string("given by the operator")).ok());
  ASSERT_TRUE(database_->Write([&](storage::Tx& tx) { return SetDisabled(tx, 1, true); }).ok());
  auto again = Bootstrap(*database_, clock_, std::string("given by an intruder"));
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(AnyAdmin());
  ASSERT_TRUE(database_->Write([&](storage::Tx& tx) { return RemoveGrant(tx, 1); }).ok());
  EXPECT_EQ(CodeOf(Bootstrap(*database_, clock_, std::string("given by an intruder"))), Errc::kConflict);
}

TEST_F(DirectoryTest, TheEnvironmentIsWiped) {
  setenv("BULWARK_ADMIN_PASSWORD", "given by the operator", 1);
  const char* bytes = getenv("BULWARK_ADMIN_PASSWORD");
  EXPECT_EQ(TakeAdminPassword().value(), "given by the operator");
  EXPECT_EQ(bytes[0], '\0');
  EXPECT_EQ(getenv("BULWARK_ADMIN_PASSWORD"), nullptr);
  EXPECT_EQ(TakeAdminPassword().value(), std::nullopt);

  std::string path = directory_.path() + "/password";
  std::ofstream(path) << "from a file, no less\n";
  setenv("BULWARK_ADMIN_PASSWORD_FILE", path.c_str(), 1);
  EXPECT_EQ(TakeAdminPassword().value(), "from a file, no less");
  setenv("BULWARK_ADMIN_PASSWORD_FILE", (path + ".missing").c_str(), 1);
  EXPECT_EQ(CodeOf(TakeAdminPassword()), Errc::kInvalid);
  setenv("BULWARK_ADMIN_PASSWORD_FILE", path.c_str(), 1);
  setenv("BULWARK_ADMIN_PASSWORD", "given by the operator", 1);
  EXPECT_EQ(CodeOf(TakeAdminPassword()), Errc::kInvalid);
  EXPECT_EQ(getenv("BULWARK_ADMIN_PASSWORD_FILE"), nullptr);
}

}  // namespace
}  // namespace bulwark::auth
