// Random histories of pushes, deletions, new data, policies, exceptions, sightings, restarts and clock steps. After
// each step the stored verdicts of every manifest equal those computed from scratch: catalog, match and policy over the
// bytes that were pushed, with a model of tags, inputs and the slow lifting of denials of its own. Nothing of service/
// but the registry's doors is used to compute what is expected.

#include <cstdlib>
#include <random>
#include <set>

#include "match/finding.h"
#include "service/codec.h"
#include "service/exceptions.h"
#include "service/policies.h"
#include "service/projects.h"
#include "service/service_fixture.h"

namespace bulwark::service {
namespace {

using policy::Decision;
using policy::Outcome;
using policy::PointOfUse;

constexpr int kSteps = 25;
int Histories() {
  const char* wanted = std::getenv("BULWARK_HISTORIES");  // NOLINT(concurrency-mt-unsafe): one thread
  return wanted ? std::atoi(wanted) : 200;
}

// What the model remembers of one verdict.
struct Memory {
  bool judged = false;
  Decision decision;
  std::vector<match::Finding> findings;
  std::string policies, exceptions;
  std::optional<Time> denied_since, held_until;
};

struct Stored {
  const Image* image = nullptr;
  bool quarantined = false;
  std::optional<Time> running;
  Memory memory[3];
};

struct Content {
  enum class Kind { kImage, kIndex, kArtifact, kAttestation } kind = Kind::kImage;
  Image image;
  catalog::Inventory inventory;
  std::vector<const Content*> children;
};

std::string PolicyText(const std::string& name, const std::string& repositories, const std::string& rest) {
  return "policy: " + name + "\napplies_to: {repositories: [\"" + repositories + "\"]}\n" + rest;
}

const std::vector<std::string>& Rests() {
  static const std::vector<std::string> rests = {
      "mode: enforce\nrules:\n  - id: high\n    deny: {severity: high, fix: available}\non_push: quarantine\n",
      "mode: enforce\nrules:\n  - id: high\n    deny: {severity: high, fix: available}\non_push: refuse\n",
      "mode: enforce\nrules:\n  - id: old\n    deny: {severity: medium, fix: available, fix_older_than: 7d}\non_push: "
      "quarantine\n",
      "mode: enforce\nrules:\n  - id: kev\n    deny: {kev: true}\n  - id: any\n    warn: {severity: low}\ngrace: "
      "{running_digests: 48h}\non_push: quarantine\n",
      "mode: enforce\nrules:\n  - id: critical\n    deny: {severity: critical}\nstale_data: {72h: warn, 7d: "
      "deny}\ngrace: {running_digests: 72h}\non_push: quarantine\n",
      "mode: warn\nrules:\n  - id: high\n    deny: {severity: high}\n",
      "mode: audit\nrules:\n  - id: high\n    deny: {severity: high}\n",
      "mode: enforce\nrules:\n  - id: p1\n    deny: {packages: [p1]}\nartifacts: deny\nplatforms: "
      "[linux/amd64]\non_push: quarantine\n"};
  return rests;
}

class HistoriesTest : public ServiceFixture {
 protected:
  using Key = std::pair<std::string, Digest>;  // repository, manifest

  void SetUp() override {}
  void TearDown() override {}

  void Begin(unsigned seed) {
    random_.seed(seed);
    directory_ = std::make_unique<storage::TestDirectory>();
    clock_.Set(Time(Millis(1'800'000'000'000)));
    stored_.clear();
    tags_.clear();
    policies_.clear();
    exceptions_.clear();
    directory_path_ = directory_->path();
    ServiceFixture::SetUp();
    MakeContents();
    ChangeData();
  }
  void End() {
    service_.reset();
    authenticator_.reset();
    blobs_.reset();
    database_.reset();
  }

  std::size_t Pick(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  bool Chance(int percent) { return Pick(100) < static_cast<std::size_t>(percent); }

  void MakeContents() {
    contents_.clear();
    for (int i = 0; i < 6; ++i) {
      std::map<std::string, std::string> packages;
      for (int p = 0; p < 5; ++p)
        if (Chance(45)) packages["p" + std::to_string(p)] = Chance(70) ? "1" : "3";
      packages["only" + std::to_string(i)] = "1";
      AddImage(DebianLayer(packages));
    }
    auto chart = std::make_unique<Content>();
    chart->kind = Content::Kind::kArtifact;
    chart->image = ManifestOf(R"({"name":"chart"})", "application/vnd.cncf.helm.config.v1+json",
                              {Tar({{"chart/Chart.yaml", "name: chart\n"}})},
                              "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    contents_.push_back(std::move(chart));
    AddIndex(0, 1);
    AddIndex(2, 3);
    AddIndex(4, 0);
  }
  void AddImage(const std::string& layer) {
    auto content = std::make_unique<Content>();
    content->image = ImageOf({layer});
    MemorySource source(AsBytes(content->image.layers[0]));
    image::LayerRecord record = Must(catalog::AnalyzeLayer(source));
    content->inventory = catalog::Assemble({&record}, {DigestOf(content->image.layers[0])}).inventory;
    contents_.push_back(std::move(content));
  }
  void AddIndex(std::size_t a, std::size_t b) {
    auto content = std::make_unique<Content>();
    content->kind = Content::Kind::kIndex;
    content->children = {contents_[a].get(), contents_[b].get()};
    content->image =
        IndexOf({{&contents_[a]->image}, {&contents_[b]->image, R"({"os":"linux","architecture":"arm64"})"}});
    contents_.push_back(std::move(content));
  }
  const Content* ContentOf(const Digest& digest) {
    for (const auto& content : contents_)
      if (content->image.digest() == digest) return content.get();
    return nullptr;
  }

  // ---- steps ----

  void ChangeData() {
    std::vector<Vulnerability> now;
    for (int v = 0; v < 8; ++v) {
      if (!Chance(70)) continue;
      Vulnerability vulnerability{"CVE-2024-100" + std::to_string(v),
                                  "p" + std::to_string(v % 5),
                                  Chance(75) ? "2" : "",
                                  static_cast<advisory::Severity>(2 + Pick(4)),
                                  kNever,
                                  Chance(15)};
      if (Chance(60)) vulnerability.fixed_at = clock_.Now() - kDay * static_cast<int>(Pick(15));
      now.push_back(vulnerability);
    }
    index_ = IndexWith(now);
    Must(service_->inputs().ChangeIndex(index_, [](storage::Tx&) { return Status(); }));
  }
  void ChangePolicy() {
    Policies policies(*service_);
    std::string name = Chance(60) ? "default" : "extra";
    if (Chance(20)) {
      Status removed = policies.Remove(As("sue"), name);
      EXPECT_EQ(removed.ok(), policies_.erase(name) == 1);
      return;
    }
    std::string yaml = PolicyText(name, name == "default" ? "**" : "team-a/**", Rests()[Pick(Rests().size())]);
    Must(policies.Put(As("sue"), {name, yaml, true, std::nullopt}));
    policies_.insert_or_assign(name, Must(policy::ParsePolicy(yaml)));
  }
  void ChangeException() {
    Exceptions exceptions(*service_);
    if (Chance(30) && !exceptions_.empty()) {
      auto it = std::next(exceptions_.begin(), static_cast<std::ptrdiff_t>(Pick(exceptions_.size())));
      Must(exceptions.Revoke(As("sue"), it->id));
      exceptions_.erase(it);
      return;
    }
    policy::Exception e;
    e.vulnerability = "CVE-2024-100" + std::to_string(Pick(8));
    e.package = Chance(50) ? "*" : "p" + std::to_string(Pick(5));
    e.repository = Chance(50) ? "**" : Chance(50) ? "team-a/app" : "team-b/x";
    e.reference = Chance(40)   ? "*"
                  : Chance(50) ? "t" + std::to_string(Pick(3))
                               : contents_[Pick(6)]->image.digest().str();
    e.reason = "risk_accepted";
    e.note = "test";
    e.expires = clock_.Now() + kDay * static_cast<int>(1 + Pick(6));
    auto asked = Must(exceptions.Request(As("admin"), e));
    auto approved = Must(exceptions.Approve(As("sue"), asked.exception.id)).exception;
    approved.created = clock_.Now();
    exceptions_.push_back(approved);
  }
  void PushSomething() {
    const Content& content = *contents_[Pick(contents_.size())];
    const std::string repository = Chance(60) ? "team-a/app" : "team-b/x";
    const std::string tag = "t" + std::to_string(Pick(3));
    const Key key{repository, content.image.digest()};
    Stored next = stored_.contains(key) ? stored_.at(key) : Stored{};
    next.image = &content.image;
    std::set<std::string> tags = TagsOf(key);
    tags.insert(tag);
    Decision push = JudgeAll(key, next, tags)[0];
    auto pushed = Push(Pusher("admin", repository), repository, content.image, tag);
    bool enters = push.outcome == Outcome::kAllow || push.outcome == Outcome::kWarn ||
                  (push.outcome == Outcome::kDeny && push.quarantine);
    ASSERT_EQ(pushed.ok(), enters) << (pushed ? "pushed" : pushed.error().message);
    if (!enters) return;
    next.quarantined = next.quarantined || (push.outcome == Outcome::kDeny && push.quarantine);
    stored_[key] = next;
    tags_[{repository, tag}] = content.image.digest();
  }
  void DeleteSomething() {
    if (stored_.empty()) return;
    auto it = std::next(stored_.begin(), static_cast<std::ptrdiff_t>(Pick(stored_.size())));
    const Key key = it->first;
    Caller admin = As("admin", key.first, {auth::Verb::kPull, auth::Verb::kDelete});
    std::set<std::string> tags = TagsOf(key);
    if (Chance(40) && !tags.empty()) {
      Must(registry().DeleteManifest(admin, Repo(key.first), Ref(*tags.begin())));
      tags_.erase({key.first, *tags.begin()});
      return;
    }
    Must(registry().DeleteManifest(admin, Repo(key.first), Reference(key.second)));
    for (const std::string& tag : tags) tags_.erase({key.first, tag});
    stored_.erase(key);
  }
  void SeeSomethingRun() {
    if (stored_.empty()) return;
    auto it = std::next(stored_.begin(), static_cast<std::ptrdiff_t>(Pick(stored_.size())));
    Must(Projects(*service_).ReportRunning(As("kube"), Repo(it->first.first), {it->first.second}));
    it->second.running = clock_.Now();
  }
  void Step() {
    switch (Pick(10)) {
      case 0:
      case 1:
      case 2: return PushSomething();
      case 3: return DeleteSomething();
      case 4: return ChangeData();
      case 5: return ChangePolicy();
      case 6: return ChangeException();
      case 7: return clock_.Step(std::chrono::hours(1 + Pick(100)) + Millis(Pick(2)));
      case 8: return SeeSomethingRun();
      default: return Start(index_);
    }
  }

  // ---- the model ----

  std::set<std::string> TagsOf(const Key& key) {
    std::set<std::string> out;
    for (const auto& [tag, digest] : tags_)
      if (tag.first == key.first && digest == key.second) out.insert(tag.second);
    return out;
  }
  std::vector<policy::Policy> PoliciesNow() {
    std::vector<policy::Policy> out;
    for (const auto& [name, policy] : policies_) out.push_back(policy);
    if (!policies_.contains("default")) out.push_back(policy::DefaultPolicy());
    return out;
  }
  std::vector<policy::Exception> ExceptionsNow(const Key& key, const std::set<std::string>& tags) {
    std::vector<policy::Exception> out;
    for (const policy::Exception& e : exceptions_) {
      bool here = e.reference == "*" || e.reference == key.second.str() || tags.contains(e.reference);
      bool repository = e.repository == "**" || e.repository == key.first;
      if (here && repository) out.push_back(e);
    }
    return out;
  }

  // The three decisions of now, from scratch; `memory` of `stored` becomes that of now.
  std::array<Decision, 3> JudgeAll(const Key& key, Stored& stored, const std::set<std::string>& tags) {
    const Content& content = *ContentOf(key.second);
    std::array<Decision, 3> out;
    for (std::size_t i = 0; i < 3; ++i)
      out[i] = content.kind == Content::Kind::kIndex
                   ? JudgeIndex(key, content, kPoints[i])
                   : JudgeOne(key, content, stored.memory[i], stored, tags, kPoints[i]);
    return out;
  }

  Decision JudgeIndex(const Key& key, const Content& content, PointOfUse at) {
    std::vector<policy::ChildDecision> children;
    const char* platforms[] = {"linux/amd64", "linux/arm64"};
    for (std::size_t i = 0; i < content.children.size(); ++i) {
      const Key child{key.first, content.children[i]->image.digest()};
      auto it = stored_.find(child);
      policy::ChildDecision decision{child.second, platforms[i], it != stored_.end(), true, {}};
      if (it != stored_.end()) {
        Stored copy = it->second;
        decision.decision = JudgeAll(child, copy, TagsOf(child))[IndexOf(at)];
      }
      children.push_back(std::move(decision));
    }
    return policy::DecideIndex(children, PoliciesNow(), key.first, at, clock_.Now());
  }

  Decision JudgeOne(const Key& key, const Content& content, Memory& memory, const Stored& stored,
                    const std::set<std::string>& tags, PointOfUse at) {
    const Time now = clock_.Now();
    match::Findings found;
    if (content.kind == Content::Kind::kImage) found = match::Find(content.inventory, *index_);
    policy::Facts facts;
    facts.repository = key.first;
    facts.tags = {tags.begin(), tags.end()};
    facts.digest = key.second;
    facts.artifact = content.kind == Content::Kind::kArtifact;
    if (facts.artifact) facts.artifact_type = "application/vnd.cncf.helm.config.v1+json";
    facts.scanned = true;
    if (content.kind == Content::Kind::kImage) facts.gaps = content.inventory.gaps;
    facts.gaps.insert(facts.gaps.end(), found.gaps.begin(), found.gaps.end());
    facts.findings = found.findings;
    facts.data_date = index_->data_date();
    facts.running_since = stored.running;
    facts.denied_since = memory.denied_since.value_or(now);
    facts.exceptions = ExceptionsNow(key, tags);
    Decision decision = policy::Decide(facts, PoliciesNow(), at, now);

    std::string policies, exceptions;
    for (const policy::Policy& policy : PoliciesNow())
      if (policy.repositories[0] == "**" || key.first.starts_with("team-a/")) policies += policy.name + policy.revision;
    for (const policy::Exception& e : facts.exceptions) exceptions += std::to_string(e.id) + ",";

    // A denial that the data alone would lift stays for a day.
    std::optional<Time> held;
    bool lifted = memory.judged && memory.decision.outcome == Outcome::kDeny && decision.outcome != Outcome::kDeny;
    if (lifted && policies == memory.policies && exceptions == memory.exceptions) {
      bool age = true;
      for (const policy::Reason& reason : memory.decision.reasons)
        age = age && (reason.effect != policy::Effect::kDeny || reason.rule == "stale_data");
      if (memory.held_until) held = memory.held_until;
      else if (found.findings != memory.findings && !age) held = now + kDay;
      if (held && now >= *held) held.reset();
    }
    if (held) {
      Decision kept = memory.decision;
      if (!memory.held_until)
        kept.reasons.insert(kept.reasons.begin(),
                            {policy::Effect::kDeny,
                             "",
                             "lift_delay",
                             "the advisory data no longer supports this denial; it is lifted on " + FormatTime(*held) +
                                 " unless that changes",
                             1,
                             {}});
      decision = std::move(kept);
    }
    std::optional<Time> denied;
    if (policy::DeniedWithoutGrace(decision)) denied = facts.denied_since;
    memory = {true, decision, found.findings, policies, exceptions, denied, held};
    return decision;
  }

  void Compare() {
    auto before = stored_;
    for (auto& [key, stored] : stored_) {
      const std::set<std::string> tags = TagsOf(key);
      // Indexes look at their children's state of before this look.
      std::array<Decision, 3> expected;
      if (ContentOf(key.second)->kind == Content::Kind::kIndex) {
        std::swap(before, stored_);
        expected = JudgeAll(key, before.at(key), tags);
        std::swap(before, stored_);
      } else {
        expected = JudgeAll(key, stored, tags);
      }
      auto id = Must(database_->Read([&](const storage::ReadTx& tx) {
                  return storage::ResolveRepository(tx, Repo(key.first));
                }))->id;
      auto verdicts =
          Must(database_->Read([&](const storage::ReadTx& tx) { return FindVerdicts(tx, id, key.second); }));
      ASSERT_TRUE(verdicts);
      for (std::size_t i = 0; i < 3; ++i) {
        Decision is = (*verdicts)[i].decision, want = expected[i];
        EXPECT_EQ((*verdicts)[i].pending, Pending::kCurrent);
        EXPECT_GT(is.valid_until, clock_.Now());
        is.valid_until = want.valid_until = kNever;  // an older look may end its own validity sooner
        ++compared_;
        if (is != want)
          ADD_FAILURE() << key.first << "@" << key.second.short_str() << " " << policy::Name(kPoints[i])
                        << "\n  stored   " << DecisionJson(is) << "\n  computed " << DecisionJson(want);
      }
      bool held = stored.quarantined && expected[0].outcome == Outcome::kDeny;
      bool open = !held && expected[1].outcome != Outcome::kDeny;
      EXPECT_EQ(Pull(As("kube"), key.first, key.second.str()).empty(), open) << key.second.short_str();
    }
  }

  std::mt19937 random_;
  std::unique_ptr<storage::TestDirectory> directory_;
  std::vector<std::unique_ptr<Content>> contents_;
  std::shared_ptr<const advisory::Index> index_;
  std::map<Key, Stored> stored_;
  std::map<std::pair<std::string, std::string>, Digest> tags_;
  std::map<std::string, policy::Policy> policies_;
  std::vector<policy::Exception> exceptions_;
  std::size_t compared_ = 0;
};

TEST_F(HistoriesTest, StoredVerdictsEqualThoseComputedFromScratch) {
  for (int history = 0; history < Histories(); ++history) {
    SCOPED_TRACE("history " + std::to_string(history));
    Begin(static_cast<unsigned>(history));
    for (int step = 0; step < kSteps && !HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      Step();
      Drain();
      Compare();
    }
    End();
    if (HasFailure()) break;
  }
  RecordProperty("compared", static_cast<int>(compared_));
  EXPECT_GT(compared_, static_cast<std::size_t>(Histories()) * 50);
}

}  // namespace
}  // namespace bulwark::service
