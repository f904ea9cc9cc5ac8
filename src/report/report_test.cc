#include "report/report.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include <boost/json/value.hpp>

#include "base/byte_source.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "formats/json.h"
#include "report/render.h"
#include "report/text.h"

namespace bulwark::report {
namespace {

const Time kAsOf = Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 31));

match::Finding Finding(std::string id, std::string package, advisory::Severity severity, std::string fixed) {
  match::Finding f;
  f.key = crypto::Sha256(AsBytes(id + package)).hex().substr(0, 16);
  f.id = std::move(id);
  f.package = std::move(package);
  f.version = "1.0-1";
  f.source_package = f.package == "libssl3" ? "openssl" : f.package;
  f.severity = severity;
  f.fixed_version = std::move(fixed);
  f.state = f.fixed_version.empty() ? advisory::State::kOpen : advisory::State::kFixed;
  f.source = "debian";
  f.record = f.id;
  f.path = "var/lib/dpkg/status";
  return f;
}

Report Example() {
  using advisory::Severity;
  Report r;
  r.reference = "registry.example.com/prod/app:v1";
  r.digest = crypto::Sha256(AsBytes("image"));
  r.platform = "linux/amd64";
  r.revisions = {1, 1, "sha256:data", kAsOf, {{"default", policy::DefaultPolicy().revision}}, "", kAsOf};
  r.inventory.os = image::OsRelease{"debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", {}};
  r.inventory.distribution = "Debian:12";
  catalog::InventoryPackage p;
  p.package.name = "libssl3";
  p.package.version = "1.0-1";
  p.package.path = "var/lib/dpkg/status";
  r.inventory.packages = {p};
  auto& f = r.findings.findings;
  f.push_back(Finding("CVE-2024-1", "libssl3", Severity::kCritical, "1.0-9"));
  f.push_back(Finding("CVE-2024-2", "libssl3", Severity::kHigh, "1.0-10"));
  f.push_back(Finding("CVE-2024-3", "curl", Severity::kLow, "2.0-1"));
  f.push_back(Finding("CVE-2024-4", "zlib", Severity::kMedium, ""));
  f.push_back(Finding("CVE-2024-5", "bash", Severity::kUnknown, ""));
  f.back().answer = match::Answer::kUnknown;
  f.back().comparison = "no order: bad epoch";
  f.push_back(Finding("CVE-2024-6", "perl", Severity::kHigh, "5.1"));
  f.back().known_exploited = true;
  f.back().epss = 0.97123;
  f.back().epss_percentile = 0.9991;
  f.push_back(Finding("CVE-2024-7", "lodash", Severity::kHigh, "4.17.21"));
  f.back().source_package.clear();
  f.back().ecosystem = versions::Ecosystem::kNpm;
  f.back().version = "4.17.20";
  f.back().path = "app/node_modules/lodash/package.json";
  r.findings.suppressed.push_back(Finding("CVE-2024-8", "requests", Severity::kHigh, "3"));
  r.findings.gaps.push_back({image::GapKind::kPartial, "app/package-lock.json", "npm", "not JSON at byte 7"});
  r.findings.coverage = {{"Debian:12", {true, true, 0}}, {"RubyGems", {}}, {"npm", {true, false, 52}}};
  policy::Exception e;
  e.id = 7;
  e.vulnerability = "CVE-2024-6";
  e.package = "perl";
  e.repository = "**";
  e.reference = "*";
  e.reason = "vulnerable_code_not_in_execute_path";
  e.author = "ann";
  e.approver = "bob";
  e.expires = kAsOf + std::chrono::hours(24 * 30);
  r.exceptions = {e};
  policy::Facts facts;
  facts.repository = "prod/app";
  facts.scanned = true;
  facts.findings = f;
  facts.gaps = r.findings.gaps;
  facts.exceptions = r.exceptions;
  policy::Policy policies[] = {policy::DefaultPolicy()};
  for (auto at : {policy::PointOfUse::kPush, policy::PointOfUse::kPull, policy::PointOfUse::kAdmission}) {
    r.verdicts.push_back({at, Decide(facts, policies, at, kAsOf)});
  }
  return r;
}

std::string TestFile(const std::string& name) { return std::string(BW_SOURCE_DIR) + "/src/report/testdata/" + name; }

// Reviewed by eye when it was made; a change of it is a change of what people see.
TEST(RenderTable, IsTheReviewedText) {
  std::string got = RenderTable(Example(), {});
  auto want = ReadFile(TestFile("table.txt"), 1 << 20);
  if (std::getenv("BW_UPDATE_TESTDATA") != nullptr) {
    ASSERT_TRUE(WriteFileAtomically(TestFile("table.txt"), got).ok());
    return;
  }
  ASSERT_TRUE(want.ok()) << want.error().message;
  EXPECT_EQ(got, *want);
}

TEST(RenderTable, KeepsTheWidthAndTheColours) {
  Report r = Example();
  r.findings.gaps.push_back({image::GapKind::kBlind, std::string(500, 'p'), "x", std::string(300, 'w') + " " + std::string(300, 'y')});
  for (int width : {20, 60, 100, 200}) {
    std::string text = RenderTable(r, {.width = width});
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    for (std::string_view line : Split(text, '\n')) EXPECT_LE(Columns(line), std::size_t(std::max(width, 60))) << line;
  }
  EXPECT_NE(RenderTable(r, {.colour = Colour::kYes}).find("\x1b[1;31m"), std::string::npos);
}

// specs/attacks.md, terminal-escapes.
TEST(RenderTable, ForeignTextCannotWriteToTheTerminal) {
  Report r = Example();
  const std::string kEvil = "x\x1b[2K\x1b]52;c;AAAA\x07\xc2\x9b\r\n\u202e\xff" + std::string(1 << 16, 'A');
  r.reference = r.platform = r.inventory.os->pretty_name = kEvil;
  for (auto& f : r.findings.findings) f.id = f.package = f.version = f.fixed_version = f.comparison = f.path = kEvil;
  r.findings.gaps.push_back({image::GapKind::kBlind, kEvil, kEvil, kEvil});
  r.verdicts[0].decision.reasons.push_back({policy::Effect::kDeny, "p", "r", kEvil, 1, {}});
  std::string text = RenderTable(r, {});
  for (char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << int(c);
  EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
  EXPECT_EQ(text.find("\u202e"), std::string::npos);
  EXPECT_TRUE(IsUtf8(text));
  EXPECT_LT(text.size(), 64u * 1024);
  EXPECT_TRUE(formats::ParseJson(RenderJson(r)).ok());
}

TEST(RenderTable, OfNothing) {
  Report r;
  r.reference = "empty";
  std::string text = RenderTable(r, {});
  EXPECT_EQ(text, "empty\n0 packages: no known vulnerabilities; advisory data of unknown date\n");
}

TEST(Render, EqualReportsGiveEqualBytes) {
  EXPECT_EQ(RenderTable(Example(), {}), RenderTable(Example(), {}));
  EXPECT_EQ(RenderJson(Example()), RenderJson(Example()));
  EXPECT_EQ(RenderCycloneDx(Example()), RenderCycloneDx(Example()));
}

TEST(RenderJson, ReadsBack) {
  auto parsed = formats::ParseJson(RenderJson(Example()));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const auto& root = parsed->get_object();
  EXPECT_EQ((*formats::JsonArray(root, "findings"))->size(), 7u);
  EXPECT_EQ((*formats::JsonArray(root, "suppressed"))->size(), 1u);
  EXPECT_EQ((*formats::JsonArray(root, "decisions"))->size(), 3u);
}

TEST(RenderJson, TellsWhatTheDataCovers) {
  auto json = formats::ParseJson(RenderJson(Example()));
  ASSERT_TRUE(json.ok());
  std::string got;
  for (const auto& c : json->at("coverage").as_array()) {
    got += std::string(c.at("ecosystem").as_string()) + " " + std::string(c.at("data").as_string()) + (c.at("records").is_null() ? "\n" : " with a number\n");
  }
  EXPECT_EQ(got, "Debian:12 all\nRubyGems none\nnpm some with a number\n");
}

// docs/report.schema.json is what we promise; python3-jsonschema judges.
TEST(RenderJson, KeepsToTheSchema) {
  if (std::system("python3 -c 'import jsonschema' 2>/dev/null") != 0) GTEST_SKIP() << "python3-jsonschema is not installed";
  std::string folder = testing::TempDir() + "bulwark_report_test";
  std::filesystem::create_directories(folder);
  Report bare;
  ASSERT_TRUE(WriteFileAtomically(folder + "/full.json", RenderJson(Example())).ok());
  ASSERT_TRUE(WriteFileAtomically(folder + "/bare.json", RenderJson(bare)).ok());
  std::string script =
      "python3 -c 'import json,sys,jsonschema\n"
      "s=json.load(open(sys.argv[1]))\n"
      "jsonschema.Draft202012Validator.check_schema(s)\n"
      "for f in sys.argv[2:]: jsonschema.Draft202012Validator(s).validate(json.load(open(f)))' " +
      std::string(BW_SOURCE_DIR) + "/docs/report.schema.json " + folder + "/full.json " + folder + "/bare.json";
  EXPECT_EQ(std::system(script.c_str()), 0);
  std::filesystem::remove_all(folder);
}

TEST(RenderCycloneDx, ExceptionsBecomeAnalyses) {
  std::string text = RenderCycloneDx(Example());
  EXPECT_NE(text.find("\"justification\": \"code_not_reachable\""), std::string::npos);
  Report without = Example();
  without.verdicts.clear();  // nobody said that the exception is in force
  EXPECT_EQ(RenderCycloneDx(without).find("code_not_reachable"), std::string::npos);
}

TEST(AllGaps, BlindFirstAndUnique) {
  Report r = Example();
  r.inventory.gaps = {r.findings.gaps[0], {image::GapKind::kBlind, "z", "c", "r"}};
  auto gaps = AllGaps(r);
  ASSERT_EQ(gaps.size(), 2u);
  EXPECT_EQ(gaps[0].kind, image::GapKind::kBlind);
}

}  // namespace
}  // namespace bulwark::report
