#include "formats/purl.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/limits.h"

namespace bulwark::formats {
namespace {

TEST(Purl, CasesAgree) {
  std::ifstream in(std::string(BW_SOURCE_DIR) + "/src/formats/testdata/purl.txt");
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    ++count;
    const auto arrow = line.find(" -> ");
    const auto parsed = ParsePurl(line.substr(0, arrow == std::string::npos ? line.size() - 2 : arrow));
    if (arrow == std::string::npos) {
      EXPECT_FALSE(parsed.ok()) << line;
      continue;
    }
    ASSERT_TRUE(parsed.ok()) << line << ": " << parsed.error().message;
    const auto built = BuildPurl(*parsed);
    ASSERT_TRUE(built.ok()) << line << ": " << built.error().message;
    EXPECT_EQ(line.substr(arrow + 4), *built);
    const auto again = ParsePurl(*built);
    ASSERT_TRUE(again.ok()) << line;
    EXPECT_TRUE(*again == *parsed) << line;
  }
  EXPECT_GT(count, 40u);
}

TEST(Purl, GivesDecodedParts) {
  const auto p = ParsePurl("pkg:golang/github.com/a/b%2Bc@v1.0.0%2Bincompatible?b=x%26y&a=1%3D2#s%20p/q");
  ASSERT_TRUE(p.ok());
  EXPECT_EQ("golang", p->type);
  EXPECT_EQ("github.com/a", p->name_space);
  EXPECT_EQ("b+c", p->name);
  EXPECT_EQ("v1.0.0+incompatible", p->version);
  ASSERT_EQ(2u, p->qualifiers.size());
  EXPECT_EQ("a", p->qualifiers[0].first);
  EXPECT_EQ("1=2", p->qualifiers[0].second);
  EXPECT_EQ("x&y", p->qualifiers[1].second);
  EXPECT_EQ("s p/q", p->subpath);
}

TEST(Purl, BuildsFromRawParts) {
  EXPECT_EQ("pkg:pypi/my-package@1.0", *BuildPurl({"PyPI", "", "My_Package", "1.0", {}, ""}));
  EXPECT_EQ("pkg:npm/%40scope/n@1?x=%40%2F%3F%23%26%3D#a/b", *BuildPurl({"npm", "/@scope/", "/n/", "1", {{"X", "@/?#&="}, {"y", ""}}, "/./a//../b/"}));
  EXPECT_EQ(Errc::kInvalid, BuildPurl({"", "", "n", "", {}, ""}).error().code);
  EXPECT_EQ(Errc::kInvalid, BuildPurl({"npm", "", "", "1", {}, ""}).error().code);
  EXPECT_EQ(Errc::kInvalid, BuildPurl({"npm", "", "n", "1", {{"a", "1"}, {"A", "2"}}, ""}).error().code);
  EXPECT_EQ(Errc::kInvalid, BuildPurl({"npm", "", "n\xff", "1", {}, ""}).error().code);
}

TEST(Purl, LimitsLengthAndQualifiers) {
  EXPECT_EQ(Errc::kLimit, ParsePurl("pkg:npm/" + std::string(limits::kPurlBytes, 'a')).error().code);
  std::string many = "pkg:npm/a?";
  for (std::size_t i = 0; i <= limits::kPurlQualifiers; ++i) many += "k" + std::to_string(i) + "=1&";
  EXPECT_EQ(Errc::kLimit, ParsePurl(many).error().code);
}

}  // namespace
}  // namespace bulwark::formats
