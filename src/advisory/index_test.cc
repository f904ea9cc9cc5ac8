// Builder, file and starter set: what goes in comes out, equal content gives equal bytes, damage is refused.

#include "advisory/index.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <random>

#include <fmt/format.h>

#include "advisory/builder.h"
#include "advisory/database.h"
#include "advisory/delta.h"
#include "advisory/file_format.h"
#include "advisory/starter.h"
#include "base/limits.h"

namespace bulwark::advisory {
namespace {

Record Make(std::string ecosystem, std::string name, std::string id, std::string fixed = "2.0") {
  Record r;
  r.id = std::move(id);
  r.package = {std::move(ecosystem), std::move(name)};
  r.source = "test";
  r.ranges = {{"", std::move(fixed), ""}};
  return r;
}

Record Full() {
  Record r = Make("PyPI", "a", "GHSA-1");
  r.aliases = {"CVE-2024-1", "PYSEC-1"};
  r.ranges = {{"", "1.0", ""}, {"2.0", "", "2.5"}, {"3.0", "", ""}};
  r.versions = {"1.5", "legacy"};
  r.kind = Class::kMalicious;
  r.severity = Severity::kHigh;
  r.score = 7.5;
  r.vector = "CVSS:3.1/x";
  r.published = Time(Millis(-12345));
  r.fixed_at = Time(Millis(1700000000123));
  r.url = "https://osv.dev/vulnerability/GHSA-1";
  return r;
}

std::shared_ptr<const Index> Built(Builder& builder) {
  auto bytes = builder.Finish();
  EXPECT_TRUE(bytes.ok());
  auto index = IndexOfBytes(*std::move(bytes));
  EXPECT_TRUE(index.ok()) << (index ? "" : index.error().message);
  return *index;
}

std::vector<Record> All(const Index& index, const versions::PackageKey& key) {
  std::vector<Record> out;
  index.Find(key, [&](const Record& r) {
    out.push_back(r);
    return true;
  });
  return out;
}

TEST(Index, GivesBackWhatWasAdded) {
  Builder builder;
  ASSERT_TRUE(builder.Add(Full()).ok());
  ASSERT_TRUE(builder.Add(Make("Debian:12", "a", "CVE-2024-2")).ok());
  ASSERT_TRUE(builder.AddKnownExploited({"CVE-2024-1", Time(Millis(5))}).ok());
  ASSERT_TRUE(builder.AddEpss({"CVE-2024-1", 0.25, 1}).ok());
  ASSERT_TRUE(builder.AddEpss({"CVE-2024-1", 0.125, 0.5}).ok());  // the higher one counts
  ASSERT_TRUE(builder.AddEpss({"CVE-2024-3", 0.5, 0.5}).ok());    // of no record: not kept
  builder.AddSource({"test", 2, 1, Time(Millis(99))});
  builder.AddSource({"empty", 0, 0, kNever});
  builder.Cover("npm");
  builder.Complete("Debian:12");
  builder.Cover("Debian:12");  // what is complete stays so
  const auto index = Built(builder);
  EXPECT_EQ(std::vector<Record>{Full()}, All(*index, {"PyPI", "a"}));
  EXPECT_EQ(1u, All(*index, {"Debian:12", "a"}).size());
  EXPECT_TRUE(All(*index, {"Debian:12", "b"}).empty());
  EXPECT_TRUE(All(*index, {"Debian:1", "2a"}).empty());
  auto covers = [&](const char* ecosystem) {
    const Coverage c = index->Covers(ecosystem);
    return fmt::format("{}{} {}", c.any ? "some" : "none", c.complete ? ", complete" : "", c.records);
  };
  EXPECT_EQ(covers("npm"), "some 0");
  EXPECT_EQ(covers("PyPI"), "some 1");
  EXPECT_EQ(covers("Debian:12"), "some, complete 0");
  EXPECT_EQ(covers("Debian:13"), "none 0");
  EXPECT_EQ(Time(Millis(5)), index->Exploited("CVE-2024-1")->added);
  EXPECT_FALSE(index->Exploited("CVE-2024-2"));
  EXPECT_EQ(0.25, index->EpssOf("CVE-2024-1")->score);
  EXPECT_EQ(1, index->EpssOf("CVE-2024-1")->percentile);
  for (const char* none : {"CVE-2024-2", "CVE-2024-3", "GHSA-1", ""}) EXPECT_FALSE(index->EpssOf(none)) << none;
  EXPECT_EQ(Time(Millis(99)), index->data_date());
  EXPECT_EQ(2u, index->records());
  ASSERT_EQ(2u, index->sources().size());
  EXPECT_EQ("test", index->sources()[1].name);
  EXPECT_EQ(kNever, index->sources()[0].data_date);
  EXPECT_TRUE(index->revision().starts_with("sha256:"));
}

TEST(Index, IsTheSameWhateverTheOrder) {
  std::vector<Record> records;
  for (int i = 0; i < 200; ++i) records.push_back(Make("npm", fmt::format("p{}", i % 50), fmt::format("CVE-2024-{}", i)));
  records.push_back(Full());
  std::mt19937 random(7);
  std::string first;
  for (int round = 0; round < 5; ++round) {
    std::shuffle(records.begin(), records.end(), random);
    Builder builder;
    for (const Record& r : records) ASSERT_TRUE(builder.Add(r).ok());
    ASSERT_TRUE(builder.Add(records[0]).ok());  // said twice
    const std::string bytes = *builder.Finish();
    if (first.empty()) first = bytes;
    EXPECT_EQ(first, bytes) << round;
  }
}

TEST(Builder, JoinsWithoutLosingAffectedVersions) {
  Builder builder;
  Record a = Make("Debian:12", "x", "CVE-1-1", "1.0-1"), b = Make("Debian:12", "x", "CVE-1-1", "1.0-3");
  b.severity = Severity::kLow;
  Record harmless = Make("Debian:12", "x", "CVE-1-1", "0");
  harmless.state = State::kNotAffected;
  for (const Record& r : {harmless, a, b}) ASSERT_TRUE(builder.Add(r).ok());
  const auto records = All(*Built(builder), {"Debian:12", "x"});
  ASSERT_EQ(1u, records.size());
  EXPECT_EQ(State::kFixed, records[0].state);
  EXPECT_EQ(3u, records[0].ranges.size());
  EXPECT_EQ(Severity::kLow, records[0].severity);
}

TEST(Builder, RefusesWhatCannotBeReported) {
  Builder builder;
  EXPECT_EQ(Errc::kInvalid, builder.Add(Make("npm", "a", "")).error().code);
  EXPECT_EQ(Errc::kInvalid, builder.Add(Make("npm", "", "X")).error().code);
  Record r = Make("npm", "a", "X");
  r.ranges.clear();
  EXPECT_EQ(Errc::kInvalid, builder.Add(r).error().code);
  r.state = State::kOpen;
  EXPECT_TRUE(builder.Add(r).ok());
  r.url = std::string(limits::kAdvisoryTextBytes + 1, 'x');
  EXPECT_EQ(Errc::kInvalid, builder.Add(r).error().code);
  EXPECT_EQ(Errc::kInvalid, builder.AddKnownExploited({"", kNever}).error().code);
  for (const Epss& bad : {Epss{"GHSA-1", 0.5, 0.5}, Epss{"CVE-2024-1", 1.5, 0.5}, Epss{"CVE-2024-1", 0.5, -1}, Epss{"CVE-2024-1", std::nan(""), 0}}) {
    EXPECT_EQ(Errc::kInvalid, builder.AddEpss(bad).error().code);
  }
}

std::string SampleFile() {
  Builder builder;
  EXPECT_TRUE(builder.Add(Full()).ok());
  EXPECT_TRUE(builder.AddKnownExploited({"CVE-2024-1", Time(Millis(5))}).ok());
  EXPECT_TRUE(builder.AddEpss({"CVE-2024-1", 0.5, 0.75}).ok());
  builder.AddSource({"test", 2, 1, Time(Millis(99))});
  return *builder.Finish();
}

// Scores of today make no records of last year fresh.
TEST(Index, IsAsOldAsWhatSaysWhatIsAffected) {
  Builder builder;
  EXPECT_TRUE(builder.Add(Full()).ok());
  builder.AddSource({"records", 1, 0, Time(Millis(99))});
  builder.AddSource({"scores", 1, 0, Time(Millis(999))}, Builder::Says::kBesides);
  EXPECT_EQ((*IndexOfBytes(*builder.Finish()))->data_date(), Time(Millis(99)));
  Builder undated;
  EXPECT_TRUE(undated.Add(Full()).ok());
  undated.AddSource({"records", 1, 0, kNever});
  undated.AddSource({"nothing in it", 0, 0, Time(Millis(9999))});
  undated.AddSource({"scores", 1, 0, Time(Millis(999))}, Builder::Says::kBesides);
  EXPECT_EQ((*IndexOfBytes(*undated.Finish()))->data_date(), kNever);
}

// Sets both checksums right again, as an attacker would.
void Sign(std::string& bytes) {
  file::Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.payload_hash = file::Hash(AsBytes(bytes).subspan(sizeof header));
  header.header_hash = file::Hash({reinterpret_cast<const std::uint8_t*>(&header), offsetof(file::Header, header_hash)});
  std::memcpy(bytes.data(), &header, sizeof header);
}

TEST(Index, RefusesDamage) {
  const std::string good = SampleFile();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    EXPECT_FALSE(IndexOfBytes(bad).ok()) << i;
    EXPECT_FALSE(IndexOfBytes(good.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(IndexOfBytes(good + "x").ok());
  std::string newer = good;
  newer[8] = 99;
  EXPECT_EQ(Errc::kUnsupported, IndexOfBytes(newer).error().code);
}

// A file as programs of before wrote it: eight sections, and a header that is shorter by one extent.
std::string Downgraded(std::uint32_t version) {
  const std::string now = SampleFile();
  file::Header header;
  std::memcpy(&header, now.data(), sizeof header);
  const std::size_t size = file::HeaderSize(file::kSectionsBefore3), less = sizeof header - size;
  const std::string payload = now.substr(sizeof header, header.extents[file::kEpss].offset - sizeof header);
  header.version = version;
  header.sections = file::kSectionsBefore3;
  header.file_size = size + payload.size();
  header.payload_hash = file::Hash(AsBytes(payload));
  for (auto& extent : header.extents) extent.offset -= less;
  std::string old(reinterpret_cast<const char*>(&header), size);
  const std::uint64_t hash = file::Hash(AsBytes(old).first(size - sizeof hash));
  std::memcpy(old.data() + size - sizeof hash, &hash, sizeof hash);
  return old + payload;
}

// Files of format 1 could not say that they are complete, those of format 2 have no EPSS.
TEST(Index, ReadsFormatsOfBefore) {
  for (std::uint32_t version : {1, 2}) {
    const auto index = IndexOfBytes(Downgraded(version));
    ASSERT_TRUE(index.ok()) << index.error().message;
    const Coverage coverage = (*index)->Covers("PyPI");
    EXPECT_TRUE(coverage.any && !coverage.complete);
    EXPECT_EQ(coverage.records, 1u);
    EXPECT_EQ(All(**index, {"PyPI", "a"}), std::vector<Record>{Full()});
    EXPECT_TRUE((*index)->Exploited("CVE-2024-1"));
    EXPECT_FALSE((*index)->EpssOf("CVE-2024-1"));
  }
  EXPECT_FALSE(IndexOfBytes(Downgraded(3)).ok());
}

// Every byte of the payload changed, checksums right: refused, or readable without harm (run under ASan).
TEST(Index, SurvivesForgery) {
  const std::string good = SampleFile();
  for (std::size_t i = sizeof(file::Header); i < good.size(); ++i) {
    for (unsigned char value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(value);
      Sign(bad);
      const auto index = IndexOfBytes(bad);
      if (!index) continue;
      (*index)->EachKey([&](const versions::PackageKey& key, std::uint64_t) { All(**index, key); });
      All(**index, {"PyPI", "a"});
      (*index)->Covers("PyPI");
      (*index)->Exploited("CVE-2024-1");
      (*index)->EpssOf("CVE-2024-1");
      (*index)->sources();
    }
  }
}

TEST(OpenIndex, MapsAFileAndKeepsItOverASwap) {
  const std::string path = testing::TempDir() + "advisory_open";
  ASSERT_TRUE(WriteFileAtomically(path, SampleFile()).ok());
  const auto old = OpenIndex(path);
  ASSERT_TRUE(old.ok()) << old.error().message;
  Builder builder;
  ASSERT_TRUE(builder.Add(Make("npm", "b", "X-1")).ok());
  ASSERT_TRUE(WriteFileAtomically(path, *builder.Finish()).ok());
  EXPECT_EQ(1u, All(**old, {"PyPI", "a"}).size());
  EXPECT_EQ(1u, All(**OpenIndex(path), {"npm", "b"}).size());
  std::filesystem::remove(path);
  EXPECT_EQ(Errc::kNotFound, OpenIndex(path).error().code);
  EXPECT_EQ(Errc::kCorrupt, OpenIndex(testing::TempDir()).error().code);
}

TEST(ChangedKeys, ListsWhatSaysSomethingElse) {
  Builder a, b;
  for (Builder* builder : {&a, &b}) {
    ASSERT_TRUE(builder->Add(Make("npm", "same", "X-1")).ok());
    ASSERT_TRUE(builder->Add(Make("npm", "exploited", "CVE-2024-7")).ok());
    ASSERT_TRUE(builder->Add(Make("npm", "likely", "CVE-2024-8")).ok());
    ASSERT_TRUE(builder->AddEpss({"CVE-2024-8", builder == &a ? 0.1 : 0.2, 0.5}).ok());
    ASSERT_TRUE(builder->Add(Make("npm", "changed", "X-2", builder == &a ? "1.0.0" : "1.0.1")).ok());
  }
  ASSERT_TRUE(a.Add(Make("npm", "gone", "X-3")).ok());
  ASSERT_TRUE(b.Add(Make("Debian:12", "new", "X-4")).ok());
  ASSERT_TRUE(b.AddKnownExploited({"CVE-2024-7", Time(Millis(1))}).ok());
  const auto before = Built(a), after = Built(b);
  const std::vector<versions::PackageKey> want{{"Debian:12", "new"}, {"npm", "changed"}, {"npm", "exploited"}, {"npm", "gone"}, {"npm", "likely"}};
  EXPECT_EQ(want, *ChangedKeys(*before, *after));
  EXPECT_TRUE(ChangedKeys(*after, *after)->empty());
}

TEST(Starter, HoldsTheFactsAndIsQuick) {
  const auto start = std::chrono::steady_clock::now();
  const auto index = StarterIndex();
  const auto took = std::chrono::steady_clock::now() - start;
  std::printf("starter set built in %lld us\n",
              static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  EXPECT_EQ(index, StarterIndex());
  std::uint64_t debian = 0, language = 0;
  for (const auto& source : index->sources()) {
    if (source.name == "starter-debian") debian = source.records;
    if (source.name == "starter-language") language = source.records;
  }
  EXPECT_EQ(975u, debian);
  EXPECT_GE(language, 100u);
  EXPECT_EQ(debian + language, index->records());
  EXPECT_EQ("2026-11-24", FormatDate(index->data_date()));
  std::uint64_t covered = 0;
  for (const char* ecosystem : {"Debian:12", "Debian:13", "npm", "PyPI", "Go", "Maven"}) {
    const Coverage coverage = index->Covers(ecosystem);
    EXPECT_TRUE(coverage.any && !coverage.complete) << ecosystem;
    covered += coverage.records;
  }
  EXPECT_EQ(index->records(), covered);
  EXPECT_TRUE(index->Exploited("CVE-2021-44228"));
  const auto log4j = All(*index, {"Maven", "org.apache.logging.log4j:log4j-core"});
  ASSERT_EQ(4u, log4j.size());
  EXPECT_EQ("CVE-2021-44228", log4j[0].id);
  EXPECT_EQ(10.0, log4j[0].score);
}

TEST(Starter, NamesTheLineThatIsWrong) {
  Builder builder;
  const StarterTexts bad{"date 2024-01-01\nrelease Debian:12\nsource a\n1.0 yesterday CVE-1-1\n", "", "", ""};
  const Status read = ReadStarterTexts(bad, builder);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(std::string::npos, read.error().message.find("debian.txt line 4"));
  EXPECT_FALSE(ReadStarterTexts({"", "npm a CVE-1-1 1.0 CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "", ""}, builder).ok());
  EXPECT_FALSE(ReadStarterTexts({"", "npm a CVE-1-1 ..1.0 7.5", "", ""}, builder).ok());
}

}  // namespace
}  // namespace bulwark::advisory
