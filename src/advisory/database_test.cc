// Building a file from sources: reports, refusals, and fix dates that survive.

#include "advisory/database.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

namespace bulwark::advisory {
namespace {

namespace fs = std::filesystem;

class Database : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "advisory_db_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  std::string out() const { return folder_ + "/advisories.db"; }
  Result<BuildReport> Build(const std::vector<std::string>& paths, const char* now = "2026-01-01T00:00:00Z",
                            Force force = Force::kNo) {
    std::vector<SourceSpec> specs;
    for (const auto& path : paths) specs.push_back(SourceSpec::Parse(path));
    return BuildDatabase(out(), specs, {*ParseTime(now), force, Starter::kLeaveOut});
  }
  Record Only(const std::string& ecosystem, const std::string& name) {
    Record found;
    auto index = OpenIndex(out());
    EXPECT_TRUE(index.ok());
    (*index)->Find({ecosystem, name}, [&](const Record& r) {
      found = r;
      return false;
    });
    return found;
  }

  std::string folder_;
};

std::string Osv(const std::string& id, const std::string& events, const std::string& published = "2024-05-01T00:00:00Z") {
  return fmt::format(R"({{"id":"{}","modified":"2024-06-01T00:00:00Z","published":"{}","affected":[{{"package":)"
                     R"({{"ecosystem":"npm","name":"{}"}},"ranges":[{{"type":"SEMVER","events":[{}]}}]}}]}})",
                     id, published, id, events);
}
const std::string kFixed = R"({"introduced":"0"},{"fixed":"1.0.0"})", kOpen = R"({"introduced":"0"})";

std::string Lines(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += Osv(fmt::format("A-{}", i), kFixed) + "\n";
  return out;
}

TEST_F(Database, BuildsFromFilesFoldersAndLabels) {
  const auto lines = Write("a.jsonl", Osv("A-1", kFixed) + "\n\n" + Osv("A-2", kFixed) + "\r\n");
  Write("folder/b.json", Osv("B-1", kFixed));
  Write("folder/deep/c.yaml", "id: C-1\nmodified: x\naffected:\n- package: {ecosystem: PyPI, name: C}\n  versions: ['1.0']\n");
  Write("folder/README.md", "no document");
  const auto report = Build({"extra=" + lines, folder_ + "/folder"});
  ASSERT_TRUE(report.ok()) << report.error().message;
  ASSERT_EQ(2u, report->sources.size());
  EXPECT_EQ("extra", report->sources[0].label);
  EXPECT_EQ("osv", report->sources[1].label);
  EXPECT_EQ(2u, report->sources[0].items);
  EXPECT_EQ(2u, report->sources[1].records);
  EXPECT_EQ(4u, report->records);
  EXPECT_EQ("extra", Only("npm", "A-1").source);
  const auto description = Describe(**OpenIndex(out()));
  EXPECT_EQ(report->revision, description.revision);
  EXPECT_EQ(4u, description.packages);
  ASSERT_EQ(2u, description.ecosystems.size());
  EXPECT_EQ("npm", description.ecosystems[1].first);
  EXPECT_EQ("2024-06-01", FormatDate(description.data_date));
}

// Records prove nothing about those that are missing: only the operator's word makes an ecosystem whole.
TEST_F(Database, IsWholeByTheOperatorsWordAlone) {
  const auto npm = Write("npm.jsonl", Lines(199));
  BuildOptions options{*ParseTime("2026-01-01"), Force::kNo, Starter::kInclude, {}};
  ASSERT_TRUE(BuildDatabase(out(), {SourceSpec::Parse(npm)}, options).ok());
  auto index = OpenIndex(out());
  EXPECT_TRUE((*index)->Covers("npm").any);
  EXPECT_FALSE((*index)->Covers("npm").complete);
  EXPECT_TRUE(Describe(**index).whole.empty());
  options.whole = {"npm"};
  ASSERT_TRUE(BuildDatabase(out(), {SourceSpec::Parse(npm)}, options).ok());
  index = OpenIndex(out());
  EXPECT_TRUE((*index)->Covers("npm").complete);
  EXPECT_FALSE((*index)->Covers("Debian:12").complete);
  EXPECT_EQ(std::vector<std::string>{"npm"}, Describe(**index).whole);
  // What the starter set has of it makes it no whole, either.
  options.whole = {"npm", "Debian:12"};
  EXPECT_EQ(BuildDatabase(out(), {SourceSpec::Parse(npm)}, options).error().code, Errc::kInvalid);
}

// A distribution's name means all its releases, as many as the sources have.
TEST_F(Database, WholeDistribution) {
  auto secdb = [&](const char* name, const char* release) {
    return Write(name, fmt::format(R"({{"distroversion":"{}","reponame":"main","packages":[{{"pkg":{{"name":"a","secfixes":{{"1-r0":["CVE-2024-1"]}}}}}}]}})", release));
  };
  BuildOptions options{*ParseTime("2026-01-01"), Force::kNo, Starter::kLeaveOut, {"Alpine"}};
  const auto report = BuildDatabase(out(), {SourceSpec::Parse(secdb("a.json", "v3.19")), SourceSpec::Parse(secdb("b.json", "edge"))}, options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ("secdb", report->sources[0].label);
  EXPECT_EQ((std::vector<std::string>{"Alpine:edge", "Alpine:v3.19"}), Describe(**OpenIndex(out())).whole);
  EXPECT_FALSE((*OpenIndex(out()))->Covers("Alpine:v3.18").any);
  options.whole = {"Alp"};
  EXPECT_FALSE(BuildDatabase(out(), {SourceSpec::Parse(secdb("a.json", "v3.19"))}, options).ok());
}

TEST_F(Database, ReadsCsvByItsNameAlone) {
  const auto osv = Write("osv/a.json", Osv("CVE-2024-1", kFixed));
  Write("osv/modified_id.csv", "2024-01-01,x\n");  // as OSV's buckets have it
  const auto report = Build({folder_ + "/osv", Write("epss.csv", "cve,epss,percentile\nCVE-2024-1,0.5,0.9\n")});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ("epss", report->sources[1].label);
  EXPECT_EQ(0.9, (*OpenIndex(out()))->EpssOf("CVE-2024-1")->percentile);
  EXPECT_EQ(Errc::kInvalid, Build({Write("other.csv", "a,b\n")}).error().code);
}

TEST_F(Database, IsDeterministicAndClampsFutureDates) {
  const auto source = Write("a.jsonl", Lines(10) + R"({"id":"Z","modified":"3000-01-01T00:00:00Z","affected":[]})");
  const auto first = Build({source});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ("2026-01-01", FormatDate(first->data_date));
  EXPECT_EQ(first->revision, Build({source})->revision);
}

TEST_F(Database, RefusesMalformedFeeds) {
  const auto source = Write("a.jsonl", Lines(50) + "{\"id\":7}\n");
  const auto refused = Build({source});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(Errc::kConflict, refused.error().code);
  EXPECT_NE(std::string::npos, refused.error().message.find("1 of 51 items are malformed"));
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_TRUE(Build({Write("b.jsonl", Lines(150) + "{\"id\":7}\n")}).ok());  // below 1 %
  const auto forced = Build({source}, "2026-01-01T00:00:00Z", Force::kYes);
  ASSERT_TRUE(forced.ok());
  EXPECT_EQ(2u, forced->overridden.size());  // malformed, and shrunken against b
}

TEST_F(Database, RefusesWhatIsNoFeed) {
  EXPECT_EQ(Errc::kNotFound, Build({folder_ + "/none"}).error().code);
  EXPECT_EQ(Errc::kInvalid, Build({Write("login.json", "<html>please log in</html>")}).error().code);
  EXPECT_EQ(Errc::kInvalid, Build({Write("empty.jsonl", "")}).error().code);
  EXPECT_EQ(Errc::kConflict, Build({Write("withdrawn.json", R"({"id":"A","modified":"x","withdrawn":"y"})")}).error().code);
  EXPECT_EQ(Errc::kCorrupt, Build({Write("cut.json.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\3", 10))}).error().code);
}

TEST_F(Database, RefusesShrunkenAndVanishedSources) {
  const auto big = Write("big.jsonl", Lines(100)), small = Write("small.jsonl", Lines(59)), enough = Write("enough.jsonl", Lines(60));
  const auto kev = Write("kev.json", R"({"catalogVersion":"1","vulnerabilities":[{"cveID":"CVE-2024-1","dateAdded":"2024-01-01"}]})");
  ASSERT_TRUE(Build({big, kev}).ok());
  const auto refused = Build({small, kev});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(std::string::npos, refused.error().message.find("source osv has shrunk from 100 to 59 records"));
  EXPECT_EQ(100u, (*OpenIndex(out()))->records());  // the last good one stays
  EXPECT_FALSE(Build({big}).ok());                  // kev vanished
  std::string never;
  for (int i = 0; i < 100; ++i) never += Osv(fmt::format("A-{}", i), R"({"introduced":"0"},{"fixed":"0"})") + "\n";
  EXPECT_FALSE(Build({Write("never.jsonl", never), kev}).ok());  // everything "never affected"
  EXPECT_TRUE(Build({enough, kev}).ok());
}

TEST_F(Database, FixDatesSurviveRebuilds) {
  // The first build knows no better than the date of publication.
  ASSERT_TRUE(Build({Write("a.json", Osv("A", kFixed))}).ok());
  EXPECT_EQ("2024-05-01", FormatDate(Only("npm", "A").fixed_at));
  // A later date, or none, does not make the fix younger.
  ASSERT_TRUE(Build({Write("a.json", Osv("A", kFixed, "2025-05-01T00:00:00Z"))}).ok());
  EXPECT_EQ("2024-05-01", FormatDate(Only("npm", "A").fixed_at));
  ASSERT_TRUE(Build({Write("a.json", Osv("A", kFixed, "0001-01-01T00:00:00Z"))}).ok());
  EXPECT_EQ("2024-05-01", FormatDate(Only("npm", "A").fixed_at));
  // A fix that appears where there was none is of now.
  ASSERT_TRUE(Build({Write("a.json", Osv("A", kOpen))}).ok());
  EXPECT_EQ(kNever, Only("npm", "A").fixed_at);
  ASSERT_TRUE(Build({Write("a.json", Osv("A", kFixed))}, "2026-03-03T00:00:00Z").ok());
  EXPECT_EQ("2026-03-03", FormatDate(Only("npm", "A").fixed_at));
  ASSERT_TRUE(Build({Write("a.json", Osv("A", kFixed))}, "2026-04-04T00:00:00Z").ok());
  EXPECT_EQ("2026-03-03", FormatDate(Only("npm", "A").fixed_at));
}

TEST(SourceSpec, Parses) {
  EXPECT_EQ("x", SourceSpec::Parse("x=/a=b").label);
  EXPECT_EQ("/a=b", SourceSpec::Parse("x=/a=b").path);
  EXPECT_EQ("", SourceSpec::Parse("/a=b").label);
  EXPECT_EQ("/a=b", SourceSpec::Parse("/a=b").path);
}

}  // namespace
}  // namespace bulwark::advisory
