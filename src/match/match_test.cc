// Matching: three answers, aliases, fixes, ownership, gaps. Records are made here; the expectations follow DESIGN 2.5 to
// 2.12, and for Debian the order that dpkg itself gives (Facts.AgreeWithDpkg).

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "advisory/builder.h"
#include "match/finding.h"
#include "match/verdict.h"

namespace bulwark::match {
namespace {

using advisory::Range;
using advisory::Record;
using advisory::State;
using catalog::InventoryPackage;
using catalog::Ownership;
using versions::Ecosystem;

Record Make(std::string ecosystem, std::string name, std::string id, std::vector<Range> ranges, std::string source = "osv") {
  Record r;
  r.package = {std::move(ecosystem), std::move(name)};
  r.id = std::move(id);
  r.ranges = std::move(ranges);
  r.source = std::move(source);
  return r;
}

std::shared_ptr<const advisory::Index> IndexOf(const std::vector<Record>& records, const std::vector<std::string>& exploited = {}) {
  advisory::Builder builder;
  for (const Record& r : records) {
    EXPECT_TRUE(builder.Add(r).ok());
    builder.Complete(r.package.ecosystem);
  }
  for (const auto& cve : exploited) EXPECT_TRUE(builder.AddKnownExploited({cve, Time(Millis(1))}).ok());
  return *advisory::IndexOfBytes(*builder.Finish());
}

InventoryPackage Deb(std::string name, std::string source, std::string version) {
  InventoryPackage p;
  p.package.ecosystem = Ecosystem::kDeb;
  p.package.name = std::move(name);
  p.package.source_name = std::move(source);
  p.package.version = version;
  p.package.source_version = std::move(version);
  p.package.path = "var/lib/dpkg/status";
  p.cataloger = "dpkg";
  return p;
}

InventoryPackage Lang(Ecosystem ecosystem, std::string name, std::string version, std::string path = "app/x") {
  InventoryPackage p;
  p.package.ecosystem = ecosystem;
  p.package.name = std::move(name);
  p.package.version = std::move(version);
  p.package.path = std::move(path);
  p.cataloger = "test";
  return p;
}

Findings FindIn(std::vector<InventoryPackage> packages, const advisory::Index& index, std::string distribution = "Debian:12") {
  catalog::Inventory inventory;
  inventory.distribution = std::move(distribution);
  inventory.packages = std::move(packages);
  return Find(inventory, index);
}

TEST(Judge, HasThreeAnswers) {
  struct Case {
    Ecosystem ecosystem;
    const char* version;
    Record record;
    Answer answer;
    const char* comparison;
  };
  auto with = [](State state, std::vector<Range> ranges, std::vector<std::string> versions = {}) {
    Record r = Make("x", "x", "x", std::move(ranges));
    r.state = state;
    r.versions = std::move(versions);
    return r;
  };
  const Case cases[] = {
      {Ecosystem::kDeb, "1.0-1", with(State::kFixed, {{"", "1.0-2", ""}}), Answer::kAffected, "1.0-1 < 1.0-2 (deb)"},
      {Ecosystem::kDeb, "1:1.0-1", with(State::kFixed, {{"", "1.0-2", ""}}), Answer::kNotAffected, "has 1:1.0-1, fixed in 1.0-2"},
      {Ecosystem::kDeb, "1.0_", with(State::kFixed, {{"", "1.0-2", ""}}), Answer::kUnknown, "no order: "},
      {Ecosystem::kDeb, "", with(State::kFixed, {{"", "1.0-2", ""}}), Answer::kUnknown, "the package's version is not known"},
      {Ecosystem::kDeb, "1.0", with(State::kOpen, {}), Answer::kAffected, "every version is affected (open)"},
      {Ecosystem::kDeb, "1.0", with(State::kIgnored, {}), Answer::kAffected, "every version is affected (ignored)"},
      {Ecosystem::kDeb, "1.0", with(State::kNotAffected, {}), Answer::kNotAffected, "the source says so"},
      {Ecosystem::kDeb, "1.0", with(State::kUndetermined, {}), Answer::kUnknown, "the source has not decided"},
      {Ecosystem::kMaven, "2.14.1", with(State::kFixed, {{"2.0-beta9", "2.3.1", ""}, {"2.4", "2.15.0", ""}}), Answer::kAffected,
       "2.4 <= 2.14.1 < 2.15.0 (Maven)"},
      {Ecosystem::kMaven, "2.3.2", with(State::kFixed, {{"2.0-beta9", "2.3.1", ""}, {"2.4", "2.15.0", ""}}), Answer::kNotAffected, "has 2.3.2"},
      {Ecosystem::kPyPI, "1.2", with(State::kFixed, {{"", "", "1.2"}}), Answer::kAffected, "1.2 <= 1.2 (PyPI)"},
      {Ecosystem::kPyPI, "1.2.post1", with(State::kFixed, {{"", "", "1.2"}}), Answer::kNotAffected, "has 1.2.post1, outside <= 1.2"},
      {Ecosystem::kPyPI, "1.0.0", with(State::kFixed, {}, {"0.9", "1.0"}), Answer::kAffected, "1.0 is listed as affected"},
      {Ecosystem::kPyPI, "trunk", with(State::kFixed, {}, {"trunk"}), Answer::kAffected, "trunk is listed as affected"},
      {Ecosystem::kPyPI, "trunk", with(State::kFixed, {{"1.0", "", ""}}), Answer::kUnknown, "no order: "},
      {Ecosystem::kPyPI, "trunk", with(State::kFixed, {{"", "", ""}}), Answer::kAffected, "every version is affected"},
      {Ecosystem::kNpm, "1.5.0", with(State::kFixed, {{"bad", "1.0.0", ""}}), Answer::kNotAffected, ""},  // above the fix in any case
      {Ecosystem::kNpm, "1.5.0", with(State::kFixed, {{"bad", "2.0.0", ""}}), Answer::kUnknown, "no order: "},
      {Ecosystem::kNpm, "1.5.0", with(State::kFixed, {{"bad", "2.0.0", ""}, {"1.0.0", "1.6.0", ""}}), Answer::kAffected, "1.0.0 <= 1.5.0 < 1.6.0"},
      {Ecosystem::kRubyGems, "1.0", with(State::kFixed, {{"", "2.0", ""}}), Answer::kUnknown, "no order: no version order known"},
  };
  for (const Case& c : cases) {
    const Verdict verdict = Judge(c.ecosystem, c.version, c.record);
    EXPECT_EQ(c.answer, verdict.answer) << c.version << ": " << verdict.comparison;
    EXPECT_TRUE(verdict.comparison.starts_with(c.comparison)) << verdict.comparison;
  }
}

TEST(RangeText, ReadsLikeARange) {
  Record r = Make("x", "x", "x", {{"", "1.2.3", ""}, {"2.0", "", "2.5"}, {"3.0", "", ""}});
  r.versions = {"a", "b", "c", "d", "e", "f", "g"};
  EXPECT_EQ("< 1.2.3 or >= 2.0, <= 2.5 or >= 3.0 or = a or = b or = c or = d or = e or 2 more", RangeText(r));
  EXPECT_EQ("all versions", RangeText(Make("x", "x", "x", {{"0", "", ""}})));
}

TEST(Find, BinaryPackagesInheritFromTheirSource) {
  const auto index = IndexOf({Make("Debian:12", "openssl", "CVE-2024-1", {{"", "3.0.13-1", ""}}, "debian"),
                              Make("Debian:13", "openssl", "CVE-2024-2", {{"", "9", ""}}, "debian")});
  const auto found = FindIn({Deb("libssl3", "openssl", "3.0.11-1"), Deb("openssl", "", "3.0.11-1"), Deb("openssl", "", "3.0.13-1")}, *index);
  ASSERT_EQ(2u, found.findings.size());
  const Finding& f = found.findings[0];
  EXPECT_EQ("libssl3", f.package);
  EXPECT_EQ("openssl", f.source_package);
  EXPECT_EQ("Debian:12", f.key_ecosystem);
  EXPECT_EQ("CVE-2024-1", f.id);
  EXPECT_EQ("3.0.13-1", f.fixed_version);
  EXPECT_EQ("< 3.0.13-1", f.range);
  EXPECT_EQ("3.0.11-1 < 3.0.13-1 (deb)", f.comparison);
  EXPECT_EQ(16u, f.key.size());
  EXPECT_NE(f.key, found.findings[1].key);
  EXPECT_TRUE(found.gaps.empty());
}

TEST(Find, SourceVersionCountsNotTheBinaryOne) {
  const auto index = IndexOf({Make("Debian:12", "s", "CVE-2024-1", {{"", "1:2.0-1", ""}}, "debian")});
  auto p = Deb("b", "s", "9.0");
  p.package.source_version = "1:1.0-1";
  const auto found = FindIn({p}, *index);
  ASSERT_EQ(1u, found.findings.size());
  EXPECT_EQ("9.0", found.findings[0].version);
  EXPECT_EQ("1:1.0-1 < 1:2.0-1 (deb)", found.findings[0].comparison);
}

TEST(Find, JoinsAliasesIntoOneFinding) {
  Record ghsa = Make("npm", "a", "GHSA-1", {{"", "1.5.0", ""}}), cve = Make("npm", "a", "CVE-2024-1", {{"", "1.4.0", ""}}, "starter-language");
  Record mal = Make("npm", "a", "X-1", {{"", "2.0.0", ""}});
  ghsa.aliases = {"CVE-2024-1", "CVE-2024-0"};
  ghsa.severity = advisory::Severity::kMedium, ghsa.score = 5.0;
  cve.severity = advisory::Severity::kHigh, cve.score = 7.5, cve.vector = "V";
  mal.aliases = {"X-2"};
  const auto found = FindIn({Lang(Ecosystem::kNpm, "a", "1.0.0")}, *IndexOf({ghsa, cve, mal}, {"CVE-2024-0"}));
  ASSERT_EQ(2u, found.findings.size());
  const Finding& f = found.findings[0];
  EXPECT_EQ("CVE-2024-0", f.id);  // of the most authoritative record
  EXPECT_EQ((std::vector<std::string>{"CVE-2024-1", "GHSA-1"}), f.aliases);
  EXPECT_EQ("osv", f.source);
  EXPECT_EQ("GHSA-1", f.record);
  EXPECT_EQ("1.5.0", f.fixed_version);  // 1.4.0 does not clear it
  EXPECT_EQ(7.5, f.score);
  EXPECT_EQ("V", f.vector);
  EXPECT_TRUE(f.known_exploited);
  EXPECT_EQ("X-1", found.findings[1].id);
  EXPECT_FALSE(found.findings[1].known_exploited);
}

TEST(Find, AnErratumDoesNotJoinVulnerabilities) {
  Record a = Make("Debian:12", "s", "CVE-2024-1", {{"", "2", ""}}), b = Make("Debian:12", "s", "CVE-2024-2", {{"", "2", ""}});
  a.aliases = b.aliases = {"DSA-1-1"};
  EXPECT_EQ(2u, FindIn({Deb("s", "", "1")}, *IndexOf({a, b})).findings.size());
}

TEST(Find, ChoosesTheSmallestVersionThatClears) {
  const auto index = IndexOf({Make("npm", "a", "CVE-2024-1", {{"", "1.2.6", ""}, {"2.0.0", "2.3.0", ""}, {"3.0.0", "3.1.0", ""}})});
  EXPECT_EQ("1.2.6", FindIn({Lang(Ecosystem::kNpm, "a", "1.0.0")}, *index).findings[0].fixed_version);
  EXPECT_EQ("2.3.0", FindIn({Lang(Ecosystem::kNpm, "a", "2.0.0")}, *index).findings[0].fixed_version);
  EXPECT_TRUE(FindIn({Lang(Ecosystem::kNpm, "a", "1.9.0")}, *index).findings.empty());
  // A fix that lies in another affected range is none.
  const auto gap = IndexOf({Make("npm", "a", "CVE-2024-1", {{"", "1.2.0", ""}, {"1.1.0", "1.5.0", ""}, {"2.0.0", "", ""}})});
  EXPECT_EQ("1.5.0", FindIn({Lang(Ecosystem::kNpm, "a", "1.0.0")}, *gap).findings[0].fixed_version);
  const auto open = FindIn({Lang(Ecosystem::kNpm, "a", "2.5.0")}, *gap).findings;
  ASSERT_EQ(1u, open.size());
  EXPECT_EQ("", open[0].fixed_version);
  EXPECT_EQ(State::kOpen, open[0].state);
}

TEST(Find, FixDateIsThatOfTheFix) {
  Record a = Make("npm", "a", "CVE-2024-1", {{"", "1.2.0", ""}}), b = Make("npm", "a", "GHSA-1", {{"", "1.2.0", ""}}, "other");
  a.fixed_at = Time(Millis(2000)), b.fixed_at = Time(Millis(1000)), b.aliases = {"CVE-2024-1"};
  EXPECT_EQ(Time(Millis(1000)), FindIn({Lang(Ecosystem::kNpm, "a", "1.0.0")}, *IndexOf({a, b})).findings[0].fixed_at);
}

TEST(Find, TheDistributionsOwnWordCounts) {
  Record vendor = Make("Debian:12", "s", "CVE-2024-1", {{"", "1.0-1+deb12u1", ""}}, "debian");
  Record other = Make("Debian:12", "s", "DEBIAN-CVE-2024-1", {{"", "2.0-1", ""}}, "osv");
  other.aliases = {"CVE-2024-1"};
  const auto index = IndexOf({vendor, other});
  EXPECT_TRUE(FindIn({Deb("s", "", "1.0-1+deb12u1")}, *index).findings.empty());
  EXPECT_EQ("1.0-1+deb12u1", FindIn({Deb("s", "", "1.0-1")}, *index).findings[0].fixed_version);
  // Of languages any source's word counts.
  Record go = Make("npm", "a", "CVE-2024-1", {{"", "1.0.0", ""}}), star = Make("npm", "a", "CVE-2024-1", {{"", "2.0.0", ""}}, "starter-language");
  const auto found = FindIn({Lang(Ecosystem::kNpm, "a", "1.5.0")}, *IndexOf({go, star}));
  ASSERT_EQ(1u, found.findings.size());
  EXPECT_EQ("starter-language", found.findings[0].source);
}

TEST(Find, WhatCannotBeComparedIsUnknown) {
  const auto found = FindIn({Lang(Ecosystem::kNpm, "a", "latest")}, *IndexOf({Make("npm", "a", "CVE-2024-1", {{"", "1.0.0", ""}})}));
  ASSERT_EQ(1u, found.findings.size());
  EXPECT_EQ(Answer::kUnknown, found.findings[0].answer);
  EXPECT_TRUE(found.findings[0].comparison.starts_with("no order: not a SemVer version")) << found.findings[0].comparison;
}

TEST(Find, NormalizesNames) {
  const auto index = IndexOf({Make("PyPI", "zope-interface", "CVE-2024-1", {{"", "5.0", ""}})});
  EXPECT_EQ(1u, FindIn({Lang(Ecosystem::kPyPI, "Zope.Interface", "4.0")}, *index).findings.size());
}

TEST(Find, NoDataIsAGap) {
  const auto index = IndexOf({Make("Debian:12", "s", "CVE-2024-1", {{"", "2", ""}})});
  auto found = FindIn({Deb("s", "", "1"), Deb("t", "", "1"), Lang(Ecosystem::kRubyGems, "a", "1")}, *index, "Debian:99");
  ASSERT_EQ(2u, found.gaps.size());
  EXPECT_EQ(image::GapKind::kPartial, found.gaps[0].kind);
  EXPECT_EQ("no advisory data for RubyGems", found.gaps[0].reason);
  EXPECT_EQ(image::GapKind::kBlind, found.gaps[1].kind);
  EXPECT_EQ("no advisory data for Debian:99", found.gaps[1].reason);
  found = FindIn({Deb("s", "", "1")}, *index, "");
  ASSERT_EQ(1u, found.gaps.size());
  EXPECT_EQ(image::GapKind::kBlind, found.gaps[0].kind);
}

TEST(Find, AChoiceOfRecordsIsAGap) {
  advisory::Builder builder;
  ASSERT_TRUE(builder.Add(Make("npm", "a", "CVE-2024-1", {{"", "2.0.0", ""}})).ok());
  ASSERT_TRUE(builder.Add(Make("npm", "a", "CVE-2024-2", {{"", "2.0.0", ""}})).ok());
  ASSERT_TRUE(builder.Add(Make("Debian:12", "s", "CVE-2024-3", {{"", "2", ""}})).ok());
  builder.Complete("PyPI");
  const auto index = *advisory::IndexOfBytes(*builder.Finish());
  auto found = FindIn({Lang(Ecosystem::kNpm, "a", "1.0.0"), Lang(Ecosystem::kNpm, "b", "1.0.0"), Lang(Ecosystem::kPyPI, "c", "1"), Deb("s", "s", "1")}, *index);
  EXPECT_EQ(3u, found.findings.size());
  ASSERT_EQ(2u, found.gaps.size());
  for (const image::Gap& gap : found.gaps) EXPECT_EQ(image::GapKind::kPartial, gap.kind);
  EXPECT_TRUE(found.gaps[0].reason.starts_with("the advisory data for Debian:12 is only a choice of records")) << found.gaps[0].reason;
  EXPECT_TRUE(found.gaps[1].reason.starts_with("the advisory data for npm is only a choice of records")) << found.gaps[1].reason;
  std::string coverage;
  for (const auto& c : found.coverage) coverage += fmt::format("{} {} {}\n", c.ecosystem, c.coverage.complete, c.coverage.records);
  EXPECT_EQ(coverage, "Debian:12 false 1\nPyPI true 0\nnpm false 2\n");
}

InventoryPackage Apk(std::string name, std::string origin, std::string version) {
  InventoryPackage p = Deb(std::move(name), std::move(origin), std::move(version));
  p.package.ecosystem = Ecosystem::kApk;
  return p;
}

// By origin and release, in apk's order; with the states of any distribution.
TEST(Find, Alpine) {
  Record never = Make("Alpine:v3.19", "openssl", "CVE-2024-2", {}, "secdb");
  never.state = State::kNotAffected;
  const auto index = IndexOf({Make("Alpine:v3.19", "openssl", "CVE-2024-1", {{"", "3.1.4-r10", ""}}, "secdb"), never,
                              Make("Alpine:v3.18", "openssl", "CVE-2024-3", {{"", "9", ""}}, "secdb"),
                              Make("Alpine:v3.19", "mariadb", "CVE-2024-4", {{"", "10.2.24.r0", ""}}, "secdb"),
                              Make("Alpine:v3.19", "libssl3", "CVE-2024-5", {{"", "9", ""}}, "secdb")});
  auto in = [&](InventoryPackage p) { return FindIn({std::move(p)}, *index, "Alpine:v3.19").findings; };
  const auto found = in(Apk("libssl3", "openssl", "3.1.4-r9"));
  ASSERT_EQ(1u, found.size());
  EXPECT_EQ("CVE-2024-1 3.1.4-r10 openssl Alpine:v3.19", fmt::format("{} {} {} {}", found[0].id, found[0].fixed_version, found[0].source_package, found[0].key_ecosystem));
  EXPECT_EQ("3.1.4-r9 < 3.1.4-r10 (apk)", found[0].comparison);
  EXPECT_EQ(advisory::Severity::kUnknown, found[0].severity);
  EXPECT_TRUE(in(Apk("libssl3", "openssl", "3.1.4-r10")).empty());
  EXPECT_EQ(1u, in(Apk("libssl3", "", "3")).size());  // its own name where no origin is recorded
  // A malformed version in the data decides as far as it goes; where it would have to, nothing is known.
  EXPECT_TRUE(in(Apk("mariadb", "mariadb", "10.11.2-r0")).empty());
  EXPECT_EQ(Answer::kAffected, in(Apk("mariadb", "mariadb", "10.2.23-r1"))[0].answer);
  EXPECT_EQ(Answer::kUnknown, in(Apk("mariadb", "mariadb", "10.2.24-r1"))[0].answer);
}

// A database of one family in an image of another: nobody's data is about these packages.
TEST(Find, PackagesOfAnotherFamilyAreABlindGap) {
  const auto index = IndexOf({Make("Alpine:v3.19", "s", "CVE-2024-1", {{"", "9", ""}}), Make("Debian:12", "s", "CVE-2024-2", {{"", "9", ""}})});
  for (const auto& [package, distribution] : {std::pair{Deb("s", "", "1"), "Alpine:v3.19"}, std::pair{Apk("s", "", "1"), "Debian:12"}}) {
    const auto found = FindIn({package}, *index, distribution);
    EXPECT_TRUE(found.findings.empty());
    ASSERT_EQ(1u, found.gaps.size());
    EXPECT_EQ(image::GapKind::kBlind, found.gaps[0].kind);
  }
  EXPECT_EQ("no advisory data for Wolfi", FindIn({Apk("s", "", "1")}, *index, "Wolfi").gaps[0].reason);
}

TEST(Find, EpssIsJoinedByIdAndAlias) {
  Record ghsa = Make("npm", "a", "GHSA-1", {{"", "2.0.0", ""}}), other = Make("npm", "a", "CVE-2024-3", {{"", "2.0.0", ""}});
  ghsa.aliases = {"CVE-2024-1", "CVE-2024-2"};
  advisory::Builder builder;
  for (const Record& r : {ghsa, other}) ASSERT_TRUE(builder.Add(r).ok());
  ASSERT_TRUE(builder.AddEpss({"CVE-2024-1", 0.1, 0.5}).ok());
  ASSERT_TRUE(builder.AddEpss({"CVE-2024-2", 0.3, 0.9}).ok());
  const auto found = FindIn({Lang(Ecosystem::kNpm, "a", "1.0.0")}, **advisory::IndexOfBytes(*builder.Finish())).findings;
  ASSERT_EQ(2u, found.size());
  EXPECT_EQ("CVE-2024-1 0.3 0.9", fmt::format("{} {} {}", found[0].id, found[0].epss, found[0].epss_percentile));  // the worst
  EXPECT_EQ("CVE-2024-3 -1 -1", fmt::format("{} {} {}", found[1].id, found[1].epss, found[1].epss_percentile));
}

TEST(Find, OwnershipSuppressesOnlyWhatTheDistributionAnswers) {
  Record py = Make("PyPI", "jinja2", "GHSA-1", {{"", "3.1.3", ""}}), py2 = Make("PyPI", "jinja2", "GHSA-2", {{"", "3.1.4", ""}});
  py.aliases = {"CVE-2024-1"};
  py2.aliases = {"CVE-2024-2"};
  const auto index = IndexOf({py, py2, Make("Debian:12", "jinja2", "CVE-2024-1", {{"", "3.1.2-1+deb12u1", ""}}, "debian")});
  auto p = Lang(Ecosystem::kPyPI, "Jinja2", "3.1.2");
  p.owner = "python3-jinja2";
  p.owner_source = "jinja2";
  p.ownership = Ownership::kVerified;
  auto found = FindIn({p}, *index);
  ASSERT_EQ(1u, found.findings.size());
  EXPECT_EQ("CVE-2024-2", found.findings[0].id);
  EXPECT_EQ("python3-jinja2", found.findings[0].owned_by);
  ASSERT_EQ(1u, found.suppressed.size());
  EXPECT_EQ("CVE-2024-1", found.suppressed[0].id);
  EXPECT_EQ(Answer::kNotAffected, found.suppressed[0].answer);
  EXPECT_EQ("the file belongs to package python3-jinja2; Debian:12 answers CVE-2024-1 for its source package jinja2", found.suppressed[0].comparison);
  for (Ownership weak : {Ownership::kClaimed, Ownership::kMismatch}) {
    p.ownership = weak;
    found = FindIn({p}, *index);
    EXPECT_EQ(2u, found.findings.size());
    EXPECT_EQ("python3-jinja2", found.findings[0].owned_by);
    EXPECT_TRUE(found.suppressed.empty());
  }
  p.ownership = Ownership::kVerified;
  EXPECT_EQ(2u, FindIn({p}, *index, "Debian:13").findings.size());
}

TEST(Find, HiddenAndLockedPackagesCountToo) {
  auto hidden = Lang(Ecosystem::kNpm, "a", "1.0.0"), locked = Lang(Ecosystem::kNpm, "a", "1.0.0", "package-lock.json");
  hidden.hidden = true;
  locked.package.locked_only = true;
  locked.package.development = true;
  const auto found = FindIn({hidden, locked}, *IndexOf({Make("npm", "a", "CVE-2024-1", {{"", "2.0.0", ""}})}));
  ASSERT_EQ(2u, found.findings.size());
  EXPECT_EQ(Confidence::kHigh, found.findings[0].confidence);
  EXPECT_EQ(Confidence::kMedium, found.findings[1].confidence);
  EXPECT_TRUE(found.findings[1].development);
}

TEST(Find, KeepsTheClassAndSortsBySeverity) {
  Record mal = Make("npm", "a", "MAL-1", {{"", "", ""}}), low = Make("npm", "a", "CVE-2024-1", {{"", "2.0.0", ""}});
  mal.kind = advisory::Class::kMalicious;
  mal.severity = advisory::Severity::kCritical;
  low.severity = advisory::Severity::kLow;
  const auto found = FindIn({Lang(Ecosystem::kNpm, "a", "1.0.0")}, *IndexOf({low, mal}));
  ASSERT_EQ(2u, found.findings.size());
  EXPECT_EQ(advisory::Class::kMalicious, found.findings[0].kind);
}

TEST(Find, TwoArchitecturesAreOneFinding) {
  auto a = Deb("libc6", "glibc", "1"), b = a;
  a.package.arch = "amd64";
  b.package.arch = "i386";
  EXPECT_EQ(1u, FindIn({a, b}, *IndexOf({Make("Debian:12", "glibc", "CVE-2024-1", {{"", "2", ""}})})).findings.size());
}

// Every fact of the starter set against the version before, at and after its fix; dpkg is the oracle for both sides.
TEST(Facts, AgreeWithDpkg) {
  if (std::system("dpkg --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "dpkg is not there";
  const auto index = advisory::StarterIndex();
  std::size_t checked = 0;
  index->EachKey([&](const versions::PackageKey& key, std::uint64_t) {
    if (key.ecosystem != "Debian:12" || checked >= 40) return;
    std::vector<std::string> fixes;
    index->Find(key, [&](const Record& r) {
      fixes.push_back(r.ranges[0].fixed);
      return true;
    });
    for (const std::string& version : {fixes[0], fixes[0] + "~", fixes[0] + "+b1"}) {
      std::size_t want = 0;
      for (const std::string& fix : fixes) {
        want += std::system(fmt::format("dpkg --compare-versions '{}' lt '{}'", version, fix).c_str()) == 0;
      }
      EXPECT_EQ(want, FindIn({Deb(key.name, "", version)}, *index).findings.size()) << key.name << " " << version;
      if (fixes.size() > 20) break;
    }
    ++checked;
  });
  EXPECT_GT(checked, 20u);
}

TEST(Find, IsQuickEnoughForARematch) {
  std::vector<Record> records;
  for (int i = 0; i < 3000; ++i) {
    records.push_back(Make("Debian:12", fmt::format("p{}", i % 600), fmt::format("CVE-2024-{}", i), {{"", fmt::format("2.{}-1", i % 7), ""}}, "debian"));
  }
  std::vector<InventoryPackage> packages;
  for (int i = 0; i < 500; ++i) packages.push_back(Deb(fmt::format("b{}", i), fmt::format("p{}", i), i % 5 == 0 ? "1.0-1" : "3.0-1"));
  const auto index = IndexOf(records);
  const auto start = std::chrono::steady_clock::now();
  const auto found = FindIn(packages, *index);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  std::printf("500 packages, 2500 records, %zu findings: %lld us\n", found.findings.size(), static_cast<long long>(took.count()));
  EXPECT_EQ(500u, found.findings.size());
}

}  // namespace
}  // namespace bulwark::match
