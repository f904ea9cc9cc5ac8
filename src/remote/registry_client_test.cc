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
    asked.push_back(request);
    if (answers.empty()) return Error{Errc::kUnavailable, "no more answers"};
    auto out = answers.front();
    answers.pop_front();
    if (request.sink && out.status == 200) BW_CHECK(request.sink(AsBytes(out.body)));
    return out;
  }
  std::deque<net::HttpClientResponse> answers;
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
  RegistryClient client{http, *ParseImageReference("r.example.com/a/b:v1"), false, Credentials{"alice", "secret"}};
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
