#include "remote/registry_client.h"

#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "crypto/hash.h"

namespace bulwark::remote {
namespace {

// Answers from a script and remembers what it was asked.
class ScriptedHttp : public net::HttpClient {
 public:
  Result<net::HttpClientResponse> Send(const net::HttpClientRequest& request) override {
    if (request.may_connect) BW_CHECK(request.may_connect({request.url, connects_to, ""}));
    asked.push_back(request);
    if (answers.empty()) return Error{Errc::kUnavailable, "no more answers"};
    auto out = answers.front();
    answers.pop_front();
    if (request.sink && out.status == 200) BW_CHECK(request.sink(AsBytes(out.body)));
    return out;
  }
  std::deque<net::HttpClientResponse> answers;
  std::string connects_to = "192.0.2.1";
  std::vector<net::HttpClientRequest> asked;
};

std::string HeaderOf(const net::HttpClientRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers)
    if (key == name) return value;
  return {};
}

net::HttpClientResponse Unauthorized(const std::string& realm) {
  return {401, {{"www-authenticate", "Bearer realm=\"" + realm + "\",service=\"r\",scope=\"repository:a/b:pull\""}}, "", ""};
}

struct Fixture {
  ScriptedHttp http;
  RegistryClient client{http, *ParseImageReference("r.example.com/a/b:v1"), Tls::kUsual, Credentials{"alice", "secret"}};
};

TEST(RegistryClient, LogsInAtItsOwnHost) {
  Fixture f;
  std::string body = "{}";
  f.http.answers = {Unauthorized("https://r.example.com/token"), {200, {}, R"({"token":"T"})", ""},
                    {200, {{"content-type", "application/vnd.oci.image.manifest.v1+json; charset=utf-8"}}, body, ""}};
  auto got = f.client.GetManifest("v1");
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->media_type, "application/vnd.oci.image.manifest.v1+json");
  EXPECT_EQ(got->digest, crypto::Sha256(AsBytes(body)));
  EXPECT_EQ(HeaderOf(f.http.asked[1], "Authorization"), "Basic YWxpY2U6c2VjcmV0");
  EXPECT_EQ(f.http.asked[1].url, "https://r.example.com/token?service=r&scope=repository%3Aa%2Fb%3Apull");
  EXPECT_EQ(HeaderOf(f.http.asked[2], "Authorization"), "Bearer T");
}

TEST(RegistryClient, NeverSendsThePasswordElsewhere) {  // attacks: challenge-realm-theft
  for (const char* realm : {"https://evil.test/token", "http://r.example.com/token", "https://r.example.com.evil.test/t", "https://r.example.com@evil.test/t",
                            "https://169.254.169.254/t", "https://evil.test/?https://r.example.com"}) {
    Fixture f;
    f.http.answers = {Unauthorized(realm), {403, {}, "", ""}};
    EXPECT_FALSE(f.client.GetManifest("v1").ok());
    for (const auto& request : f.http.asked) EXPECT_EQ(HeaderOf(request, "Authorization"), "") << realm;
    const bool inside = std::string_view(realm).find("169.254") != std::string_view::npos || std::string_view(realm).starts_with("http:");
    EXPECT_EQ(f.http.asked.size() == 1, inside || std::string_view(realm).find('@') != std::string_view::npos) << realm;
  }
}

TEST(RegistryClient, KnowsATokenHostThatItWasTold) {
  for (const char* told : {"gitlab.r.example", "GitLab.r.example:443", "other.example", ""}) {
    Fixture f;
    f.client.SetTokenHost(told);
    f.http.answers = {Unauthorized("https://gitlab.r.example/jwt/auth"), {200, {}, R"({"token":"T"})", ""}, {401, {}, "", ""}};
    auto got = f.client.GetManifest("v1");
    const bool known = std::string_view(told).find("itLab") != std::string_view::npos || std::string_view(told).starts_with("gitlab");
    EXPECT_EQ(HeaderOf(f.http.asked[1], "Authorization"), known ? "Basic YWxpY2U6c2VjcmV0" : "") << told;
    EXPECT_EQ(got.error().message.find("--token-host gitlab.r.example") == std::string::npos, known) << got.error().message;
  }
  Fixture plain;  // never without TLS: the registry has it
  plain.client.SetTokenHost("gitlab.r.example");
  plain.http.answers = {Unauthorized("http://gitlab.r.example/jwt/auth"), {403, {}, "", ""}};
  EXPECT_FALSE(plain.client.GetManifest("v1").ok());
  EXPECT_EQ(plain.http.asked.size(), 1u);  // not even asked
}

// What a name means to the resolver decides, unless the registry is inside itself. One rule for every hop of every request: where a
// token service or a redirect leads. attacks: challenge-realm-theft, redirect-credential-theft
TEST(RegistryClient, NothingInsideIsAskedForARegistryOutside) {
  struct Row { const char* registry_address; bool judged; };  // "": behind a proxy
  for (const auto& [registry_address, judged] : {Row{"192.0.2.7", true}, Row{"[2001:db8::7]", true}, Row{"", true}, Row{"10.1.2.3", false}, Row{"[::1]", false}}) {
    Fixture f;
    f.client.SetTokenHost("told.example.net");
    auto challenge = Unauthorized("https://r.example.com/token");
    challenge.address = registry_address;
    f.http.answers = {challenge, {403, {}, "", ""}};
    EXPECT_FALSE(f.client.GetManifest("v1").ok());
    ASSERT_EQ(f.http.asked.size(), 2u);
    for (const auto& request : f.http.asked) {
      const auto may = [&](const char* url, const char* address) { return request.may_connect({url, address, registry_address}).ok(); };
      EXPECT_TRUE(may("https://r.example.com/v2/", "10.0.0.1"));
      EXPECT_TRUE(may("https://told.example.net/x", "10.0.0.1"));
      EXPECT_TRUE(may("https://elsewhere.example/x", "192.0.2.1"));
      EXPECT_TRUE(may("https://elsewhere.example/x", ""));
      for (const char* inside : {"https://127.0.0.1/latest", "https://localhost./x", "https://r.example.com:8443/v2/", "http://told.example.net/"})
        EXPECT_EQ(may(inside, "127.0.0.1"), !judged) << inside << registry_address;
      EXPECT_EQ(may("http://10.0.0.1/", ""), !judged) << registry_address;  // by a proxy
    }
  }
}

// The client asks as it sends, so what it is told is looked at while it is told.
TEST(RegistryClient, JudgesTheAddressOfATokenService) {
  for (const char* inside : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:192.168.0.1]", "192.0.2.7"}) {
    Fixture f;
    const bool outside = std::string_view(inside) == "192.0.2.7";
    f.http.connects_to = inside;
    f.http.answers = {Unauthorized("https://tokens.example.net/token"), {403, {}, "", ""}};
    auto got = f.client.GetManifest("v1");
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().code, outside ? Errc::kDenied : Errc::kUnauthenticated) << inside;
    EXPECT_EQ(got.error().message.find("tokens.example.net") != std::string::npos && got.error().message.find(inside) != std::string::npos, !outside) << got.error().message;
  }
}

TEST(RegistryClient, BoundsWhatIsSmall) {
  Fixture f;
  const net::HttpClientResponse listed{200, {}, R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})", ""};
  f.http.answers = {Unauthorized("https://r.example.com/token"), {200, {}, R"({"token":"T"})", ""}, {200, {}, "{}", ""}, listed};
  ASSERT_TRUE(f.client.GetManifest("v1").ok());
  const Digest digest = crypto::Sha256(AsBytes("x"));
  ASSERT_TRUE(f.client.Referrers(digest, 10).ok());
  f.http.answers = {Unauthorized("https://r.example.com/token"), {200, {}, R"({"token":"P"})", ""}, {200, {}, "", ""}, {200, {}, "", ""}, {200, {}, "", ""}};
  ASSERT_TRUE(f.client.HasBlob(digest).ok());
  ASSERT_TRUE(f.client.HasManifest("v1").ok());
  ASSERT_TRUE(f.client.CheckLogin().ok());
  ASSERT_EQ(f.http.asked.size(), 9u);
  for (const auto& request : f.http.asked) {
    EXPECT_TRUE(request.total_timeout_s > 0 && request.total_timeout_s <= 120) << request.url;
    EXPECT_LE(request.limit, 4u << 20) << request.url;
  }
  EXPECT_LE(f.http.asked[1].limit, 1u << 20);
  f.http.answers = {{500, {}, "", ""}};
  EXPECT_FALSE(f.client.GetBlob(digest, [](ByteSpan) { return Status(); }).ok());
  EXPECT_LE(f.http.asked.back().limit, 1u << 20);
}

// What is sent takes as long as it takes; no answer does.
TEST(RegistryClient, BoundsTheAnswersToWhatItSends) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{5} << 20}) {
    Fixture f;
    const net::HttpClientResponse begun{202, {{"location", "/v2/a/b/blobs/uploads/1"}}, "", ""}, cut{503, {}, "", ""}, there{200, {}, "", ""};
    f.client.SetPatience({.tries = 2, .answered_before = true, .sleep = [](auto) {}});
    const std::string bytes(size, 'x');
    f.http.answers = {begun, cut, {204, {{"range", "0-0"}}, "", ""}, there};
    MemorySource source(AsBytes(bytes));
    ASSERT_TRUE(f.client.PutBlob(crypto::Sha256(AsBytes(bytes)), source).ok());
    f.http.answers = {begun, size == 1 ? net::HttpClientResponse{201, {}, "", ""} : begun, {201, {}, "", ""}};
    ASSERT_TRUE(f.client.PutBlob(crypto::Sha256(AsBytes(bytes)), source).ok());
    f.http.answers = {{201, {}, "", ""}};
    ASSERT_TRUE(f.client.MountBlob(crypto::Sha256(AsBytes(bytes))).ok());
    for (const auto& request : f.http.asked) {
      const auto time = request.body_source ? request.answer_timeout_s : request.total_timeout_s;
      EXPECT_TRUE(time > 0 && time <= 120) << request.method << " " << request.url;
    }
    f.http.answers = {{201, {}, "", ""}};
    ASSERT_TRUE(f.client.PutManifest("v1", "t", "{}").ok());
    EXPECT_TRUE(f.http.asked.back().total_timeout_s > 120 && f.http.asked.back().total_timeout_s <= 900);
  }
}

TEST(RegistryClient, RefusesOtherBytesThanAskedFor) {
  Fixture f;
  Digest digest = crypto::Sha256(AsBytes("right"));
  f.http.answers = {{200, {}, "wrong", ""}};
  EXPECT_EQ(f.client.GetManifest(digest.str()).error().code, Errc::kDigest);
  f.http.answers = {{200, {}, "wrong", ""}};
  EXPECT_EQ(f.client.GetBlob(digest, [](ByteSpan) { return Status(); }).error().code, Errc::kDigest);
  f.http.answers = {{200, {{"docker-content-digest", digest.str()}}, "wrong", ""}};
  EXPECT_EQ(f.client.GetManifest("v1").error().code, Errc::kDigest);
}

TEST(RegistryClient, UploadsStayOnTheHost) {  // attacks: redirect-credential-theft
  for (const char* location : {"https://evil.test/up", "//evil.test/up", "http://r.example.com/up"}) {
    Fixture f;
    f.http.answers = {{202, {{"location", location}}, "", ""}};
    MemorySource source(AsBytes("x"));
    EXPECT_FALSE(f.client.PutBlob(crypto::Sha256(AsBytes("x")), source).ok());
    EXPECT_EQ(f.http.asked.size(), 1u);
  }
}

TEST(RegistryClient, PassesOnTheRegistrysSentence) {
  Fixture f;
  f.http.answers = {{403, {}, R"({"errors":[{"code":"DENIED","message":"CVE-1 \u001b[2J"}]})", ""}};
  auto got = f.client.GetManifest("v1");
  EXPECT_EQ(got.error().code, Errc::kDenied);
  EXPECT_EQ(got.error().message, "read the manifest of a/b at v1: CVE-1 \\u001b[2J (DENIED)");
}

TEST(Challenge, ParsesAndRefuses) {
  auto got = ParseChallenge("Bearer realm=\"https://a/t\",service=x, scope=\"repository:a:pull,push\"");
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->parameters["scope"], "repository:a:pull,push");
  EXPECT_EQ(got->parameters["service"], "x");
  for (std::string bad : {std::string("Bearer realm=\"x"), std::string("Bearer x"), "Bearer a=\"1\",a=\"2\"" + std::string(), std::string(5000, 'x')})
    EXPECT_FALSE(ParseChallenge(bad).ok());
}

}  // namespace
}  // namespace bulwark::remote
