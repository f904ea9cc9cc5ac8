// Feeds: their quirks as cases (testdata/FEED/quirks.txt), Debian facts, KEV, and the real packs where ../shared is there.

#include "advisory/feeds.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "advisory/documents.h"
#include "advisory/index.h"
#include "advisory/osv_ids.h"

namespace bulwark::advisory {
namespace {

std::string Shared(const std::string& name) { return std::string(BW_SOURCE_DIR) + "/../shared/vulndata/" + name; }

template <typename T>
std::string Joined(const std::vector<T>& items, const std::string& separator) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : separator) + item;
  return out;
}

std::string Line(const Record& r) {
  std::vector<std::string> ranges;
  for (const auto& x : r.ranges) {
    ranges.push_back(x.introduced + ".." + (x.last_affected.empty() ? x.fixed : "=" + x.last_affected));
  }
  std::string state(Name(r.state));
  std::replace(state.begin(), state.end(), ' ', '_');
  auto dash = [](std::string s) { return s.empty() ? "-" : s; };
  return fmt::format("{} {} {} [{}] {} {} {} {} {} {}", r.package.ecosystem, r.package.name, r.id, Joined(r.aliases, ","), state,
                     static_cast<int>(r.kind), Name(r.severity), r.score < 0 ? "-" : fmt::format("{:.1f}", r.score),
                     dash(Joined(ranges, "|")), dash(Joined(r.versions, ",")));
}

// All records of an index, as lines in its order.
std::vector<std::string> Lines(const Index& index) {
  std::vector<std::string> out;
  index.EachKey([&](const versions::PackageKey& key, std::uint64_t) {
    index.Find(key, [&](const Record& r) {
      out.push_back(Line(r));
      return true;
    });
  });
  return out;
}

std::string Judge(std::string_view name, const std::string& json) {
  Builder builder;
  FeedOutput out(builder, "test");
  const auto feed = std::find_if(Feeds().begin(), Feeds().end(), [&](const Feed& f) { return f.name == name; });
  if (Status read = feed->read({"case", Syntax::kJson, json}, out); !read) return "error\n";
  std::vector<std::string> lines = Lines(**IndexOfBytes(*builder.Finish()));
  if (out.errors() > 0) lines.push_back(out.items() == 0 ? "error" : fmt::format("error of {}", out.items()));
  if (out.skipped() > 0) lines.push_back("skip");
  return Joined(lines, "\n") + "\n";
}

class Quirks : public ::testing::TestWithParam<const char*> {};

TEST_P(Quirks, AreRead) {
  std::ifstream in(std::string(BW_SOURCE_DIR) + "/src/advisory/testdata/" + GetParam() + "/quirks.txt");
  std::string name, json, want;
  std::size_t count = 0;
  auto check = [&] {
    if (name.empty()) return;
    ++count;
    EXPECT_EQ(want, Judge(GetParam(), json)) << name;
  };
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#")) continue;
    if (line.starts_with("= ")) {
      check();
      name = line.substr(2);
      json.clear(), want.clear();
    } else if (json.empty()) {
      json = line;
    } else {
      want += line + "\n";
    }
  }
  check();
  EXPECT_GT(count, 9u);
}

INSTANTIATE_TEST_SUITE_P(Feeds, Quirks, ::testing::Values("osv", "secdb", "debian-tracker"));

TEST(Osv, ReadsYamlWithoutGuessingTypes) {
  Builder builder;
  FeedOutput out(builder, "osv");
  const Document yaml{"x.yaml", Syntax::kYaml,
                      "id: PYSEC-1\nmodified: '2024-01-01T00:00:00Z'\nwithdrawn: null\naliases:\n- CVE-2024-1\naffected:\n"
                      "- package: {name: Jinja2, ecosystem: PyPI}\n  ranges:\n  - type: ECOSYSTEM\n    events:\n"
                      "    - introduced: '0'\n    - fixed: 1.10\n  versions:\n  - 2.10\n  - 2021-01-01\n"};
  EXPECT_TRUE(IsOsv(yaml));
  ASSERT_TRUE(ReadOsv(yaml, out).ok());
  const auto index = IndexOfBytes(*builder.Finish());
  EXPECT_EQ("PyPI jinja2 PYSEC-1 [CVE-2024-1] fixed 1 unknown - ..1.10 2.10,2021-01-01", Lines(**index)[0]);
}

// 30 odd ids before the one record that was refused.
TEST(FeedOutput, NotesDoNotHideErrors) {
  Builder builder;
  FeedOutput out(builder, "test");
  for (int i = 0; i < 30; ++i) out.Tell("note", "odd");
  for (int i = 0; i < 30; ++i) out.CountError("item", Error{Errc::kInvalid, "refused"});
  EXPECT_EQ(out.errors(), 30u);
  const auto& lines = out.messages();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "note: odd"), 10);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "item: refused"), 10);
}

TEST(Osv, KeepsTheDatesOfTheSource) {
  Builder builder;
  FeedOutput out(builder, "osv");
  const std::string json =
      R"([{"id":"A-1","modified":"2024-03-01 10:00:00+00:00","published":"2024-01-01T00:00:00Z","affected":[]},
          {"id":"A-2","modified":"0001-01-01T00:00:00Z","published":"2024-02-01T00:00:00Z","affected":[]}, {"bad":1}])";
  ASSERT_TRUE(ReadOsv({"x", Syntax::kJson, json}, out).ok());
  EXPECT_EQ("2024-03-01T10:00:00Z", FormatTime(out.data_date()));
  EXPECT_EQ(3u, out.items());
  EXPECT_EQ(1u, out.errors());
}

TEST(OsvIds, FindsTheCve) {
  EXPECT_EQ("CVE-2024-1", CveIn("CVE-2024-1"));
  EXPECT_EQ("CVE-2024-12345", CveIn("UBUNTU-CVE-2024-12345"));
  for (const char* bad : {"CVE-24-1", "CVE-2024-", "CVE-2024-1a", "XCVE-2024-1", "GHSA-x", ""}) EXPECT_EQ("", CveIn(bad)) << bad;
  EXPECT_TRUE(IsErratum("DSA-1-1"));
  EXPECT_FALSE(IsErratum("CVE-2024-1"));
}

TEST(DebianFacts, ReadsAndRefuses) {
  Builder builder;
  FeedOutput out(builder, "debian");
  auto read = [&](const std::string& json) { return ReadDebianFacts({"x", Syntax::kJson, json}, out); };
  const std::string good = R"({"ecosystem":"Debian:12","source":"aom","cve":"CVE-2024-5171","fixed":"3.6.0-1+deb12u1","date":"Thu, 15 Aug 2024 16:54:36 +0200"})";
  EXPECT_TRUE(IsDebianFacts({"x", Syntax::kJson, good}));
  EXPECT_TRUE(read(good).ok());
  EXPECT_FALSE(read(R"({"ecosystem":"Debian:12","source":"aom","cve":"CVE-2024-5171"})").ok());
  EXPECT_FALSE(read(R"({"ecosystem":"Debian:12","source":"a","cve":"CVE-2024-1","fixed":"not a version"})").ok());
  EXPECT_FALSE(read(R"({"ecosystem":"npm","source":"a","cve":"CVE-2024-1","fixed":"1"})").ok());
  EXPECT_FALSE(read(R"({"ecosystem":"Debian:12","source":"a","cve":"CVE-2024-1","fixed":"1","date":"yesterday"})").ok());
  const auto index = IndexOfBytes(*builder.Finish());
  (*index)->Find({"Debian:12", "aom"}, [&](const Record& r) {
    EXPECT_EQ("2024-08-15T14:54:36Z", FormatTime(r.fixed_at));
    EXPECT_EQ("https://security-tracker.debian.org/tracker/CVE-2024-5171", r.url);
    return true;
  });
  EXPECT_EQ(1u, (*index)->records());
}

TEST(MailDate, ReadsRfc2822) {
  EXPECT_EQ("2026-09-05T17:08:11Z", FormatTime(*ParseMailDate("Sat, 05 Sep 2026 19:08:11 +0200")));
  EXPECT_EQ("2024-03-01T03:30:00Z", FormatTime(*ParseMailDate("29 Feb 2024 22:00 -0530")));
  EXPECT_EQ("2024-02-29T22:00:00Z", FormatTime(*ParseMailDate("Thu,  29 Feb 2024 22:00:00 GMT")));
  for (const char* bad : {"", "Thu", "Thu, 30 Feb 2024 22:00:00 +0000", "Thu, 1 Foo 2024 22:00:00 +0000", "1 Jan 24 22:00:00 +0000",
                          "1 Jan 2024 24:00:00 +0000", "1 Jan 2024 22:00:00 0200", "1 Jan 2024 22:00:00 +9900", "-1 Jan 2024 22:00:00 +0000"}) {
    EXPECT_FALSE(ParseMailDate(bad).ok()) << bad;
  }
}

TEST(Kev, CountsMalformedEntries) {
  Builder builder;
  FeedOutput out(builder, "kev");
  const std::string json = R"({"catalogVersion":"1","dateReleased":"2026-08-07T16:45:47.0648Z","vulnerabilities":[
      {"cveID":"CVE-2021-44228","dateAdded":"2021-12-10"},{"cveID":"x","dateAdded":"2021-12-10"},{"cveID":"CVE-2021-1"},7]})";
  EXPECT_TRUE(IsKnownExploited({"x", Syntax::kJson, json}));
  ASSERT_TRUE(ReadKnownExploited({"x", Syntax::kJson, json}, out).ok());
  EXPECT_EQ(1u, out.records());
  EXPECT_EQ(3u, out.errors());
  const auto index = IndexOfBytes(*builder.Finish());
  EXPECT_EQ("2021-12-10", FormatDate((*index)->Exploited("CVE-2021-44228")->added));
  EXPECT_FALSE((*index)->Exploited("CVE-2021-44229"));
}

std::string Epss(const std::string& text) {
  Builder builder;
  FeedOutput out(builder, "epss");
  if (Status read = ReadEpss({"x.csv", Syntax::kCsv, text}, out); !read) return "error";
  Record record;  // EPSS of what no record names is left out
  record.id = "CVE-1999-0001";
  record.aliases = {"CVE-2024-123456"};
  record.package = {"npm", "a"};
  record.source = "test";
  record.state = State::kOpen;
  EXPECT_TRUE(builder.Add(record).ok());
  const auto index = *IndexOfBytes(*builder.Finish());
  std::string line = fmt::format("{} of {} {}", out.records(), out.items(), out.data_date() == kNever ? "-" : FormatDate(out.data_date()));
  for (const char* cve : {"CVE-1999-0001", "CVE-2024-123456", "CVE-2020-1"}) {
    if (const auto epss = index->EpssOf(cve)) line += fmt::format(" {} {} {}", cve, epss->score, epss->percentile);
  }
  return line;
}

// The form is FIRST's; copies lack its first line.
TEST(Epss, ReadsScores) {
  const std::string header = "cve,epss,percentile\n";
  EXPECT_EQ("2 of 2 2025-02-20 CVE-1999-0001 0.00383 0.73075",
            Epss("#model_version:v2023.03.01,score_date:2025-02-20T00:00:00+0000\n" + header + "CVE-1999-0001,0.00383,0.73075\nCVE-2020-1,1,1\n"));
  EXPECT_EQ("2 of 2 - CVE-1999-0001 0.03351 0.8765 CVE-2024-123456 1 0", Epss("cve,epss,percentile\r\nCVE-1999-0001,0.03351,0.87650\r\n\r\nCVE-2024-123456,1.0,0"));
  EXPECT_EQ("2 of 2 - CVE-1999-0001 0.5 0.2", Epss(header + "CVE-1999-0001,0.5,0.2\nCVE-1999-0001,0.1,0.9\n"));
  EXPECT_EQ("1 of 1 - CVE-1999-0001 1e-05 0", Epss("#model_version:v2023.03.01\n" + header + "CVE-1999-0001,1e-05,0\n"));
  for (const char* bad : {"CVE-1999-0001,0.1", "CVE-1999-0001,0.1,0.2,0.3", "CVE-1999-0001,1.1,0.2", "CVE-1999-0001,-0.1,0.2", "CVE-1999-0001,nan,0.2",
                          "CVE-1999-0001,,0.2", "CVE-1999-0001,0.1 ,0.2", "GHSA-1,0.1,0.2", "CVE-1999-99999999999,0.1,0.2"}) {
    EXPECT_EQ("0 of 1 -", Epss(header + bad + "\n")) << bad;
  }
  for (const char* bad : {"", "#x\n", "invalid,header,format\nCVE-1999-0001,0.1,0.2\n", "CVE-1999-0001,0.1,0.2\n"}) EXPECT_EQ("error", Epss(bad)) << bad;
  EXPECT_TRUE(IsEpss({"x", Syntax::kCsv, header}) && IsEpss({"x", Syntax::kCsv, "#a\n" + header}));
  EXPECT_FALSE(IsEpss({"x", Syntax::kCsv, "id,modified\n"}) || IsEpss({"x", Syntax::kJson, header}));
}

TEST(Feeds, TellTheirDocumentsApart) {
  const char* kDocuments[] = {R"({"ecosystem":"Debian:12","source":"a","cve":"CVE-1-1","fixed":"1"})",
                              R"({"catalogVersion":"1","vulnerabilities":[]})", R"({"id":"A","modified":"x"})",
                              R"({"reponame":"main","packages":[]})", R"({"a":{"CVE-1-1":{"releases":{}}}})",
                              R"({"vulnerabilities":[]})", "[]", "", "{", R"({"packages":{}})", R"({"a":{}})", R"({"a":{"b":{}}})"};
  const int kWant[] = {0, 1, 2, 3, 4, -1, -1, -1, -1, -1, -1, -1};
  for (std::size_t i = 0; i < std::size(kDocuments); ++i) {
    for (std::size_t feed = 0; feed < Feeds().size(); ++feed) {
      EXPECT_EQ(kWant[i] == static_cast<int>(feed), Feeds()[feed].recognizes({"x", Syntax::kJson, kDocuments[i]})) << i;
    }
  }
}

struct Pack {
  const char* file;
  std::uint64_t items, at_least;
};

// The real data: everything in it is readable, but for the records that its README counts as broken.
TEST(Feeds, ReadThePacks) {
  if (!std::ifstream(Shared("README.md"))) GTEST_SKIP() << "../shared is not there";
  for (const Pack& pack : {Pack{"osv-go.tar.zst", 4291, 4000}, Pack{"osv-mixed-sample.jsonl.zst", 634, 500},
                           Pack{"debian-security-facts.jsonl.zst", 975, 975}, Pack{"kev.json.zst", 1663, 1662},
                           Pack{"osv-k8s.tar.zst", 44, 0},
                           Pack{"alpine-secdb.tar.zst", 8041, 84000}, Pack{"debian-tracker-derived.json.zst", 28893, 78712},
                           Pack{"epss.csv.zst", 360143, 360142}}) {
    Builder builder;
    FeedOutput out(builder, "test");
    const Feed* feed = nullptr;
    const Status read = EachDocument(Shared(pack.file), [&](const Document& document) -> Status {
      for (const Feed& f : Feeds()) {
        if (feed == nullptr && f.recognizes(document)) feed = &f;
      }
      if (feed == nullptr) return {};
      out.CountItems(1);
      if (Status one = feed->read(document, out); !one) out.CountError(document.name, one.error());
      return {};
    });
    ASSERT_TRUE(read.ok()) << pack.file << ": " << read.error().message;
    EXPECT_EQ(pack.items, out.items()) << pack.file;
    EXPECT_GE(out.records(), pack.at_least) << pack.file;
    EXPECT_LE(out.errors() * 100, out.items()) << pack.file << ": " << Joined(out.messages(), "\n");
    ASSERT_TRUE(IndexOfBytes(*builder.Finish()).ok());
  }
}

}  // namespace
}  // namespace bulwark::advisory
