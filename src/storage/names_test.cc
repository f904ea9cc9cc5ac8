// Cases are the grammar of distribution-spec 1.1, "Pulling manifests", and the row name-grammar of specs/attacks.md.

#include "storage/names.h"

#include <gtest/gtest.h>

namespace bulwark::storage {
namespace {

TEST(RepoNameTest, Grammar) {
  for (const char* good : {"a", "alpine", "team-a/app", "a.b/c_d/e__f", "a--b", "a---b/0", "x/manifests/v1", "con"})
    EXPECT_TRUE(RepoName::Parse(good)) << good;
  for (const char* bad :
       {"",      "/",    "a/",     "/a",       "a//b", "..",  ".",   "a/../b", "A",     "-x", "x-", "a..b",
        "a___b", "a._b", "_blobs", "\xc3\xa9", "a b",  "a\n", "a:b", "a@b",    "a%2fb", ".a", "a."})
    EXPECT_FALSE(RepoName::Parse(bad)) << bad;
  EXPECT_FALSE(RepoName::Parse(std::string_view("a\0b", 3)));
  EXPECT_TRUE(RepoName::Parse(std::string(255, 'a')));
  EXPECT_FALSE(RepoName::Parse(std::string(256, 'a')));
}

TEST(RepoNameTest, Project) {
  EXPECT_EQ(RepoName::Parse("alpine")->project(), "library");
  EXPECT_EQ(RepoName::Parse("team/x/y")->project(), "team");
}

TEST(TagNameTest, Grammar) {
  for (const char* good : {"v1", "latest", "_x", "A.b-C_1", "0"}) EXPECT_TRUE(TagName::Parse(good)) << good;
  for (const char* bad : {"", ".x", "-x", "a b", "a/b", "sha256:aa", "a\n", "\xc3\xa9"})
    EXPECT_FALSE(TagName::Parse(bad)) << bad;
  EXPECT_TRUE(TagName::Parse(std::string(128, 'a')));
  EXPECT_FALSE(TagName::Parse(std::string(129, 'a')));
}

TEST(ProjectNameTest, OneComponent) {
  EXPECT_TRUE(ParseProjectName("team-a"));
  EXPECT_FALSE(ParseProjectName("team/a"));
  EXPECT_FALSE(ParseProjectName(""));
}

}  // namespace
}  // namespace bulwark::storage
