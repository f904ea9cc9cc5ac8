#include "http/registry/parse.h"

#include <gtest/gtest.h>

#include "http/credentials.h"
#include "http/pattern.h"

namespace bulwark::http {
namespace {

std::string RangeText(std::string_view header, std::uint64_t size) {
  auto range = ParseRange(header, size);
  if (!range.ok()) return "416";
  if (!*range) return "all";
  return std::to_string((*range)->first) + "-" + std::to_string((*range)->last);
}

// RFC 9110 section 14.1.2 has the good ones.
TEST(Range, ReadsOneRange) {
  const struct { std::string_view header; std::uint64_t size; std::string_view want; } cases[] = {
      {"", 10, "all"}, {"bytes=0-499", 10000, "0-499"}, {"bytes=9500-", 10000, "9500-9999"}, {"bytes=-500", 10000, "9500-9999"},
      {"BYTES=0-0", 10, "0-0"}, {"bytes=0-99", 10, "0-9"}, {"bytes=-99", 10, "0-9"}, {"bytes=0-1,2-3", 10, "all"}, {"items=0-1", 10, "all"},
      {"bytes=10-", 10, "416"}, {"bytes=-0", 10, "416"}, {"bytes=5-4", 10, "416"}, {"bytes=-", 10, "416"}, {"bytes=", 10, "416"},
      {"bytes=a-b", 10, "416"}, {"bytes=0-18446744073709551616", 10, "416"}, {"bytes=18446744073709551615-", 10, "416"}, {"bytes=0-18446744073709551615", 10, "0-9"},
      {"bytes= 0-1", 10, "416"}, {"bytes=0 -1", 10, "416"}, {"bytes=--1", 10, "416"}, {"bytes=0-", 0, "416"}, {"bytes=-1", 0, "416"}};
  for (const auto& c : cases) EXPECT_EQ(RangeText(c.header, c.size), c.want) << c.header;
}

TEST(ContentRange, IsStrict) {
  EXPECT_FALSE(*ParseContentRange(""));
  EXPECT_EQ((*ParseContentRange("0-0"))->length(), 1u);
  EXPECT_EQ((*ParseContentRange("5-9"))->first, 5u);
  for (std::string_view bad : {"0", "-", "5-", "-5", "9-5", "0-18446744073709551615", "0-9223372036854775807", "0x0-5", "0-5-6", " 0-5", "0-5 ",
                               "+0-5", "00-5", "bytes 0-5/6", "0-5/6", "0--5"})
    EXPECT_FALSE(ParseContentRange(bad).ok()) << bad;
}

TEST(Pattern, GivesTheNameWhatIsLeft) {
  const Pattern blob("/v2/{name}/blobs/{digest}"), uploads("/v2/{name}/blobs/uploads/"), api("/api/v1/users/{user}");
  const auto match = [](const Pattern& pattern, std::string_view path) {
    const auto found = pattern.Match(net::ParsePath(path));
    std::string out;
    if (found) for (const auto& [key, value] : *found) out += std::string(key) + "=" + value + ";";
    return found ? out : std::string("none");
  };
  EXPECT_EQ(match(blob, "/v2/a/b/c/blobs/d"), "name=a/b/c;digest=d;");
  EXPECT_EQ(match(blob, "/v2/blobs/blobs/d"), "name=blobs;digest=d;");
  EXPECT_EQ(match(blob, "/v2/blobs/d"), "none");
  EXPECT_EQ(match(blob, "/v2/a/blobs/"), "none");
  EXPECT_EQ(match(blob, "/v2/a%2Fb/blobs/d"), "none");
  EXPECT_EQ(match(blob, "/v2/a//blobs/d"), "none");
  EXPECT_EQ(match(blob, "/v2/a/blobs/d/"), "none");
  EXPECT_EQ(match(uploads, "/v2/a/b/blobs/uploads/"), "name=a/b;");
  EXPECT_EQ(match(uploads, "/v2/a/b/blobs/uploads"), "none");
  EXPECT_EQ(match(api, "/api/v1/users/a%2Fb"), "user=a/b;");
  EXPECT_EQ(match(api, "/api/v1/users/"), "none");
}

TEST(BaseUrl, BelievesOnlyItself) {
  net::Request request;
  request.local = "127.0.0.1";
  request.local_port = 5000;
  request.headers.Add("Host", "localhost:5000");
  EXPECT_EQ(BaseUrlOf(request, ""), "http://localhost:5000");
  EXPECT_EQ(BaseUrlOf(request, "https://r.example.com/"), "https://r.example.com");
  request.local = "10.0.0.1";  // not loopback: "localhost" is somebody else's
  EXPECT_EQ(BaseUrlOf(request, ""), "http://10.0.0.1:5000");
  request.local = "::1";
  request.tls = true;
  EXPECT_EQ(BaseUrlOf(request, ""), "https://localhost:5000");
  request.headers = {};
  EXPECT_EQ(BaseUrlOf(request, ""), "https://[::1]:5000");
  request.local_port = 443;
  EXPECT_EQ(BaseUrlOf(request, ""), "https://[::1]");
}

TEST(Credentials, AreReadStrictly) {
  const auto parse = [](std::string value) {
    net::Headers headers;
    headers.Add("Authorization", std::move(value));
    return ParseCredentials(headers);
  };
  EXPECT_EQ(parse("Basic YWxpY2U6YTpi")->user, "alice");
  EXPECT_EQ(parse("basic YWxpY2U6YTpi")->secret, "a:b");
  EXPECT_EQ(parse("Bearer x.y")->secret, "x.y");
  EXPECT_EQ(parse("")->scheme, Scheme::kNone);
  for (const std::string& bad : std::vector<std::string>{"Basic", "Basic ", "Basic !", "Basic YWxpY2U=", "Basic OmE=", "Basic YQA6Yg==", "Bearer ", "Digest x",
                          std::string("Bearer ") + std::string(5000, '.')})
    EXPECT_EQ(parse(bad).error().code, Errc::kUnauthenticated) << bad;
}

}  // namespace
}  // namespace bulwark::http
