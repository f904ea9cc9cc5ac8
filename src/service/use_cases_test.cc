// The use cases of the product API: rights, what they change, what the audit log says (specs/attacks.md:
// service-account-wider, recycled-names, data-rollback-and-freeze).

#include <fstream>
#include <thread>

#include "service/data.h"
#include "service/exceptions.h"
#include "service/images.h"
#include "service/policies.h"
#include "service/projects.h"
#include "service/rights.h"
#include "service/service_fixture.h"
#include "service/users.h"

namespace bulwark::service {
namespace {

constexpr const char* kApp = "team-a/app";

class UseCases : public ServiceFixture {
 protected:
  const Image bad_ = ImageOf({DebianLayer({{"libaom", "1.0-1"}})});
  const std::vector<Vulnerability> known_{{"CVE-2024-5171", "libaom", "1.0-2"}};
};

TEST_F(UseCases, AnExceptionFreesAQuarantinedImageAndItsEndDeniesItAgain) {
  StartWith({StrictPolicy()}, IndexWith(known_));
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");
  Exceptions exceptions(*service_);
  auto asked = Must(exceptions.Request(As("alice"), Accepted(kApp)));
  EXPECT_EQ(asked.exception.approver, "");
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");  // not in force yet
  EXPECT_EQ(exceptions.Approve(As("alice"), asked.exception.id).error().code, Errc::kDenied);
  EXPECT_EQ(exceptions.Approve(As("bob"), asked.exception.id).error().code, Errc::kNotFound);
  ASSERT_TRUE(exceptions.Approve(As("sue"), asked.exception.id));
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  EXPECT_EQ(ReadBlob(As("pat"), kApp, bad_.layers[0]), "");
  clock_.Step(10 * kDay);
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");
}

TEST_F(UseCases, ExceptionsAreCheckedAndRevoked) {
  StartWith({StrictPolicy()}, IndexWith(known_));
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  Exceptions exceptions(*service_);
  auto refused = [&](auto change) {
    policy::Exception e = Accepted(kApp);
    change(e);
    auto asked = exceptions.Request(As("alice"), e);
    return asked ? Errc::kInternal : asked.error().code;
  };
  EXPECT_EQ(refused([](auto& e) { e.expires = kNever; }), Errc::kInvalid);
  EXPECT_EQ(refused([&](auto& e) { e.expires = clock_.Now(); }), Errc::kInvalid);
  EXPECT_EQ(refused([&](auto& e) { e.expires = clock_.Now() + 400 * kDay; }), Errc::kInvalid);
  EXPECT_EQ(refused([](auto& e) { e.reason = "because"; }), Errc::kInvalid);
  EXPECT_EQ(refused([](auto& e) { e.note = ""; }), Errc::kInvalid);
  EXPECT_EQ(refused([](auto& e) { e.vulnerability = "CVE\n1"; }), Errc::kInvalid);
  EXPECT_EQ(refused([](auto& e) { e.repository = "team-b/x"; }), Errc::kDenied);
  EXPECT_EQ(refused([](auto& e) { e.repository = "team-*/**"; }), Errc::kDenied);
  EXPECT_EQ(refused([](auto& e) { e.repository = "**"; }), Errc::kDenied);
  auto asked = Must(exceptions.Request(As("alice"), Accepted(kApp)));
  ASSERT_TRUE(exceptions.Approve(As("sue"), asked.exception.id));
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  EXPECT_EQ(exceptions.Revoke(As("pat"), asked.exception.id).error().code, Errc::kDenied);
  ASSERT_TRUE(exceptions.Revoke(As("sue"), asked.exception.id));
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");
  EXPECT_EQ(exceptions.Approve(As("sue"), asked.exception.id).error().code, Errc::kConflict);
  EXPECT_TRUE(Must(exceptions.List(As("bob"), {})).items.empty());
  EXPECT_EQ(Must(exceptions.List(As("alice"), {})).items.size(), 1u);
}

TEST_F(UseCases, AnExceptionForASubtreeNeedsTheRightOnAllOfIt) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith(known_));
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  Exceptions exceptions(*service_);
  policy::Exception e = Accepted(kApp);
  for (const char* wider : {"**", "*/app", "team-*/**", "team-a*/**", "team-a?app", "team-b/**"}) {
    e.repository = wider;
    EXPECT_EQ(exceptions.Request(As("alice"), e).error().code, Errc::kDenied) << wider;
  }
  e.repository = "team-a/**";
  EXPECT_EQ(exceptions.Request(As("bob"), e).error().code, Errc::kDenied);
  EXPECT_EQ(exceptions.Request(Pusher("alice", kApp), e).error().code, Errc::kDenied);  // a token for one repository
  auto asked = Must(exceptions.Request(As("alice"), e));
  EXPECT_EQ(exceptions.Approve(As("bob"), asked.exception.id).error().code, Errc::kNotFound);
  EXPECT_EQ(exceptions.Approve(As("maria"), asked.exception.id).error().code, Errc::kDenied);
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");
  ASSERT_TRUE(exceptions.Approve(As("sue"), asked.exception.id));
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  // Lists come in pages of what one may see.
  e.repository = kApp;
  for (int i = 0; i < 2; ++i) Must(exceptions.Request(As("alice"), e));
  EXPECT_TRUE(Must(exceptions.List(As("bob"), {})).items.empty());
  storage::PageRequest page;
  page.limit = 2;
  auto first = Must(exceptions.List(As("carol"), page));
  EXPECT_EQ(first.items.size(), 2u);
  page.after = first.next.value();
  auto rest = Must(exceptions.List(As("carol"), page));
  EXPECT_EQ(rest.items.size(), 1u);
  EXPECT_FALSE(rest.next);
}

TEST_F(UseCases, AnExceptionForATagFollowsTheTag) {
  StartWith({StrictPolicy()}, IndexWith(known_));
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  Exceptions exceptions(*service_);
  policy::Exception e = Accepted(kApp);
  e.reference = "v1";
  ASSERT_TRUE(exceptions.Approve(As("sue"), Must(exceptions.Request(As("alice"), e)).exception.id));
  EXPECT_EQ(Pull(As("pat"), kApp, bad_.digest().str()), "");
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, ImageOf({DebianLayer({{"bash", "5.2-1"}})}), "v1"));
  EXPECT_NE(Pull(As("pat"), kApp, bad_.digest().str()), "");
}

TEST_F(UseCases, PoliciesHaveVersionsAndJudgeAgain) {
  Start(IndexWith(known_));
  Policies policies(*service_);
  EXPECT_EQ(Must(policies.List(As("alice"))).at(0).source, "built-in");
  EXPECT_EQ(policies.Put(As("alice"), {"default", StrictPolicy(), true, std::nullopt}).error().code, Errc::kDenied);
  const std::string open = "policy: default\napplies_to: {repositories: [\"**\"]}\nmode: audit\n";
  EXPECT_EQ(Must(policies.Put(As("sue"), {"default", open, true, 0})).version, 1);
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  EXPECT_EQ(policies.Put(As("sue"), {"default", StrictPolicy(), true, 0}).error().code, Errc::kConflict);
  EXPECT_EQ(policies.Put(As("sue"), {"other", StrictPolicy(), true, std::nullopt}).error().code, Errc::kInvalid);
  EXPECT_EQ(policies.Put(As("sue"), {"default", "policy: default\nrulez: []\n", true, std::nullopt}).error().code,
            Errc::kInvalid);
  EXPECT_EQ(Must(policies.Put(As("sue"), {"default", StrictPolicy(), true, 1})).version, 2);
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");  // at once: until judged it counts as unscanned
  ASSERT_TRUE(policies.Put(As("sue"), {"default", "", false, std::nullopt}));
  EXPECT_NE(Pull(As("pat"), kApp, "v1").find("no policy applies"), std::string::npos);
  ASSERT_TRUE(policies.Remove(As("sue"), "default"));
  EXPECT_EQ(Must(policies.Get(As("sue"), "default")).source, "built-in");
  EXPECT_NE(Pull(As("pat"), kApp, "v1").find("CVE-2024-5171"), std::string::npos);
  EXPECT_EQ(CountEvents("policy.change"), 4u);
}

TEST_F(UseCases, ConfiguredPoliciesAreReadOnly) {
  StartWith({StrictPolicy()}, IndexWith({}));
  Policies policies(*service_);
  EXPECT_EQ(policies.Put(As("sue"), {"default", StrictPolicy(""), true, std::nullopt}).error().code, Errc::kConflict);
  EXPECT_EQ(Must(policies.List(As("sue"))).at(0).source, "configuration");
}

TEST_F(UseCases, ConfiguredPoliciesAreReadAgain) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith(known_));
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");
  InputStore& inputs = service_->inputs();
  auto configure = [&](const std::vector<std::string>& texts) {
    std::vector<policy::Policy> policies;
    for (const std::string& yaml : texts) policies.push_back(Must(policy::ParsePolicy(yaml)));
    return Must(inputs.Configure(std::move(policies), [&](storage::Tx& tx) {
      return audit::Record(tx, service_->rights().Event(As("admin"), "config.reload", "policies"));
    }));
  };
  EXPECT_TRUE(configure({"policy: default\nmode: audit\n"}));
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  EXPECT_FALSE(configure({"policy: default\nmode: audit\n"}));
  EXPECT_TRUE(configure({}));
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");  // at once, by the built-in policy
  EXPECT_EQ(Must(Policies(*service_).List(As("sue"))).at(0).source, "built-in");
  EXPECT_EQ(CountEvents("config.reload"), 2u);
}

// Two files that come at once: each change is marked against what was in use, whichever is the last.
TEST_F(UseCases, AdvisoryFilesMayComeAtOnce) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith({}));
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  for (int round = 0; round < 10; ++round) {
    std::vector<std::thread> threads;
    const auto knows = IndexWith(known_), other = IndexWith({{"CVE-2024-" + std::to_string(round), "x", "1"}});
    for (const auto& index : {knows, other}) {
      threads.emplace_back([this, index] {
        Must(service_->inputs().ChangeIndex(index, [](storage::Tx&) { return Status(); }));
      });
    }
    for (std::thread& thread : threads) thread.join();
    Drain();
    auto inputs = service_->inputs().Current();
    EXPECT_EQ(inputs->epochs.data, inputs->index->revision());
    clock_.Step(2 * kDay);  // lift_delay
    Drain();
    const bool denied = Pull(As("pat"), kApp, "v1") != "";
    EXPECT_EQ(denied, inputs->index == knows);
  }
}

TEST_F(UseCases, ImagesSayWhatIsKnownAndWhy) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith(known_));
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  Images images(*service_);
  auto list = Must(images.List(As("pat"), Repo(kApp), {}));
  ASSERT_EQ(list.items.size(), 1u);
  EXPECT_EQ(list.items[0].tags, std::vector<std::string>{"v1"});
  EXPECT_NE(list.items[0].summary.find("\"high\":1"), std::string::npos) << list.items[0].summary;
  auto why = Must(images.Explain(As("pat"), Repo(kApp), Ref("v1")));
  EXPECT_EQ(why.verdicts[IndexOf(policy::PointOfUse::kPull)].decision.outcome, policy::Outcome::kDeny);
  EXPECT_EQ(why.verdicts[IndexOf(policy::PointOfUse::kPush)].decision.outcome, policy::Outcome::kAllow);
  EXPECT_FALSE(images.Explain(As("bob"), Repo(kApp), Ref("v1")));
  auto report = Must(images.Report(As("pat"), Repo(kApp), Ref("v1"), std::nullopt));
  EXPECT_EQ(report.findings.findings.size(), 1u);
  EXPECT_EQ(report.verdicts.size(), 3u);
  EXPECT_EQ(report.platform, "linux/amd64");
}

TEST_F(UseCases, UsersAreManagedByAdministrators) {
  Users users(*service_);
  const std::string password = "correct horse battery";
  EXPECT_EQ(users.Create(As("maria"), "eve", password, auth::PrincipalKind::kUser).error().code, Errc::kDenied);
  EXPECT_EQ(users.Create(As("admin"), "eve", "short", auth::PrincipalKind::kUser).error().code, Errc::kInvalid);
  ASSERT_TRUE(users.Create(As("admin"), "eve", password, auth::PrincipalKind::kUser));
  EXPECT_EQ(users.Create(As("admin"), "eve", password, auth::PrincipalKind::kUser).error().code, Errc::kExists);
  auto grant = Must(users.AddGrant(As("admin"), "eve", "puller", "team-a/**"));
  EXPECT_FALSE(users.AddGrant(As("admin"), "eve", "emperor", "**"));
  Caller eve{Must(authenticator_->Password("eve", password, "10.0.0.9")), "10.0.0.9", ""};
  EXPECT_TRUE(eve.principal.must_change_password);
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, ImageOf({DebianLayer({{"bash", "5.2-1"}})}), "v1"));
  EXPECT_NE(Pull(eve, kApp, "v1"), "");  // may do nothing but set a new one
  EXPECT_EQ(users.ChangeOwnPassword(eve, "wrong password here", "another long password").error().code,
            Errc::kUnauthenticated);
  ASSERT_TRUE(users.ChangeOwnPassword(eve, password, "another long password"));
  eve.principal = Must(authenticator_->Password("eve", "another long password", "10.0.0.9"));
  EXPECT_EQ(Pull(eve, kApp, "v1"), "");
  ASSERT_TRUE(users.RemoveGrant(As("admin"), "eve", grant.id));
  EXPECT_NE(Pull(eve, kApp, "v1"), "");
  EXPECT_EQ(users.SetDisabled(As("admin"), "admin", true).error().code, Errc::kConflict);
  ASSERT_TRUE(users.SetDisabled(As("admin"), "eve", true));
  EXPECT_FALSE(authenticator_->Password("eve", "another long password", "10.0.0.9"));
}

TEST_F(UseCases, ProjectsAndRepositories) {
  Projects projects(*service_);
  EXPECT_EQ(projects.Create(As("alice"), "team-c").error().code, Errc::kDenied);
  ASSERT_TRUE(projects.Create(As("admin"), "team-c"));
  EXPECT_EQ(projects.Create(As("admin"), "team-c").error().code, Errc::kExists);
  auto seen = Must(projects.List(As("alice"), {}));
  ASSERT_EQ(seen.items.size(), 1u);
  EXPECT_EQ(seen.items[0].name, "team-a");
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith(known_));
  Projects again(*service_);
  ASSERT_TRUE(Push(Pusher("alice", kApp), kApp, bad_, "v1"));
  EXPECT_EQ(again.Delete(As("admin"), "team-a").error().code, Errc::kConflict);
  EXPECT_EQ(again.DeleteRepository(As("alice"), Repo(kApp)).error().code, Errc::kDenied);
  ASSERT_TRUE(again.DeleteRepository(As("maria"), Repo(kApp)));
  EXPECT_EQ(Pull(As("admin"), kApp, "v1"), "not found NAME_UNKNOWN: no repository team-a/app");
  // A new repository of the old name inherits nothing.
  ASSERT_TRUE(Push(Pusher("carol", kApp), kApp, ImageOf({DebianLayer({{"bash", "5.2-1"}})}), "v1"));
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  EXPECT_NE(ReadBlob(As("pat"), kApp, bad_.layers[0]), "");
  EXPECT_EQ(Must(again.Repositories(As("bob"), std::nullopt, {})).items.size(), 0u);
  EXPECT_EQ(Must(again.Repositories(As("pat"), "team-a", {})).items.size(), 1u);
  // The project goes with its last repository, not with the collector's next pass, and its name is free at once.
  ASSERT_TRUE(again.DeleteRepository(As("maria"), Repo(kApp)));
  ASSERT_TRUE(again.Delete(As("admin"), "team-a"));
  EXPECT_EQ(again.Delete(As("admin"), "team-a").error().code, Errc::kNotFound);
  ASSERT_TRUE(again.Create(As("admin"), "team-a"));
  EXPECT_EQ(Must(again.Repositories(As("admin"), "team-a", {})).items.size(), 0u);
}

TEST_F(UseCases, OlderOrEmptiedDataIsRefused) {
  const std::string path = directory_path_ + "/advisories.bwa";
  auto write = [&](const std::vector<Vulnerability>& vulnerabilities, Time date, const std::string& undated = "") {
    advisory::Builder builder;
    if (!undated.empty()) builder.AddSource({undated, 1, 0, kNever});
    for (const Vulnerability& v : vulnerabilities) {
      advisory::Record record;
      record.id = v.id;
      record.package = {"Debian:12", v.package};
      record.ranges = {{"0", v.fixed, ""}};
      record.severity = v.severity;
      record.source = "debian";
      Must(builder.Add(record));
    }
    builder.AddSource({"debian", vulnerabilities.size(), 0, date});
    Must(WriteFileAtomically(path, Must(builder.Finish())));
  };
  std::vector<Vulnerability> many;
  for (int i = 0; i < 10; ++i) many.push_back({"CVE-2024-" + std::to_string(1000 + i), "libaom", "1.0-2"});
  write(many, clock_.Now());
  Start(Must(Data::Load(path)));
  Data data(*service_, path);
  clock_.Step(-kDay);
  write(many, clock_.Now());
  EXPECT_EQ(data.Reload(As("admin")).error().code, Errc::kConflict);
  write(many, kNever);
  EXPECT_EQ(data.Reload(As("admin")).error().code, Errc::kConflict);
  clock_.Step(2 * kDay);
  write({many[0]}, clock_.Now());
  EXPECT_EQ(data.Reload(As("admin")).error().code, Errc::kConflict);
  EXPECT_NE(Must(data.Status(As("pat"))).problem, "");
  EXPECT_EQ(Must(data.Status(As("pat"))).records, 10u);
  std::ofstream(path) << "not an advisory file";
  EXPECT_FALSE(data.Reload(As("admin")));
  many.push_back({"CVE-2025-1", "bash", "9"});
  write(many, clock_.Now());
  EXPECT_EQ(data.Reload(As("alice")).error().code, Errc::kDenied);
  EXPECT_EQ(Must(data.Reload(As("admin"))).records, 11u);
  EXPECT_EQ(Must(data.Status(As("pat"))).problem, "");
  // A source without a date joins: the others are compared one by one.
  write(many, clock_.Now() - kDay, "secdb");
  EXPECT_EQ(data.Reload(As("admin")).error().code, Errc::kConflict);
  write(many, clock_.Now(), "secdb");
  EXPECT_EQ(Must(data.Reload(As("admin"))).date, clock_.Now());
  write(many, kNever, "secdb");
  EXPECT_EQ(data.Reload(As("admin")).error().code, Errc::kConflict);
  write(many, clock_.Now() - kDay, "secdb");
  EXPECT_EQ(data.Reload(As("admin")).error().code, Errc::kConflict);
}

}  // namespace
}  // namespace bulwark::service
