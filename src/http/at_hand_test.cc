// The step before the pool: what is at hand is sent to whoever has the right at hand, and everything else goes the long way.
#include <gtest/gtest.h>

#include "http/fakes.h"
#include "http/registry/registry.h"
#include "http/router.h"
#include "net/test_text.h"

namespace bulwark::http {
namespace {

constexpr const char* kManifest = "/v2/team-a/app/manifests/v1";
constexpr const char* kBytes = R"({"schemaVersion":2})";

// Tokens and rights are those of the fake, at hand from their first use on.
class QuickAuthenticator final : public auth::Authenticator {
 public:
  std::atomic<bool> at_hand = true;
  std::optional<auth::Principal> BearerAtHand(std::string_view token) override {
    auto principal = slow_.Bearer(token);
    return at_hand && principal.ok() ? std::optional(*principal) : std::nullopt;
  }
  bool AllowedAtHand(const auth::Principal& principal, auth::Verb verb, std::string_view repository) override {
    auto allowed = slow_.Allowed(principal, verb, repository);
    return allowed.ok() && *allowed;
  }
  Result<auth::Principal> Password(std::string_view user, std::string_view password, std::string_view remote) override {
    return slow_.Password(user, password, remote);
  }
  Result<auth::Principal> Bearer(std::string_view token) override { return slow_.Bearer(token); }
  Result<auth::IssuedToken> Issue(const auth::Principal& principal, const std::vector<std::string>& scopes) override {
    return slow_.Issue(principal, scopes);
  }
  Result<bool> Allowed(const auth::Principal& p, auth::Verb verb, std::string_view repository) override { return slow_.Allowed(p, verb, repository); }
  Result<bool> AllowedAnywhere(const auth::Principal& p, auth::Verb verb) override { return slow_.AllowedAnywhere(p, verb); }
  Result<bool> AllowedThroughout(const auth::Principal& p, auth::Verb verb, std::string_view glob) override { return slow_.AllowedThroughout(p, verb, glob); }
  void Forget() override {}

 private:
  FakeAuthenticator slow_;
};

class AtHandTest : public testing::Test {
 protected:
  void SetUp() override {
    router_.Add(RegistryRoutes(deps_));
    net::HttpServerOptions options;
    options.listen = {{"127.0.0.1", 0, false}};
    options.pool = &pool_;
    server_ = net::StartHttpServer(std::move(options), router_.Handler()).value();
    auto put = registry_.PutManifest({}, *service::RepoName::Parse("team-a/app"), *service::ParseReference("v1"), "application/x", kBytes, {});
    ASSERT_TRUE(put.ok());
    digest_ = put->digest;
  }
  std::string Token(const std::string& user, const std::string& scope) {
    auto principal = authenticator_.Password(user, user + "-password", "");
    return "Authorization: Bearer " + authenticator_.Issue(*principal, {scope})->token + "\r\n";
  }
  // The answer; nothing but what is at hand raises `registry_.at_hand`.
  std::string Send(const std::string& method, const std::string& path, const std::string& headers) {
    net::RawClient client(server_->endpoints()[0].port);
    client.Send(method + " " + path + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n");
    return client.ReadAnswer(method == "HEAD");
  }
  static std::string Status(const std::string& answer) { return answer.substr(9, 3); }
  int at_hand() const { return registry_.at_hand; }

  ThreadPool pool_{"at hand", 2};
  QuickAuthenticator authenticator_;
  FakeRegistry registry_;
  FakeClock clock_{Time(std::chrono::seconds(1000))};
  RegistryDeps deps_{registry_, authenticator_, pool_, clock_};
  Router router_{authenticator_, pool_, {}};
  std::unique_ptr<net::HttpServer> server_;
  Digest digest_;
};

TEST_F(AtHandTest, SendsTheSameAsTheLongWay) {
  const std::string pat = Token("pat", "repository:team-a/app:pull");
  const auto without_id = [](std::string answer) {
    const auto id = answer.find("X-Request-Id: ");
    return answer.erase(id, answer.find("\r\n", id) - id);
  };
  const std::string quick = Send("GET", kManifest, pat);
  EXPECT_EQ(Status(quick), "200") << quick;
  EXPECT_TRUE(quick.ends_with(kBytes)) << quick;
  EXPECT_EQ(std::pair(at_hand(), registry_.pulls.load()), std::pair(1, 0));
  authenticator_.at_hand = false;
  EXPECT_EQ(without_id(Send("GET", kManifest, pat)), without_id(quick));
  EXPECT_EQ(std::pair(at_hand(), registry_.pulls.load()), std::pair(1, 1));
}

TEST_F(AtHandTest, ChecksRights) {
  struct Row {
    const char* what;
    std::string headers;
    const char* status;
  };
  const std::vector<Row> rows = {
      {"nobody", "", "401"},
      {"a token that is none", "Authorization: Bearer nonsense\r\n", "401"},
      {"for another repository", Token("alice", "repository:team-a/other:pull"), "401"},
      {"to push alone", Token("alice", "repository:team-a/app:push"), "401"},
      {"a password", "Authorization: Basic cGF0OnBhdC1wYXNzd29yZA==\r\n", "200"},  // pat
  };
  for (const Row& row : rows) EXPECT_EQ(Status(Send("GET", kManifest, row.headers)), row.status) << row.what;
  EXPECT_EQ(at_hand(), 0);
}

// Only bytes that are sent are a pull; the rest is answered where that is known.
TEST_F(AtHandTest, HeadAndConditionalRequestsGoTheLongWay) {
  const std::string pat = Token("pat", "repository:team-a/app:pull");
  const std::string tag = "\"" + digest_.str() + "\"";
  const std::string head = Send("HEAD", kManifest, pat);
  EXPECT_EQ(Status(head), "200");
  EXPECT_NE(head.find("Docker-Content-Digest: " + digest_.str()), std::string::npos) << head;
  EXPECT_EQ(Status(Send("GET", kManifest, pat + "If-None-Match: " + tag + "\r\n")), "304");
  EXPECT_EQ(registry_.pulls, 0);
  EXPECT_EQ(Status(Send("GET", kManifest, pat + "If-None-Match: \"other\"\r\n")), "200");
  EXPECT_EQ(Status(Send("GET", std::string(kManifest) + "?x=y", pat)), "200");
  EXPECT_EQ(std::pair(at_hand(), registry_.pulls.load()), std::pair(0, 2));
}

// What is not at hand, or not a reference at all.
TEST_F(AtHandTest, FallsBack) {
  const std::string pat = Token("pat", "repository:team-a/app:pull");
  EXPECT_EQ(Status(Send("GET", "/v2/team-a/app/manifests/absent", pat)), "404");
  EXPECT_EQ(Status(Send("GET", "/v2/team-a/app/manifests/sha256:zz", pat)), "400");
  EXPECT_EQ(at_hand(), 0);
}

}  // namespace
}  // namespace bulwark::http
