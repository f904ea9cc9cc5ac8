#include "auth/scope.h"

#include <gtest/gtest.h>

#include "auth/rights.h"
#include "base/strings.h"

namespace bulwark::auth {
namespace {

std::string Parsed(const std::vector<std::string>& asked) {
  auto scopes = ParseScopes(asked);
  return scopes.ok() ? EncodeScopes(*scopes) : std::string(Name(scopes.error().code));
}

// specs/attacks.md, jwt-scope-widening; the grammar is that of the Docker token specification.
TEST(Scope, HoldsOnlyWhatCanBeNamed) {
  const std::string push = "pull-blocked,push,create,sign";
  EXPECT_EQ(Parsed({"repository:team-a/app:pull"}), "team-a/app:pull");
  EXPECT_EQ(Parsed({"repository:team-a/app:pull,push"}), "team-a/app:pull," + push);
  EXPECT_EQ(Parsed({"repository:team-a/app:push,pull"}), "team-a/app:pull," + push);
  EXPECT_EQ(Parsed({"repository:app:delete,x,,PULL"}), "app:delete");
  EXPECT_EQ(Parsed({"repository:app:pull repository:lib:pull"}), "app:pull lib:pull");
  EXPECT_EQ(Parsed({"repository:app:pull", "repository:app:delete", "repository:app:pull"}), "app:pull,delete");
  EXPECT_EQ(Parsed({"repository:app:*"}),
            "app:pull,pull-blocked,push,create,delete,sign,read-report,scan,manage-policy,approve-exception,request-exception,"
            "manage-members,read-audit,admin");
  for (const char* nothing :
       {"", " ", "registry:catalog:pull", "registry:other:*", "repository(plugin):app:pull", "repository:app", "repository::pull", "repository:app:",
        "repository:*:pull", "repository:**:pull", "repository:team-b/../team-a/app:pull", "repository:TEAM-A/app:pull",
        "repository:a//b:pull", "repository:/a:pull", "repository:a/:pull", "Repository:app:pull", "repository:app:pull;push",
        "pull", ":", "::", "repository:app:x", "repository:team-a/app:team-b/app:x", "repository:host:5000/app:pull"}) {
    EXPECT_EQ(Parsed({nothing}), "") << nothing;
  }
  EXPECT_EQ(Parsed({"registry:catalog:*"}), "*catalog:pull");
  // A name with spaces is two parts, and neither names a right.
  EXPECT_EQ(Parsed({"repository:team a/app:pull"}), "");
}

TEST(Scope, HasLimits) {
  EXPECT_NE(Parsed(std::vector<std::string>(64, "repository:app:pull")), "limit");
  EXPECT_EQ(Parsed(std::vector<std::string>(65, "repository:app:pull")), std::string(Name(Errc::kLimit)));
  EXPECT_EQ(Parsed(std::vector<std::string>(65, "x")), std::string(Name(Errc::kLimit)));
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "repository:app:pull ";
  EXPECT_EQ(Parsed({many}), std::string(Name(Errc::kLimit)));
  EXPECT_EQ(Parsed({"repository:" + std::string(2000, 'a') + ":pull"}), std::string(Name(Errc::kInvalid)));
  for (std::string bad : {std::string("repository:a\nb:pull"), std::string("repository:a\0b:pull", 19), std::string("repository:\xc3\xa9:pull")}) {
    EXPECT_EQ(Parsed({bad}), std::string(Name(Errc::kInvalid))) << bad;
  }
}

TEST(Scope, SurvivesStorage) {
  std::vector<Scope> scopes = {{"team-a/app", {Verb::kPull, Verb::kPush}}, {"lib", {Verb::kDelete}}};
  auto back = DecodeScopes(EncodeScopes(scopes));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, scopes);
  EXPECT_TRUE(DecodeScopes("").value().empty());
  for (const char* bad : {"x", "x:", "x:fly", "x:pull ", ":"}) EXPECT_FALSE(DecodeScopes(bad).ok()) << bad;
}

// specs/attacks.md, scope-glob-confusion: pattern, repository, whether it matches.
TEST(Scope, GlobsMatchWholeComponents) {
  struct Case {
    const char* glob;
    const char* repository;
    bool matches;
  };
  const Case cases[] = {
      {"team-a/**", "team-a/app", true},
      {"team-a/**", "team-a/x/y/z", true},
      {"team-a/**", "team-ab/x", false},
      {"team-a/**", "team-a", false},
      {"team-a/**", "team-a-x/y", false},
      {"team-a/**", "xteam-a/y", false},
      {"team-a/**", "x/team-a/y", false},
      {"team-a/**", "team-b/team-a/y", false},
      {"team-a/**", "team-A/y", false},
      {"team-a/**", "team_a/y", false},
      {"team-a/**", "team-a.evil/y", false},
      {"team-a/app", "team-a/app", true},
      {"team-a/app", "team-a/app2", false},
      {"team-a/app", "team-a/ap", false},
      {"team-a/app", "team-a/app/x", false},
      {"team-a/app", "team-a-app", false},
      {"team.a/**", "team-a/y", false},
      {"team.a/**", "teamxa/y", false},
      {"team.a/**", "team.a/y", true},
      {"*", "nginx", true},
      {"*", "team-a/app", false},
      {"**", "nginx", true},
      {"**", "a/b/c/d", true},
      {"*/app", "team-a/app", true},
      {"*/app", "app", false},
      {"*/app", "x/team-a/app", false},
      {"**/app", "team-a/app", true},
      {"**/app", "x/team-a/app", true},
      {"**/app", "team-a/myapp", false},
      {"team-*/app", "team-a/app", true},
      {"team-*/app", "team-a/b/app", false},
      {"team-?/app", "team-a/app", true},
      {"team-?/app", "team-ab/app", false},
      {"team-?/app", "team-/app", false},
      {"a/**/z", "a/b/z", true},
      {"a/**/z", "a/b/c/z", true},
      {"a/**/z", "az", false},
      {"a/*/z", "a/b/z", true},
      {"a/*/z", "a/b/c/z", false},
      {"v1*", "v1.evil", true},
      {"v1*", "ev1", false},
  };
  for (const Case& c : cases) {
    ASSERT_TRUE(CheckRepositoryGlob(c.glob).ok()) << c.glob;
    Rights rights;
    rights.held.push_back({1u << static_cast<unsigned>(Verb::kPull), c.glob});
    EXPECT_EQ(rights.Holds(Verb::kPull, c.repository), c.matches) << c.glob << " " << c.repository;
    EXPECT_FALSE(rights.Holds(Verb::kPush, c.repository));
  }
}

TEST(Scope, RefusesGlobsThatSayMoreThanTheyShow) {
  for (std::string bad : {std::string(""), std::string("/"), std::string("/a"), std::string("a/"), std::string("a//b"),
                          std::string("team-a/../team-b/**"), std::string("./a"), std::string(".."), std::string("a/."),
                          std::string("team-a**"), std::string("***"), std::string("**a/b"), std::string("TEAM-A/**"),
                          std::string("a b"), std::string("a\n"), std::string("é/**"), std::string("a\\b"), std::string("[a]/b"),
                          std::string("{a,b}/c"), std::string("a\0b", 3), std::string(256, 'a')}) {
    EXPECT_FALSE(CheckRepositoryGlob(bad).ok()) << bad;
  }
}

TEST(Scope, OneSpellingAnAccount) {
  for (const char* same : {"alice", "Alice", "ALICE", " alice", "alice ", "\talice\n"}) EXPECT_EQ(NormaliseUserName(same), "alice") << same;
  for (std::string bad : {std::string(""), std::string(" "), std::string("al ice"), std::string("alice\0", 6), std::string("ａlice"),
                          std::string("аlice"), std::string("-alice"), std::string(".alice"), std::string("a/b"), std::string("a:b"),
                          std::string("a@b"), std::string(65, 'a')}) {
    EXPECT_EQ(NormaliseUserName(bad), std::nullopt) << bad;
  }
}

TEST(Scope, AGlobCoversAnother) {
  struct Row {
    const char *outer, *inner;
    bool covers;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"**", "**", true}, {"**", "team-a/*", true}, {"**", "", true},
           {"team-a/**", "team-a/**", true}, {"team-a/**", "team-a/x?/*", true}, {"team-a/**", "team-a/*", true},
           {"team-a/x*", "team-a/x*", true}, {"team-a/**", "team-a/", true},
           {"team-a/**", "team-*/**", false}, {"team-a/**", "team-a", false}, {"team-a/**", "team-a*/x", false},
           {"team-a/**", "team-ab/**", false}, {"team-a/**", "**", false}, {"team-a/**", "*", false},
           {"team-a/*", "team-a/**", false}, {"team-a/*", "team-a/x*", false}, {"*/**", "team-a/**", false},
           {"team-?/**", "team-a/**", false}, {"**/app", "team-a/*/app", false}, {"team-a/x/**", "team-a/**", false}})
    EXPECT_EQ(Covers(row.outer, row.inner), row.covers) << row.outer << " " << row.inner;
}

}  // namespace
}  // namespace bulwark::auth
