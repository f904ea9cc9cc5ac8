// The wiring: a server starts on an empty directory as DESIGN 2.18 says, answers, stops, starts again.

#include "app/server.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fstream>

#include <gtest/gtest.h>

#include "app/first_admin.h"
#include "app/paths.h"
#include "app/serve.h"
#include "audit/audit.h"
#include "base/strings.h"
#include "net/http_client.h"
#include "storage/db/sqlite_database.h"
#include "storage/test_directory.h"

namespace bulwark::app {
namespace {

// No analysis here: workers need the real binary.
constexpr const char* kNoWorker = "/bin/false";

class ServerTest : public ::testing::Test {
 protected:
  config::Config Config() {
    config::Config config;
    config.listeners[0].address = "127.0.0.1:0";
    config.data_directory = directory_.path() + "/data";
    return config;
  }
  std::unique_ptr<Server> Start(const std::optional<std::string>& password = std::nullopt) {
    auto server = Server::Start(Config(), password, kNoWorker);
    EXPECT_TRUE(server) << server.error().message;
    return server ? *std::move(server) : nullptr;
  }
  net::HttpClientResponse Get(const Server& server, const std::string& path, const std::string& login = "") {
    net::HttpClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server.endpoints().at(0).port) + path;
    if (!login.empty()) request.headers.emplace_back("Authorization", "Basic " + Base64Encode(login));
    auto client = net::MakeHttpClient();
    auto answer = client->Send(request);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *std::move(answer) : net::HttpClientResponse{};
  }
  storage::TestDirectory directory_;
};

TEST_F(ServerTest, IsSecureAsInstalled) {
  auto server = Start();
  ASSERT_TRUE(server);
  EXPECT_EQ(Get(*server, "/healthz").status, 200);
  EXPECT_EQ(Get(*server, "/readyz").status, 200);
  EXPECT_EQ(Get(*server, "/v2/").status, 401);
  EXPECT_EQ(Get(*server, "/api/v1/projects").status, 401);
  EXPECT_EQ(Get(*server, "/metrics").status, 401);
  // No terminal here: the password is in a file that only its owner reads, and can only be used to set a new one.
  const std::string path = FirstPasswordPath(Config().data_directory);
  if (::isatty(STDERR_FILENO) == 1) GTEST_SKIP() << "the password went to the terminal";
  struct ::stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  std::string password = *ReadFile(path, 1000);
  password.pop_back();
  EXPECT_EQ(Get(*server, "/api/v1/self", "admin:" + password).status, 200);
  EXPECT_EQ(Get(*server, "/api/v1/users", "admin:" + password).status, 403);
}

TEST_F(ServerTest, TakesAGivenPasswordAndStartsAgain) {
  const std::string password = "correct-horse-battery";
  auto server = Start(password);
  ASSERT_TRUE(server);
  EXPECT_EQ(Get(*server, "/api/v1/users", "admin:" + password).status, 200);
  EXPECT_EQ(Get(*server, "/v2/", "admin:" + password).status, 200);
  auto projects = Get(*server, "/api/v1/projects", "admin:" + password);
  EXPECT_NE(projects.body.find("\"library\""), std::string::npos) << projects.body;
  // One process owns the directory.
  auto second = Server::Start(Config(), password, kNoWorker);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
  server.reset();
  server = Start("another-password-ignored");
  ASSERT_TRUE(server);
  EXPECT_EQ(Get(*server, "/v2/", "admin:" + password).status, 200);
  EXPECT_EQ(Get(*server, "/v2/", "admin:another-password-ignored").status, 401);
}

TEST_F(ServerTest, RefusesToListenInClearTextElsewhere) {
  config::Config config = Config();
  config.listeners[0].address = "0.0.0.0:0";
  auto server = Server::Start(config, std::nullopt, kNoWorker);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, Errc::kInvalid);
}

TEST_F(ServerTest, ReadsPoliciesAgain) {
  const std::string password = "correct-horse-battery", login = "admin:" + password;
  auto server = Start(password);
  ASSERT_TRUE(server);
  EXPECT_NE(Get(*server, "/api/v1/policies", login).body.find("built-in"), std::string::npos);
  auto config = config::ParseConfig("policies: [{policy: production, applies_to: {repositories: [\"prod/**\"]}}]\n");
  ASSERT_TRUE(config);
  config->data_directory = Config().data_directory;
  ASSERT_TRUE(server->Reload(*config));
  EXPECT_NE(Get(*server, "/api/v1/policies", login).body.find("\"production\""), std::string::npos);
  // Whole or not at all.
  auto wrong = config::ParseConfig("policies: [{policy: other}, {policy: production, rulez: []}]\n");
  ASSERT_TRUE(wrong);
  EXPECT_FALSE(server->Reload(*wrong));
  const std::string now = Get(*server, "/api/v1/policies", login).body;
  EXPECT_NE(now.find("\"production\""), std::string::npos);
  EXPECT_EQ(now.find("\"other\""), std::string::npos);
  // Advisory data is its own matter: what cannot be read there refuses no policies.
  std::ofstream(AdvisoryPath(Config().data_directory)) << "no advisory file";
  auto other = config::ParseConfig("policies: [{policy: other}]\n");
  ASSERT_TRUE(other);
  other->data_directory = Config().data_directory;
  EXPECT_TRUE(server->Reload(*other));
  EXPECT_NE(Get(*server, "/api/v1/policies", login).body.find("\"other\""), std::string::npos);
  auto actions = [&](const char* action) {
    const auto database = storage::OpenSqlite(DatabasePath(Config().data_directory), storage::PosixFileSystem());
    return **(*database)->Read([&](const storage::ReadTx& tx) {
      return tx.Int("SELECT COUNT(*) FROM audit WHERE action = ?1", {action});
    });
  };
  server.reset();
  EXPECT_EQ(actions("config.reload"), 2);
  EXPECT_EQ(actions("data.change"), 1);
  EXPECT_EQ(actions("config.refuse"), 1);
}

// specs/attacks.md, clock-attacks: start refused if now < last audit time - 5 min.
TEST_F(ServerTest, DoesNotStartWithAClockThatWentBack) {
  Start("correct-horse-battery").reset();
  auto record = [&](Millis ahead) {
    auto database = storage::OpenSqlite(DatabasePath(Config().data_directory), storage::PosixFileSystem());
    audit::Event event;
    event.at = SystemClock().Now() + ahead;
    event.actor = "system";
    event.action = "server.stop";
    ASSERT_TRUE((*database)->Write([&](storage::Tx& tx) { return audit::Record(tx, event); }));
  };
  record(std::chrono::minutes(4));
  EXPECT_TRUE(Server::Start(Config(), std::nullopt, kNoWorker));
  record(std::chrono::hours(24 * 3650));
  auto refused = Server::Start(Config(), std::nullopt, kNoWorker);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("the clock says 20"), std::string::npos) << refused.error().message;
  config::Config allowed = Config();
  allowed.allow_clock_before_audit = true;
  EXPECT_TRUE(Server::Start(allowed, std::nullopt, kNoWorker));
  EXPECT_TRUE(Server::Start(Config(), std::nullopt, kNoWorker));  // the last record is of now again
}

TEST(Serve, RaisesTheLimitOfOpenFiles) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  auto now = RaiseFileLimit();
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_TRUE(now);
  EXPECT_EQ(*now, before.rlim_max);
}

TEST_F(ServerTest, TheFirstPasswordsFileGoesOnceItWasUsed) {
  auto server = Start("correct-horse-battery");  // an administrator with a password of his own
  server.reset();
  const std::string data = Config().data_directory, path = FirstPasswordPath(data);
  ASSERT_TRUE(WriteFileAtomically(path, "x\n", 0600));
  auto database = storage::OpenSqlite(DatabasePath(data), storage::PosixFileSystem());
  ASSERT_TRUE(database);
  EXPECT_TRUE(RemoveUsedPassword(data, **database));
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  EXPECT_TRUE(RemoveUsedPassword(data, **database));
}

}  // namespace
}  // namespace bulwark::app
