// Properties of Decide over random facts and policies. The cases with expected answers are in testdata/*.case.

#include "policy/decide.h"

#include <gtest/gtest.h>

#include <random>

namespace bulwark::policy {
namespace {

using std::chrono::hours;

const Time kStart = Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1));

// Draws small worlds in which rules, exceptions, ages and grace meet often.
class Worlds {
 public:
  explicit Worlds(unsigned seed) : random_(seed) {}

  int Below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool Chance(int percent) { return Below(100) < percent; }
  Time Instant() { return kStart + hours(Below(24 * 90)); }
  template <typename T>
  T Any(std::initializer_list<T> of) { return *(of.begin() + Below(static_cast<int>(of.size()))); }

  match::Finding Finding() {
    match::Finding f;
    f.id = Any<const char*>({"CVE-1", "CVE-2", "CVE-3", "CVE-4"});
    f.package = Any<const char*>({"openssl", "curl", "zlib"});
    f.version = "1";
    f.key = f.id + f.package;
    f.answer = Any({match::Answer::kAffected, match::Answer::kAffected, match::Answer::kUnknown, match::Answer::kNotAffected});
    f.severity = static_cast<advisory::Severity>(Below(6));
    if (Chance(70)) f.fixed_version = "2";
    if (Chance(80)) f.fixed_at = Instant();
    f.known_exploited = Chance(10);
    return f;
  }

  policy::Exception Exception() {
    policy::Exception e;
    e.id = Below(1000);
    e.vulnerability = Any<const char*>({"CVE-1", "CVE-2", "CVE-3"});
    e.package = Any<const char*>({"*", "openssl", "curl"});
    e.repository = Any<const char*>({"**", "prod/*"});
    e.reference = "*";
    e.author = "ann";
    e.approver = Any<const char*>({"bob", "bob", "ann", ""});
    e.created = Instant();
    e.expires = Chance(95) ? Instant() : kNever;
    return e;
  }

  policy::Policy Policy() {
    policy::Policy p;
    p.name = Any<const char*>({"a", "b", "c"});
    p.mode = Any({Mode::kEnforce, Mode::kEnforce, Mode::kWarn, Mode::kAudit});
    for (int i = Below(4); i > 0; --i) {
      Rule rule;
      rule.id = "r" + std::to_string(i);
      rule.effect = Any({Effect::kDeny, Effect::kWarn});
      if (Chance(60)) rule.match.severity = static_cast<advisory::Severity>(1 + Below(5));
      if (Chance(40)) rule.match.fix_older_than = hours(24 * Below(40));
      if (Chance(20)) rule.match.known_exploited = true;
      p.rules.push_back(rule);
    }
    for (int i = Below(3); i > 0; --i) p.stale_data[hours(24 * Below(60))] = Any({Effect::kWarn, Effect::kDeny});
    if (Chance(50)) p.grace_running = hours(Below(200));
    if (Chance(50)) p.unscanned.hold = std::chrono::seconds(1 + Below(60));
    p.on_push = Chance(50) ? OnPush::kQuarantine : OnPush::kRefuse;
    return p;
  }

  policy::Facts Facts() {
    policy::Facts f;
    f.repository = "prod/app";
    f.scanned = Chance(90);
    f.pending = Chance(10);
    f.artifact = Chance(5);
    for (int i = Below(6); i > 0; --i) f.findings.push_back(Finding());
    for (int i = Below(4); i > 0; --i) f.exceptions.push_back(Exception());
    if (Chance(10)) f.gaps.push_back({Any({image::GapKind::kPartial, image::GapKind::kBlind}), "p", "c", "r"});
    if (Chance(90)) f.data_date = Instant();
    if (Chance(50)) f.running_since = Instant();
    if (Chance(50)) f.denied_since = Instant();
    return f;
  }

 private:
  std::mt19937 random_;
};

// DESIGN 2.1: until valid_until time changes nothing; and valid_until lies in the future.
TEST(Decide, AnswersTheSameUntilValidUntil) {
  int flips = 0;
  for (unsigned seed = 0; seed < 6000; ++seed) {
    Worlds w(seed);
    Facts facts = w.Facts();
    std::vector<Policy> policies;
    for (int i = w.Below(4); i > 0; --i) policies.push_back(w.Policy());
    auto at = static_cast<PointOfUse>(1 + w.Below(3));
    Time as_of = w.Instant();
    Decision decision = Decide(facts, policies, at, as_of);
    ASSERT_GT(decision.valid_until, as_of) << seed;
    Time end = decision.valid_until == kNever ? as_of + hours(24 * 365 * 10) : decision.valid_until;
    for (int i = 0; i < 4; ++i) {
      Time later = as_of + (end - as_of) * w.Below(1000) / 1000;
      ASSERT_EQ(Decide(facts, policies, at, later), decision) << "seed " << seed << " at " << FormatTime(later);
    }
    ASSERT_EQ(Decide(facts, policies, at, end - Millis(1)), decision) << seed;
    if (decision.valid_until != kNever && Decide(facts, policies, at, end).outcome != decision.outcome) ++flips;
  }
  EXPECT_GT(flips, 100);  // the worlds do have such instants
}

// A finding more, an exception less or a policy more never makes the answer milder.
TEST(Decide, IsMonotonous) {
  auto badness = [](const Decision& d) {
    return d.outcome == Outcome::kDeny ? 3 : d.outcome == Outcome::kPending ? 2 : d.outcome == Outcome::kWarn ? 1 : 0;
  };
  for (unsigned seed = 0; seed < 3000; ++seed) {
    Worlds w(seed);
    Facts facts = w.Facts();
    std::vector<Policy> policies{w.Policy()};
    auto at = static_cast<PointOfUse>(1 + w.Below(3));
    Time as_of = w.Instant();
    int before = badness(Decide(facts, policies, at, as_of));
    Facts more = facts;
    more.findings.push_back(w.Finding());
    EXPECT_GE(badness(Decide(more, policies, at, as_of)), before) << seed;
    Facts bare = facts;
    bare.exceptions.clear();
    EXPECT_GE(badness(Decide(bare, policies, at, as_of)), before) << seed;
    policies.push_back(w.Policy());
    EXPECT_GE(badness(Decide(facts, policies, at, as_of)), before) << seed;
  }
}

// specs/attacks.md, error-means-ok: whatever is unknown or broken about an image, an enforcing policy with its defaults
// denies.
TEST(Decide, UnknownIsDenied) {
  Policy policy;
  policy.name = "p";
  policy.rules.push_back({"r", Effect::kDeny, {}, ""});
  policy.rules[0].match.severity = advisory::Severity::kHigh;
  Facts good;
  good.repository = "prod/app";
  good.scanned = true;
  auto outcome = [&](const Facts& facts) { return Decide(facts, {&policy, 1}, PointOfUse::kPull, kStart).outcome; };
  ASSERT_EQ(outcome(good), Outcome::kAllow);

  EXPECT_EQ(Decide(good, {}, PointOfUse::kPull, kStart).outcome, Outcome::kDeny);
  EXPECT_EQ(outcome(Facts()), Outcome::kDeny);  // nothing known at all
  auto with = [&](auto change) {
    Facts facts = good;
    change(facts);
    return outcome(facts);
  };
  EXPECT_EQ(with([](Facts& f) { f.scanned = false; }), Outcome::kDeny);
  EXPECT_EQ(with([](Facts& f) { f.pending = true; }), Outcome::kDeny);
  EXPECT_EQ(with([](Facts& f) { f.gaps.push_back({image::GapKind::kBlind, "", "layer", "crashed"}); }), Outcome::kDeny);
  EXPECT_EQ(with([](Facts& f) { f.gaps.push_back({static_cast<image::GapKind>(9), "", "layer", "newer kind"}); }),
            Outcome::kDeny);
  match::Finding finding;
  finding.answer = match::Answer::kUnknown;
  EXPECT_EQ(with([&](Facts& f) { f.findings.push_back(finding); }), Outcome::kDeny);
  finding.answer = match::Answer::kAffected;  // severity unknown
  EXPECT_EQ(with([&](Facts& f) { f.findings.push_back(finding); }), Outcome::kDeny);
  finding.answer = static_cast<match::Answer>(9);
  EXPECT_EQ(with([&](Facts& f) { f.findings.push_back(finding); }), Outcome::kDeny);
  policy.stale_data[hours(72)] = Effect::kDeny;
  EXPECT_EQ(outcome(good), Outcome::kDeny);  // data of unknown date
}

TEST(Decide, TellsOfADenialBehindAGrace) {
  Policy policy;
  policy.name = "p";
  policy.grace_running = hours(72);
  policy.rules.push_back({"r", Effect::kDeny, {}, ""});
  policy.rules[0].match.known_exploited = true;
  Facts facts;
  facts.repository = "prod/app";
  facts.scanned = true;
  EXPECT_FALSE(DeniedWithoutGrace(Decide(facts, {&policy, 1}, PointOfUse::kPull, kStart)));
  match::Finding finding;
  finding.known_exploited = true;
  facts.findings.push_back(finding);
  EXPECT_TRUE(DeniedWithoutGrace(Decide(facts, {&policy, 1}, PointOfUse::kPull, kStart)));
  facts.running_since = kStart;
  Decision decision = Decide(facts, {&policy, 1}, PointOfUse::kPull, kStart);
  EXPECT_EQ(decision.outcome, Outcome::kWarn);
  EXPECT_TRUE(DeniedWithoutGrace(decision));
}

TEST(Decide, NamesAtMostSoManyFindings) {
  Policy policy = DefaultPolicy();
  Facts facts;
  facts.repository = "prod/app";
  facts.scanned = true;
  for (int i = 0; i < 1000; ++i) {
    match::Finding finding;
    finding.key = std::to_string(i);
    finding.id = "CVE-" + std::to_string(i);
    finding.known_exploited = true;
    facts.findings.push_back(finding);
  }
  Decision decision = Decide(facts, {&policy, 1}, PointOfUse::kPull, kStart);
  ASSERT_FALSE(decision.reasons.empty());
  EXPECT_EQ(decision.reasons[0].count, 1000u);
  EXPECT_EQ(decision.reasons[0].findings.size(), kReasonFindings);
  EXPECT_LT(decision.reasons[0].message.size(), 2000u);
}

}  // namespace
}  // namespace bulwark::policy
