// Orders of versions: our cases (testdata/*.txt) and, where ../shared is mounted, the public corpora.

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/limits.h"
#include "base/strings.h"
#include "versions/compare.h"
#include "versions/ecosystem.h"

namespace bulwark::versions {
namespace {

std::string ReadAllOf(FILE* pipe) {
  std::string out;
  char buffer[65536];
  while (std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
  return out;
}

std::string OrderText(const Result<Order>& order) {
  if (!order) return "?";
  return *order < 0 ? "<" : *order > 0 ? ">" : "=";
}

std::string Reverse(const std::string& order) { return order == "<" ? ">" : order == ">" ? "<" : order; }

struct Case {
  std::string a, order, b;
};

// "a < b", or "a ?" for text that is no version ("?" alone is the empty text).
std::optional<Case> ParseLine(std::string_view line) {
  if (line.empty() || line[0] == '#' || line.starts_with("//")) return std::nullopt;
  for (std::string_view order : {" < ", " = ", " > "}) {
    if (auto at = line.find(order); at != std::string_view::npos) {
      return Case{std::string(line.substr(0, at)), std::string(Trim(order)), std::string(line.substr(at + 3))};
    }
  }
  if (!line.ends_with('?')) return std::nullopt;
  line.remove_suffix(1);
  if (line.ends_with(' ')) line.remove_suffix(1);
  return Case{std::string(line), "?", "1"};
}

class OwnCases : public ::testing::TestWithParam<Ecosystem> {};

TEST_P(OwnCases, AgreeInBothDirections) {
  const std::string path =
      std::string(BW_SOURCE_DIR) + "/src/versions/testdata/" +
      std::map<Ecosystem, std::string>{{Ecosystem::kDeb, "deb"}, {Ecosystem::kNpm, "npm"}, {Ecosystem::kPyPI, "pypi"},
                                       {Ecosystem::kGo, "go"}, {Ecosystem::kMaven, "maven"}, {Ecosystem::kApk, "apk"}}[GetParam()] + ".txt";
  std::ifstream in(path);
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);) {
    auto c = ParseLine(line);
    if (!c) continue;
    ++count;
    if (c->order == "?") {
      auto self = Compare(GetParam(), c->a, c->a);
      EXPECT_EQ("?", OrderText(self)) << line;
      EXPECT_TRUE(self.ok() || self.error().code == Errc::kInvalid) << line;
      continue;
    }
    EXPECT_EQ(c->order, OrderText(Compare(GetParam(), c->a, c->b))) << line;
    EXPECT_EQ(Reverse(c->order), OrderText(Compare(GetParam(), c->b, c->a))) << line;
    EXPECT_EQ("=", OrderText(Compare(GetParam(), c->a, c->a))) << line;
  }
  EXPECT_GT(count, 20u) << path;
}

INSTANTIATE_TEST_SUITE_P(Versions, OwnCases,
                         ::testing::Values(Ecosystem::kDeb, Ecosystem::kNpm, Ecosystem::kPyPI, Ecosystem::kGo,
                                           Ecosystem::kMaven, Ecosystem::kApk));

struct Corpus {
  const char* file;
  Ecosystem ecosystem;
  std::size_t at_least;
};

class Corpora : public ::testing::TestWithParam<Corpus> {};

// Versions of the PyPI corpora that the real tool (Python packaging 26) calls invalid: before PEP 440 they were "legacy"
// versions. Here they have no order. testdata/pypi-legacy.txt lists them all, so that nothing else hides behind "?".
std::set<std::string> LegacyPyPI() {
  std::set<std::string> out;
  std::ifstream in(std::string(BW_SOURCE_DIR) + "/src/versions/testdata/pypi-legacy.txt");
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line[0] != '#') out.insert(line);
  }
  return out;
}

// Alpine's corpora hold what apk calls malformed and nevertheless orders, by what is left of it. Where such a part decides,
// here is no order.
bool RestsOnMalformed(Ecosystem ecosystem, const Case& c) {
  return ecosystem == Ecosystem::kApk && !Compare(ecosystem, c.a, c.b).ok() &&
         !(Compare(ecosystem, c.a, c.a).ok() && Compare(ecosystem, c.b, c.b).ok());
}

TEST_P(Corpora, Agree) {
  const std::string archive = std::string(BW_SOURCE_DIR) + "/../shared/vulndata/version-corpora.tar.zst";
  if (!std::ifstream(archive)) GTEST_SKIP() << "../shared is not there";
  const std::string command = "zstd -dc '" + archive + "' | tar xO version-corpora/semantic/testdata/" + GetParam().file;
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  const std::string text = ReadAllOf(pipe.get());
  const std::set<std::string> legacy = LegacyPyPI();
  std::size_t count = 0, malformed = 0;
  for (std::string_view line : Split(text, '\n')) {
    auto c = ParseLine(line);
    if (!c) continue;
    ++count;
    if (GetParam().ecosystem == Ecosystem::kPyPI && (legacy.contains(c->a) || legacy.contains(c->b))) c->order = "?";
    if (RestsOnMalformed(GetParam().ecosystem, *c)) c->order = "?", ++malformed;
    EXPECT_EQ(c->order, OrderText(Compare(GetParam().ecosystem, c->a, c->b))) << line;
    EXPECT_EQ(Reverse(c->order), OrderText(Compare(GetParam().ecosystem, c->b, c->a))) << line;
  }
  EXPECT_GE(count, GetParam().at_least);
  EXPECT_LE(malformed, 21u);  // as many as apk-tools 3 calls malformed in alpine-versions.txt
}

INSTANTIATE_TEST_SUITE_P(Versions, Corpora,
                         ::testing::Values(Corpus{"debian-versions.txt", Ecosystem::kDeb, 15},
                                           Corpus{"debian-versions-generated.txt", Ecosystem::kDeb, 9000},
                                           Corpus{"semver-versions.txt", Ecosystem::kNpm, 40},
                                           Corpus{"pypi-versions.txt", Ecosystem::kPyPI, 20},
                                           Corpus{"pypi-versions-generated.txt", Ecosystem::kPyPI, 8000},
                                           Corpus{"maven-versions.txt", Ecosystem::kMaven, 60},
                                           Corpus{"maven-versions-generated.txt", Ecosystem::kMaven, 9000},
                                           Corpus{"alpine-versions.txt", Ecosystem::kApk, 500},
                                           Corpus{"alpine-versions-generated.txt", Ecosystem::kApk, 9000}));

TEST(Compare, RefusesLongTextAndUnknownOrders) {
  const std::string longest(limits::kVersionBytes, '1');
  EXPECT_TRUE(CompareDeb(longest, longest).ok());
  for (Ecosystem e : {Ecosystem::kDeb, Ecosystem::kNpm, Ecosystem::kPyPI, Ecosystem::kGo, Ecosystem::kMaven, Ecosystem::kApk}) {
    EXPECT_EQ(Errc::kInvalid, Compare(e, longest + "1", "1.0.0").error().code);
  }
  EXPECT_EQ(Errc::kUnsupported, Compare(Ecosystem::kRpm, "1", "1").error().code);
  std::string deep;  // the deepest Maven version of the longest length
  while (deep.size() + 2 <= limits::kVersionBytes) deep += "1-";
  EXPECT_EQ("<", OrderText(CompareMaven(deep.substr(0, deep.size() - 2), deep)));
}

TEST(Ecosystem, ReadsNamesOfEveryKind) {
  EXPECT_EQ(Ecosystem::kDeb, ParseEcosystem("Debian:12"));
  EXPECT_EQ(Ecosystem::kDeb, ParseEcosystem("Ubuntu:Pro:16.04:LTS"));
  EXPECT_EQ(Ecosystem::kApk, ParseEcosystem("Alpine:v3.18"));
  EXPECT_EQ(Ecosystem::kRpm, ParseEcosystem("Rocky Linux:9"));
  EXPECT_EQ(Ecosystem::kGo, ParseEcosystem("golang"));
  EXPECT_EQ(Ecosystem::kGo, ParseEcosystem("Go"));
  EXPECT_EQ(Ecosystem::kNpm, ParseEcosystem("semver"));
  EXPECT_EQ(Ecosystem::kPyPI, ParseEcosystem("pypi"));
  EXPECT_EQ(Ecosystem::kNuGet, ParseEcosystem("NuGet"));
  EXPECT_EQ(std::nullopt, ParseEcosystem("Bitnami"));
  EXPECT_EQ(std::nullopt, ParseEcosystem(""));
  EXPECT_EQ("golang", PurlType(Ecosystem::kGo));
  EXPECT_EQ("crates.io", Name(Ecosystem::kCargo));
}

TEST(Ecosystem, NormalizesNames) {
  EXPECT_EQ("zope-interface", NormalizeName(Ecosystem::kPyPI, "Zope.Interface"));
  EXPECT_EQ("a-b-c", NormalizeName(Ecosystem::kPyPI, "A__b-._c"));
  EXPECT_EQ("JSONStream", NormalizeName(Ecosystem::kNpm, "JSONStream"));
  EXPECT_EQ("vendor/name", NormalizeName(Ecosystem::kPackagist, "Vendor/Name"));
  EXPECT_EQ("github.com/BurntSushi/toml", NormalizeName(Ecosystem::kGo, "github.com/BurntSushi/toml"));
}

}  // namespace
}  // namespace bulwark::versions
