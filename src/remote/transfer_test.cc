// Downloads and uploads against a server on a loopback port: cut connections, busy registries, stolen credentials.
#include <gtest/gtest.h>

#include "remote/registry_client.h"
#include "remote/test_registry.h"
#include "remote/web_address.h"

namespace bulwark::remote {
namespace {

struct Link {
  explicit Link(const std::string& host, const std::string& repository = "a/b", std::optional<Credentials> credentials = std::nullopt)
      : http(net::MakeHttpClient()), client(*http, *ParseImageReference(host + "/" + repository + ":v1"), Tls::kNever, std::move(credentials)) {
    Patience patience;
    patience.tries = 4;
    patience.sleep = [this](std::chrono::milliseconds wait) { waits.push_back(wait); };
    client.SetPatience(patience);
  }
  Status Get(const std::string& digest, std::string& out) {
    return client.GetBlob(*Digest::Parse(digest), [&](ByteSpan bytes) {
      out += AsText(bytes);
      return Status();
    });
  }
  std::vector<std::chrono::milliseconds> waits;
  std::unique_ptr<net::HttpClient> http;
  RegistryClient client;
};

std::string SomeBytes(std::size_t size) {
  std::string out(size, 0);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 2654435761u >> 13);
  return out;
}
std::string DigestOf(const std::string& bytes) { return crypto::Sha256(AsBytes(bytes)).str(); }

TEST(Download, GoesOnWhereItWasCut) {
  for (bool ignores_ranges : {false, true}) {
    TestRegistry registry;
    const std::string bytes = SomeBytes(300'000), digest = DigestOf(bytes);
    registry.blobs["a/b"][digest] = bytes;
    registry.cut_downloads = 2;
    registry.cut_at = 100'000;
    registry.ignores_ranges = ignores_ranges;
    Link link(registry.host());
    std::string got;
    ASSERT_TRUE(link.Get(digest, got).ok());
    EXPECT_EQ(got, bytes);
    auto asked = registry.asked();
    ASSERT_EQ(asked.size(), 3u);
    EXPECT_EQ(asked[1].Header("range"), "bytes=100000-");
    EXPECT_EQ(asked[2].Header("range"), ignores_ranges ? "bytes=100000-" : "bytes=200000-");
    EXPECT_EQ(link.waits.size(), 2u);
  }
}

// All bytes came, and then the connection was cut inside the framing: there is nothing left to ask for.
TEST(Download, EndsWhereNothingIsLeftToAskFor) {
  for (std::string sent : {"all of it", "all of xx"}) {
    TestServer registry([&](const TestRequest& request) -> TestAnswer {
      if (!request.Header("range").empty()) return {416, {}, "", {}};
      return {200, {}, sent + ".", sent.size()};
    });
    Link link(registry.host());
    std::string got;
    EXPECT_EQ(link.Get(DigestOf("all of it"), got).ok(), sent == "all of it");
  }
}

TEST(Download, GivesUpAfterItsTries) {
  TestRegistry registry;
  const std::string bytes = SomeBytes(1000), digest = DigestOf(bytes);
  registry.blobs["a/b"][digest] = bytes;
  registry.cut_downloads = 100;
  registry.cut_at = 0;
  Link link(registry.host());
  ASSERT_TRUE(link.client.HasBlob(*Digest::Parse(digest)).ok());  // a registry that never answered is not waited for
  std::string got;
  EXPECT_EQ(link.Get(digest, got).error().code, Errc::kUnavailable);
  EXPECT_EQ(registry.asked().size(), 5u);
  EXPECT_EQ(link.waits, (std::vector<std::chrono::milliseconds>{std::chrono::milliseconds(500), std::chrono::milliseconds(1000), std::chrono::milliseconds(2000)}));
}

TEST(Download, WaitsAsLongAsTheRegistryAsks) {  // RFC 9110 section 10.2.3
  TestRegistry registry;
  registry.blobs["a/b"][DigestOf("x")] = "x";
  registry.busy = 2;
  Link link(registry.host());
  std::string got;
  ASSERT_TRUE(link.Get(DigestOf("x"), got).ok());
  EXPECT_EQ(link.waits, (std::vector<std::chrono::milliseconds>{std::chrono::seconds(7), std::chrono::seconds(7)}));
}

TEST(Download, WaitsNoLongerThanItWants) {
  Patience patience;
  std::vector<std::chrono::milliseconds> waits;
  patience.sleep = [&](std::chrono::milliseconds wait) { waits.push_back(wait); };
  for (const char* after : {"31", "86400", "18446744073709551615", "99999999999999999999", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", ""})
    patience.Wait(1, net::HttpClientResponse{503, {{"retry-after", after}}, "", ""});
  for (auto wait : waits) EXPECT_LE(wait, std::chrono::seconds(30));
  EXPECT_EQ(waits[0], std::chrono::seconds(30));
  EXPECT_EQ(waits[5], std::chrono::milliseconds(500));
}

TEST(Upload, GoesOnFromWhatTheRegistryHas) {
  TestRegistry registry;
  const std::string bytes = SomeBytes(6 << 20), digest = DigestOf(bytes);
  registry.cut_uploads = 1;
  registry.cut_at = 5 << 20;
  Link link(registry.host());
  auto put = link.client.PutBlob(*Digest::Parse(digest), MemorySource(AsBytes(bytes)));
  ASSERT_TRUE(put.ok()) << put.error().message;
  EXPECT_EQ(registry.blobs["a/b"][digest], bytes);
  EXPECT_EQ(registry.received["PATCH"], 6 << 20);  // no byte twice
  EXPECT_EQ(registry.Count("POST", "/uploads/"), 1u);
}

TEST(Upload, BeginsAgainWhereTheRegistryForgot) {
  for (std::size_t size : {std::size_t{1} << 10, std::size_t{6} << 20}) {
    TestRegistry registry;
    const std::string bytes = SomeBytes(size), digest = DigestOf(bytes);
    registry.cut_uploads = 1;
    registry.cut_at = size / 2;
    registry.forgets_uploads = true;
    Link link(registry.host());
    auto put = link.client.PutBlob(*Digest::Parse(digest), MemorySource(AsBytes(bytes)));
    ASSERT_TRUE(put.ok()) << put.error().message;
    EXPECT_EQ(registry.blobs["a/b"][digest], bytes);
    EXPECT_EQ(registry.Count("POST", "/uploads/"), 2u);
  }
}

// One that says now that it has a lot, now that it knows of nothing: no progress.
TEST(Upload, EndsWhereTheOffsetGoesBack) {
  int asked = 0;
  TestServer registry([&](const TestRequest& request) -> TestAnswer {
    if (request.method == "HEAD") return {404, {}, "", {}};
    if (request.method == "POST") return {202, {{"Location", "/v2/a/b/blobs/uploads/1"}}, "", {}};
    if (request.method == "GET" && ++asked % 2) return {204, {{"Range", "0-2097151"}, {"Location", "/v2/a/b/blobs/uploads/1"}}, "", {}};
    if (request.method == "GET") return {404, {}, "", {}};
    return {503, {}, "", {}};
  });
  Link link(registry.host());
  const std::string bytes = SomeBytes(6 << 20);
  auto put = link.client.PutBlob(*Digest::Parse(DigestOf(bytes)), MemorySource(AsBytes(bytes)), [&](std::uint64_t) { return asked > 50 ? Status(Errc::kCancelled, "no end") : Status(); });
  EXPECT_EQ(put.error().code, Errc::kUnavailable);
  EXPECT_LE(asked, 8);
}

TEST(Upload, NeverEndsForWrongBytes) {
  TestRegistry registry;
  Link link(registry.host());
  const std::string bytes = SomeBytes(5 << 20);
  auto put = link.client.PutBlob(*Digest::Parse(DigestOf("other")), MemorySource(AsBytes(bytes)));
  EXPECT_FALSE(put.ok());
  EXPECT_TRUE(registry.blobs["a/b"].empty());
  EXPECT_EQ(registry.Count("POST", "/uploads/"), 1u);
}

TEST(Upload, StopsWhenItIsToldTo) {
  TestRegistry registry;
  Link link(registry.host());
  const std::string bytes = SomeBytes(1000);
  auto put = link.client.PutBlob(*Digest::Parse(DigestOf(bytes)), MemorySource(AsBytes(bytes)), [](std::uint64_t) { return Status(Errc::kCancelled, "enough"); });
  EXPECT_EQ(put.error().code, Errc::kCancelled);
}

TEST(Upload, MountsOrGoesOnFromTheRefusedMount) {
  TestRegistry registry;
  const std::string bytes = "layer", digest = DigestOf(bytes);
  registry.blobs["from/here"][digest] = bytes;
  for (bool mounts : {true, false}) {
    registry.mounts = mounts;
    registry.blobs["a/b"].clear();
    Link link(registry.host());
    link.client.SetMountSource("from/here");
    auto mounted = link.client.MountBlob(*Digest::Parse(digest));
    ASSERT_TRUE(mounted.ok());
    EXPECT_EQ(*mounted, mounts);
    if (mounts) {
      EXPECT_EQ(registry.blobs["a/b"][digest], bytes);
      continue;
    }
    ASSERT_TRUE(link.client.PutBlob(*Digest::Parse(digest), MemorySource(AsBytes(bytes))).ok());
    EXPECT_EQ(registry.Count("POST", "/uploads/"), 2u);  // one each
  }
}

// attacks: redirect-credential-theft
TEST(Credentials, StayBehindWhenARedirectLeavesTheRegistry) {
  TestServer other([](const TestRequest&) { return TestAnswer{200, {}, "x", {}}; });
  TestServer registry([&](const TestRequest& request) {
    if (request.Header("authorization").empty()) return TestAnswer{401, {{"WWW-Authenticate", "Basic realm=\"r\""}}, "", {}};
    return TestAnswer{307, {{"Location", "http://" + other.host() + "/blob"}}, "", {}};
  });
  Link link(registry.host(), "a/b", Credentials{"alice", "secret"});
  std::string got;
  EXPECT_TRUE(link.Get(DigestOf("x"), got).ok());
  ASSERT_EQ(other.asked().size(), 1u);
  EXPECT_EQ(other.asked()[0].Header("authorization"), "");
}

TEST(Credentials, StayBehindWhenAnUploadLeavesTheRegistry) {
  TestServer other([](const TestRequest&) { return TestAnswer{201, {}, "", {}}; });
  for (const char* where : {"POST", "PATCH", "GET"}) {
    const std::string away = "http://" + other.host() + "/up";
    TestServer registry([&](const TestRequest& request) {
      if (request.Header("authorization").empty()) return TestAnswer{401, {{"WWW-Authenticate", "Basic realm=\"r\""}}, "", {}};
      const bool here = request.method != where;
      if (request.method == "HEAD") return TestAnswer{404, {}, "", {}};
      if (request.method == "POST") return TestAnswer{202, {{"Location", here ? "/v2/a/b/blobs/uploads/1" : away}}, "", {}};
      if (request.method == "PATCH" && std::string_view(where) == "GET") return TestAnswer{503, {}, "", {}};
      if (request.method == "PATCH") return TestAnswer{202, {{"Location", away}}, "", {}};
      if (request.method == "GET") return TestAnswer{204, {{"Location", away}, {"Range", "0-99"}}, "", {}};
      return TestAnswer{307, {{"Location", away}}, "", {}};
    });
    Link link(registry.host(), "a/b", Credentials{"alice", "secret"});
    const std::string bytes = SomeBytes(5 << 20);
    EXPECT_FALSE(link.client.PutBlob(*Digest::Parse(DigestOf(bytes)), MemorySource(AsBytes(bytes))).ok()) << where;
  }
  EXPECT_TRUE(other.asked().empty());
}

TEST(Credentials, FollowNoLongChainOfRedirects) {
  TestServer registry([](const TestRequest& request) { return TestAnswer{302, {{"Location", request.target + "x"}}, "", {}}; });
  Link link(registry.host());
  std::string got;
  EXPECT_FALSE(link.Get(DigestOf("x"), got).ok());
  EXPECT_LE(registry.asked().size(), 6u * 4u);
}

TEST(Credentials, GoToNoTokenServiceElsewhere) {  // attacks: challenge-realm-theft
  TestServer other([](const TestRequest&) { return TestAnswer{200, {}, R"({"token":"T"})", {}}; });
  TestServer registry([&](const TestRequest&) {
    return TestAnswer{401, {{"WWW-Authenticate", "Bearer realm=\"http://" + other.host() + "/token\",service=\"r\""}}, "", {}};
  });
  Link link(registry.host(), "a/b", Credentials{"alice", "secret"});
  EXPECT_FALSE(link.client.CheckLogin().ok());
  for (const auto& request : other.asked()) EXPECT_EQ(request.Header("authorization"), "");
  EXPECT_FALSE(other.asked().empty());
}

// attacks: challenge-realm-theft. What the registry names is not asked where only this machine can ask.
TEST(Credentials, TokenServicesInsideAreNotAsked) {
  for (const char* inside : {"localhost", "LOCALHOST:80", "a.localhost", "127.0.0.1:5000", "127.1", "0x7f000001", "2130706433", "10.1.2.3", "172.16.0.1", "172.31.255.255:1",
                             "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "[::1]:443", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:169.254.169.254]",
                             "[64:ff9b::10.0.0.1]", "[64:ff9b::a9fe:a9fe]:80", "[fec0::1]", "[feff::1]", "[::127.0.0.1]", "[::10.0.0.1]", "[fe80::1%25eth0]:80",
                             "localhost.", "localhost.:80", "127.0.0.1.", "[64:ff9b:1::8.8.8.8]"})
    EXPECT_TRUE(IsInternalHost(inside)) << inside;
  for (const char* outside : {"auth.docker.io", "8.8.8.8", "172.32.0.1", "192.169.0.1", "11.0.0.1", "[2001:db8::1]:443", "10.example.com", "[64:ff9b::8.8.8.8]", "[64:ff9b::1:a00:1]", "[::8.8.8.8]", "[::ffff:8.8.8.8]", "[ff00::1]", "localhost.example.com"})
    EXPECT_FALSE(IsInternalHost(outside)) << outside;
}

TEST(Credentials, ATokenIsOneVisibleWord) {
  for (const char* token : {R"("a b")", R"("a\r\nX: y")", R"("")", R"("\u00e9")"}) {
    TestServer registry([&](const TestRequest& request) {
      if (request.target.starts_with("/token")) return TestAnswer{200, {}, std::string("{\"token\":") + token + "}", {}};
      return TestAnswer{401, {{"WWW-Authenticate", "Bearer realm=\"http://" + request.Header("host") + "/token\",service=\"r\""}}, "", {}};
    });
    EXPECT_EQ(Link(registry.host(), "a/b", std::nullopt).client.CheckLogin().error().code, Errc::kInvalid) << token;
  }
}

// What is for this machine does not leave it by a proxy.
TEST(Credentials, GoToNoProxyForThisMachine) {
  TestServer proxy([](const TestRequest&) { return TestAnswer{200, {}, "{}", {}}; });
  TestServer registry([](const TestRequest&) { return TestAnswer{200, {}, "{}", {}}; });
  ::setenv("http_proxy", ("http://" + proxy.host()).c_str(), 1);
  EXPECT_TRUE(Link(registry.host(), "a/b", Credentials{"alice", "secret"}).client.CheckLogin().ok());
  ::unsetenv("http_proxy");
  EXPECT_TRUE(proxy.asked().empty());
  EXPECT_FALSE(registry.asked().empty());
}

TEST(CheckLogin, TellsWhetherTheRegistryKnowsThem) {
  TestServer registry([](const TestRequest& request) {
    const bool known = request.Header("authorization") == "Basic YWxpY2U6c2VjcmV0";
    if (request.target.starts_with("/token")) return known ? TestAnswer{200, {}, R"({"token":"T"})", {}} : TestAnswer{401, {}, "", {}};
    if (request.Header("authorization") == "Bearer T") return TestAnswer{200, {}, "{}", {}};
    return TestAnswer{401, {{"WWW-Authenticate", "Bearer realm=\"http://" + request.Header("host") + "/token\",service=\"r\""}}, "", {}};
  });
  EXPECT_TRUE(Link(registry.host(), "a/b", Credentials{"alice", "secret"}).client.CheckLogin().ok());
  EXPECT_EQ(Link(registry.host(), "a/b", Credentials{"alice", "wrong"}).client.CheckLogin().error().code, Errc::kUnauthenticated);
  // One that lets anybody in is asked with the password as well.
  TestServer open([](const TestRequest& request) { return TestAnswer{request.Header("authorization").empty() ? 200 : 401, {}, "", {}}; });
  EXPECT_FALSE(Link(open.host(), "a/b", Credentials{"alice", "wrong"}).client.CheckLogin().ok());
}

// A token that anybody gets proves nothing: the password was never looked at. attacks: challenge-realm-theft
TEST(CheckLogin, DoesNotBelieveAnAnonymousToken) {
  TestServer tokens([](const TestRequest&) { return TestAnswer{200, {}, R"({"token":"anonymous"})", {}}; });
  TestServer registry([&](const TestRequest& request) {
    if (request.Header("authorization") == "Bearer anonymous") return TestAnswer{200, {}, "{}", {}};
    return TestAnswer{401, {{"WWW-Authenticate", "Bearer realm=\"http://" + tokens.host() + "/token\",service=\"r\""}}, "", {}};
  });
  for (const std::string& token_host : {std::string(), tokens.host()}) {  // over plain HTTP not even there
    Link link(registry.host(), "a/b", Credentials{"alice", "secret"});
    link.client.SetTokenHost(token_host);
    auto login = link.client.CheckLogin();
    EXPECT_EQ(login.error().code, Errc::kUnauthenticated);
    EXPECT_NE(login.error().message.find("--token-host " + tokens.host()), std::string::npos) << login.error().message;
  }
  for (const auto& request : tokens.asked()) EXPECT_EQ(request.Header("authorization"), "");
}

TEST(WebAddress, KnowsThePortsThatSchemesHave) {
  EXPECT_EQ(OriginOf("https://A.example:443/x"), OriginOf("https://a.example"));
  EXPECT_EQ(OriginOf("http://[::1]:80"), OriginOf("http://[::1]/"));
  EXPECT_NE(OriginOf("https://a.example:80"), OriginOf("https://a.example"));
  EXPECT_NE(OriginOf("http://a.example:443"), OriginOf("http://a.example"));
  EXPECT_EQ(SameOriginUrl("https://a.example", "https://a.example:443/v2/"), "https://a.example:443/v2/");
}

TEST(Referrers, AreReadPageByPageOnTheSameHost) {
  const std::string index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":")";
  for (const char* next : {"/v2/a/b/referrers/next", "http://127.0.0.1:1/v2/"}) {
    TestServer registry([&](const TestRequest& request) {
      TestAnswer out{200, {}, index + DigestOf(request.target) + "\"}]}", {}};
      if (!request.target.ends_with("next")) out.headers["Link"] = "<" + std::string(next) + ">; rel=\"next\"";
      return out;
    });
    Link link(registry.host());
    auto got = link.client.Referrers(*Digest::Parse(DigestOf("x")), 1000);
    EXPECT_EQ(got.ok(), next[0] == '/');
    if (got.ok()) {
      EXPECT_EQ((*got)->size(), 2u);
      EXPECT_EQ(link.client.Referrers(*Digest::Parse(DigestOf("x")), 1).error().code, Errc::kLimit);
    }
  }
  TestServer endless([&](const TestRequest& request) { return TestAnswer{200, {{"Link", "<" + request.target + ">; rel=\"next\""}}, index + DigestOf("x") + "\"}]}", {}}; });
  EXPECT_EQ(Link(endless.host()).client.Referrers(*Digest::Parse(DigestOf("x")), 1000).error().code, Errc::kLimit);
}

}  // namespace
}  // namespace bulwark::remote
