#include "remote/reference.h"

#include <gtest/gtest.h>

namespace bulwark::remote {
namespace {

TEST(Reference, Normalizes) {  // the oracle is the distribution reference grammar with Docker's defaults
  std::string digest = "sha256:" + std::string(64, 'a');
  struct { std::string text, want; } rows[] = {
      {"debian", "docker.io/library/debian:latest"},
      {"team/app:v1", "docker.io/team/app:v1"},
      {"index.docker.io/debian", "docker.io/library/debian:latest"},
      {"localhost/app", "localhost/app:latest"},
      {"localhost:5000/a/b:1.0", "localhost:5000/a/b:1.0"},
      {"Registry.Example.com/a@" + digest, "registry.example.com/a@" + digest},
      {"[::1]:5000/a/b", "[::1]:5000/a/b:latest"},
      {"r.example.com/a:t@" + digest, "r.example.com/a:t@" + digest},
  };
  for (auto& row : rows) {
    auto got = ParseImageReference(row.text);
    ASSERT_TRUE(got.ok()) << row.text << ": " << got.error().message;
    EXPECT_EQ(got->str(), row.want);
  }
}

TEST(Reference, RefusesOtherSpellings) {
  for (std::string bad : {"", "/", "a//b", "a/../b", "A/b c", "app:", "app:.x", "app@sha256:12", "good.example.com:x/app", "exаmple.com/app",
                          "r.example.com/App", "r.example.com/a_-b", "r.example.com/a___b", "app:t\n", "r.example.com:70000/a", "http://r.example.com/a"})
    EXPECT_FALSE(ParseImageReference(bad).ok()) << bad;
  for (const char* web : {"http://r.example.com/a", "HTTPS://r.example.com/a:v1"})
    EXPECT_NE(ParseImageReference(web).error().message.find("references have no scheme"), std::string::npos) << web;
  EXPECT_FALSE(ParseImageReference("app:" + std::string(129, 'x')).ok());
  EXPECT_FALSE(ParseImageReference(std::string(256, 'x')).ok());
}

TEST(Reference, OnlyLoopbackIsPlain) {
  EXPECT_EQ(BaseUrl(*ParseImageReference("127.0.0.1:5000/a"), Tls::kUsual), "http://127.0.0.1:5000");
  EXPECT_EQ(BaseUrl(*ParseImageReference("127.0.0.1.evil.test/a"), Tls::kUsual), "https://127.0.0.1.evil.test");
  EXPECT_EQ(BaseUrl(*ParseImageReference("localhost.evil.test/a"), Tls::kUsual), "https://localhost.evil.test");
  EXPECT_EQ(BaseUrl(*ParseImageReference("r.example.com/a"), Tls::kNever), "http://r.example.com");
  EXPECT_EQ(BaseUrl(*ParseImageReference("localhost:5000/a"), Tls::kAlways), "https://localhost:5000");
}

}  // namespace
}  // namespace bulwark::remote
