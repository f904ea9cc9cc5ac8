#include "policy/policy.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "policy/decide.h"
#include "policy/tester.h"

namespace bulwark::policy {
namespace {

using advisory::Severity;

std::string ErrorOf(std::string_view yaml) {
  auto policy = ParsePolicy(yaml);
  return policy.ok() ? "" : policy.error().message;
}

// Every .case file; a new case needs no rebuild.
TEST(PolicyCases, All) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(BW_SOURCE_DIR "/src/policy/testdata")) {
    if (entry.path().extension() == ".case") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  auto report = TestPolicy({}, files);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GE(report->cases.size(), 40u);
  for (const CaseResult& result : report->cases) {
    for (const std::string& failure : result.failures) {
      ADD_FAILURE() << result.file << ":" << result.line << ": " << result.name << "\n  " << failure;
    }
  }
}

TEST(PolicyTester, FailsWhatIsWrong) {
  Policy policy = DefaultPolicy();
  auto run = [&](std::string_view text) { return TestPolicyText({&policy, 1}, "f", text); };
  auto report = run("case: a\nat: pull\nas_of: 2026-01-31\nfacts: {}\nexpect: {outcome: deny, reasons: [deny x], hold: 1s, "
                    "quarantine: true, valid_until: 2026-02-01, messages: [m]}\n");
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->failed, 1u);
  EXPECT_EQ(report->cases[0].failures.size(), 6u);
  EXPECT_EQ(report->cases[0].failures[0], "outcome: expected deny, got allow");
  EXPECT_FALSE(run("case: a\nat: pull\nas_of: 2026-01-31\nfacts: {}\n").ok());
  EXPECT_FALSE(run("case: a\nat: pull\nas_of: 2026-01-31\nfacts: {findigs: []}\nexpect: {outcome: allow}\n").ok());
  EXPECT_FALSE(run("case: a\nat: pull\nas_of: 2026-01-31\nexpect: {outcome: allow}\n").ok());
  EXPECT_FALSE(TestPolicy({}, {}).ok());
  std::string missing = "/nonexistent.case";
  EXPECT_FALSE(TestPolicy({}, {&missing, 1}).ok());
}

TEST(ParsePolicy, Defaults) {
  auto policy = ParsePolicy("policy: p\n");
  ASSERT_TRUE(policy.ok()) << policy.error().message;
  EXPECT_EQ(policy->mode, Mode::kEnforce);
  EXPECT_EQ(policy->at.size(), 3u);
  EXPECT_EQ(policy->repositories, std::vector<std::string>{"**"});
  EXPECT_EQ(policy->unscanned.effect, Effect::kDeny);
  EXPECT_EQ(policy->unscannable_image, Effect::kDeny);
  EXPECT_EQ(policy->on_error, Effect::kDeny);
  EXPECT_EQ(policy->on_unknown, Severity::kHigh);
}

// The example of DESIGN section 4.
TEST(ParsePolicy, TheExampleOfTheDesign) {
  auto policy = ParsePolicy(R"(policy: production
applies_to: {repositories: ["prod/**"], at: [push, pull, admission]}
mode: enforce            # or warn, audit
rules:
  - id: fixable-critical
    deny: {severity: critical, fix: available, fix_older_than: 7d}
  - id: known-exploited
    deny: {kev: true}
  - id: no-secrets
    deny: {secret: {confidence: high}}
  - id: signed-by-release
    require: {signature: {any_of: [{key: release.pub}, {identity: "…/release.yml@refs/heads/main", issuer: "https://token.actions…"}]}}
  - id: built-by-us
    require: {attestation: {type: slsaprovenance1, builder: "…", source: "…"}}
unscanned: hold 30s      # allow, deny, hold N s (ends in deny)
unscannable: {image: deny, artifact: allow}
stale_data: {72h: warn, 7d: deny}
grace: {running_digests: 72h}
)");
  ASSERT_TRUE(policy.ok()) << policy.error().message;
  EXPECT_EQ(policy->name, "production");
  EXPECT_EQ(policy->rules.size(), 3u);
  EXPECT_EQ(policy->rules[0].match.fix_older_than, Millis(std::chrono::days(7)));
  EXPECT_EQ(policy->rules[2].lacks, "secret");
  EXPECT_EQ(policy->requirements.size(), 2u);
  EXPECT_EQ(policy->unscanned.hold, std::chrono::seconds(30));
  EXPECT_EQ(policy->stale_data.size(), 2u);
  EXPECT_EQ(policy->grace_running, std::chrono::hours(72));
  EXPECT_TRUE(policy->revision.starts_with("sha256:"));
}

TEST(ParsePolicy, RefusesWithLineAndKey) {
  EXPECT_EQ(ErrorOf("policy: p\nrulez: []\n"), "line 2: a policy has no key rulez; did you mean rules?");
  EXPECT_EQ(ErrorOf("mode: enforce\n"), "line 1: a policy needs a name (policy: NAME)");
  EXPECT_EQ(ErrorOf("policy: p\nmode: enforced\n"), "line 2: mode must be one of audit, warn, enforce");
  EXPECT_EQ(ErrorOf("policy: Prod App\n"), "line 1: policy must be up to 64 of a-z 0-9 . _ -, beginning with a letter or digit");
  const char* bad[] = {
      "policy: p\nrules: [{id: a, deny: {}}]",
      "policy: p\nrules: [{id: a, deny: {severty: high}}]",
      "policy: p\nrules: [{id: a, deny: {severity: [high]}}]",
      "policy: p\nrules: [{id: a, deny: {kev: yes}}]",
      "policy: p\nrules: [{id: a, deny: {fix: none, fix_older_than: 7d}}]",
      "policy: p\nrules: [{id: a, deny: {fix_older_than: 7}}]",
      "policy: p\nrules: [{id: a, deny: {score: 11}}]",
      "policy: p\nrules: [{id: a, deny: {ids: []}}]",
      "policy: p\nrules: [{id: a, deny: {kev: true}, warn: {kev: true}}]",
      "policy: p\nrules: [{id: a}]",
      "policy: p\nrules: [{deny: {kev: true}}]",
      "policy: p\nrules: [{id: a, allow: {kev: true}}]",
      "policy: p\nrules: [{id: a, deny: {kev: true}}, {id: a, warn: {kev: true}}]",
      "policy: p\nrules: [{id: gaps, deny: {kev: true}}]",
      "policy: p\nrules: {id: a}",
      "policy: p\nrules: [{id: a, deny: {secret: {}, kev: true}}]",
      "policy: p\nrules: [{id: a, require: {}}]",
      "policy: p\nrules: [{id: a, require: {signature: {}}}]",
      "policy: p\nrules: [{id: a, require: {signature: {any_of: []}}}]",
      "policy: p\nrules: [{id: a, require: {signature: {any_of: [{identity: x}]}}}]",
      "policy: p\nrules: [{id: a, require: {signature: {any_of: [{issuer: x}]}}}]",
      "policy: p\nrules: [{id: a, require: {signature: {any_of: [{key: ''}]}}}]",
      "policy: p\nrules: [{id: a, require: {signature: {any_of: [{key: k, issuer: x, identity: y}]}}}]",
      "policy: p\nrules: [{id: a, require: {attestation: {builder: b}}}]",
      "policy: p\nunscanned: hold",
      "policy: p\nunscanned: hold 0s",
      "policy: p\nunscanned: hold 1d",
      "policy: p\nunscanned: maybe",
      "policy: p\nstale_data: {72h: deny, 7d: warn}",
      "policy: p\nstale_data: {72h: deny, 3d: deny}",
      "policy: p\nstale_data: {soon: deny}",
      "policy: p\nstale_data: deny",
      "policy: p\ngrace: {running: 1h}",
      "policy: p\nartifacts: []",
      "policy: p\nartifacts: some",
      "policy: p\nplatforms: [amd64]",
      "policy: p\nplatforms: [linux/]",
      "policy: p\non_unknown: unknown",
      "policy: p\non_error: fail",
      "policy: p\non_push: keep",
      "policy: p\napplies_to: {at: []}",
      "policy: p\napplies_to: {at: [pull, pull]}",
      "policy: p\napplies_to: {at: [Pull]}",
      "policy: p\napplies_to: {repositories: []}",
      "policy: p\napplies_to: {repos: [a]}",
      "policy: p\npolicy: q",
      "policy: p\n---\npolicy: q",
      "policy: &a p\n",
      "",
      "[]",
      "p",
  };
  for (const char* text : bad) EXPECT_TRUE(ErrorOf(text).starts_with("line ")) << text << " gave: " << ErrorOf(text);
}

TEST(ParsePolicy, TheRevisionIsThatOfTheMeaning) {
  std::string a = ParsePolicy("policy: p\nmode: warn\n")->revision;
  EXPECT_EQ(a, ParsePolicy("# note\nmode:   warn\npolicy: p\n")->revision);
  EXPECT_NE(a, ParsePolicy("policy: p\nmode: audit\n")->revision);
}

TEST(ParseMatchers, ReadsTheCommandLine) {
  auto m = ParseMatchers("severity=high,fix=available");
  ASSERT_TRUE(m.ok()) << m.error().message;
  EXPECT_EQ(m->severity, Severity::kHigh);
  EXPECT_EQ(m->fix_available, true);
  m = ParseMatchers("kev, fix_older_than=30d,score=9.5,epss=0.25,ids=CVE-1,ids=CVE-2,packages=openssl,kind=malicious");
  ASSERT_TRUE(m.ok()) << m.error().message;
  EXPECT_EQ(m->known_exploited, true);
  EXPECT_EQ(m->fix_older_than, Millis(std::chrono::days(30)));
  EXPECT_EQ(m->ids.size(), 2u);
  EXPECT_EQ(m->score_at_least, 9.5);
  EXPECT_EQ(m->epss_at_least, 0.25);
  EXPECT_EQ(m->kind, advisory::Class::kMalicious);
  for (const char* bad : {"", ",", "severity", "severity=", "severity=highest", "severity=high,severity=low", "fix=yes", "x=1",
                          "kev=yes", "severity=high,", "fix=none,fix_older_than=7d", "severity=unknown", "score=x", "epss", "epss=x", "epss=1.1", "epss=-0.1"}) {
    EXPECT_FALSE(ParseMatchers(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseMatchers("severity=highest").error().message, "severity must be one of none, low, medium, high, critical");
}

TEST(FailOnPolicy, DeniesWhatMatchesAndWhatIsBlind) {
  Policy policy = FailOnPolicy(*ParseMatchers("severity=critical"));
  Facts facts;
  facts.repository = "any/thing";
  facts.scanned = true;
  EXPECT_EQ(Decide(facts, {&policy, 1}, PointOfUse::kPull, Time()).outcome, Outcome::kAllow);
  facts.gaps.push_back({});
  EXPECT_EQ(Decide(facts, {&policy, 1}, PointOfUse::kPull, Time()).outcome, Outcome::kDeny);
}

}  // namespace
}  // namespace bulwark::policy
