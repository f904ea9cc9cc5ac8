// DESIGN 2.2 to 2.4 as a table, and what moves a verdict (specs/attacks.md: gate-by-copy; issue 3 item 6).

#include "service/gate.h"

#include "service/document.h"
#include "service/images.h"
#include "service/service_fixture.h"

namespace bulwark::service {
namespace {

using auth::Verb;

constexpr const char* kApp = "team-a/app";

class GateTest : public ServiceFixture {
 protected:
  const Image bad_ = ImageOf({DebianLayer({{"libaom", "1.0-1"}})});
  const Image good_ = ImageOf({DebianLayer({{"bash", "5.2-1"}})});
  std::vector<Vulnerability> known_{{"CVE-2024-5171", "libaom", "1.0-2"}};
  Caller alice_{};

  void SetUp() override {
    ServiceFixture::SetUp();
    alice_ = Pusher("alice", kApp);
  }
  // Pushes are stored whatever they hold; pulls are gated.
  void OpenPushes() { StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith(known_)); }
  void PushBoth() {
    ASSERT_TRUE(Push(alice_, kApp, bad_, "bad"));
    ASSERT_TRUE(Push(alice_, kApp, good_, "good"));
  }
};

TEST_F(GateTest, RefusesAPullByNameOfRuleCveAndFix) {
  OpenPushes();
  PushBoth();
  EXPECT_EQ(Pull(As("pat"), kApp, "good"), "");
  const std::string refusal = Pull(As("pat"), kApp, "bad");
  for (const char* part : {"denied DENIED: the pull is refused", "fixable-high", "CVE-2024-5171", "libaom", "1.0-2",
                           "bulwark why team-a/app@sha256:"})
    EXPECT_NE(refusal.find(part), std::string::npos) << part << " in " << refusal;
  EXPECT_EQ(Pull(As("pat"), kApp, bad_.digest().str()), refusal);
  EXPECT_EQ(CountEvents("manifest.pull", audit::Outcome::kRefused), 2u);
}

TEST_F(GateTest, JudgesIntentAndGuardsBytes) {
  OpenPushes();
  PushBoth();
  struct Row {
    const char* what;
    Caller caller;
    bool manifest, existence, bytes;
  };
  const std::vector<Row> rows = {
      {"puller", As("pat"), false, false, false},
      {"puller's token", As("pat", kApp, {Verb::kPull}), false, false, false},
      {"cluster", As("kube"), false, false, false},
      {"pusher without token", As("alice"), false, false, false},
      {"pusher, pull scope", As("alice", kApp, {Verb::kPull}), false, false, false},
      {"pusher, push scope", Pusher("alice", kApp), true, true, false},
      {"signer", As("alice", kApp, {Verb::kPull, Verb::kSign}), true, true, false},
      {"push scope elsewhere", As("alice", "team-a/other", {Verb::kPull, Verb::kPush}), false, false, false},
      {"admin, pull scope", As("admin", kApp, {Verb::kPull}), false, false, false},
      {"admin without token", As("admin"), false, false, false},
      {"admin, push scope", Pusher("admin", kApp), true, true, true},
      {"security, named", As("sue", kApp, {Verb::kPull, Verb::kPullBlocked}), true, true, true},
      {"security, pull scope", As("sue", kApp, {Verb::kPull}), false, false, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    EXPECT_EQ(registry().GetManifest(row.caller, Repo(kApp), Ref("bad")).ok(), row.manifest);
    EXPECT_EQ(registry().StatBlob(row.caller, Repo(kApp), DigestOf(bad_.layers[0])).ok(), row.existence);
    EXPECT_EQ(registry().OpenBlob(row.caller, Repo(kApp), DigestOf(bad_.layers[0])).ok(), row.bytes);
  }
  EXPECT_EQ(CountEvents("gate.exemption"), 4u + 2u);  // four manifests, two times bytes
}

TEST_F(GateTest, ABlobIsReadableWhileOneManifestThatHasItIsAllowed) {
  OpenPushes();
  const std::string shared = DebianLayer({{"bash", "5.2-1"}});
  const Image clean = ImageOf({shared});
  const Image bad = ImageOf({shared, DebianLayer({{"bash", "5.2-1"}, {"libaom", "1.0-1"}})});
  ASSERT_TRUE(Push(alice_, kApp, bad, "bad"));
  EXPECT_NE(ReadBlob(As("pat"), kApp, shared), "");
  ASSERT_TRUE(Push(alice_, kApp, clean, "clean"));
  EXPECT_EQ(ReadBlob(As("pat"), kApp, shared), "");
  EXPECT_NE(ReadBlob(As("pat"), kApp, bad.layers[1]), "");
  // In another repository the same digest opens nothing.
  EXPECT_NE(ReadBlob(As("bob"), "team-b/x", shared), "");
}

TEST_F(GateTest, AnUnreferencedBlobIsItsUploadersOnly) {
  OpenPushes();
  Must(PushBlob(alice_, kApp, "loose bytes"));
  EXPECT_EQ(ReadBlob(alice_, kApp, "loose bytes"), "");
  EXPECT_NE(ReadBlob(As("pat"), kApp, "loose bytes"), "");
  EXPECT_NE(ReadBlob(Pusher("carol", kApp), kApp, "loose bytes"), "");
}

TEST_F(GateTest, DeniedBytesAreNotMounted) {
  OpenPushes();
  PushBoth();
  Caller carol = As("carol");
  carol.principal.scopes =
      std::vector<auth::Scope>{{"team-a/y", {Verb::kPull, Verb::kPush}}, {kApp, {Verb::kPull, Verb::kPush}}};
  EXPECT_FALSE(Must(registry().MountBlob(carol, Repo("team-a/y"), DigestOf(bad_.layers[0]), Repo(kApp))));
  EXPECT_TRUE(Must(registry().MountBlob(carol, Repo("team-a/y"), DigestOf(good_.layers[0]), Repo(kApp))));
  EXPECT_FALSE(Must(registry().MountBlob(carol, Repo("team-a/y"), DigestOf(bad_.layers[0]), std::nullopt)));
  EXPECT_FALSE(Must(registry().MountBlob(As("carol"), Repo("team-a/z"), DigestOf(bad_.layers[0]), std::nullopt)));
}

TEST_F(GateTest, APushIsRefusedByPolicy) {
  StartWith({StrictPolicy("on_push: refuse\n")}, IndexWith(known_));
  auto pushed = Push(alice_, kApp, bad_, "bad");
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().code, Errc::kDenied);
  for (const char* part : {"DENIED: the push is refused", "CVE-2024-5171", "1.0-2"})
    EXPECT_NE(pushed.error().message.find(part), std::string::npos) << pushed.error().message;
  EXPECT_EQ(Pull(alice_, kApp, "bad"), "not found MANIFEST_UNKNOWN: no manifest bad in team-a/app");
  EXPECT_EQ(CountEvents("manifest.push", audit::Outcome::kRefused), 1u);
  EXPECT_TRUE(Push(alice_, kApp, good_, "good"));
}

TEST_F(GateTest, QuarantineIsReadByPusherAndScannersAlone) {
  StartWith({StrictPolicy()}, IndexWith(known_));
  auto pushed = Must(Push(alice_, kApp, bad_, "bad"));
  ASSERT_EQ(pushed.warnings.size(), 1u);
  EXPECT_NE(pushed.warnings[0].find("CVE-2024-5171"), std::string::npos);
  EXPECT_EQ(Pull(As("alice"), kApp, "bad"), "");
  EXPECT_EQ(Pull(As("sue"), kApp, "bad"), "");
  EXPECT_EQ(ReadBlob(As("alice"), kApp, bad_.layers[0]), "");
  EXPECT_NE(Pull(As("pat"), kApp, "bad"), "");
  EXPECT_NE(Pull(Pusher("carol", kApp), kApp, "bad"), "");
  EXPECT_NE(ReadBlob(As("pat"), kApp, bad_.layers[0]), "");
}

TEST_F(GateTest, ACopyOfAQuarantinedImageOpensNoneOfItsBytes) {
  StartWith({StrictPolicy()}, IndexWith(known_));
  Must(Push(alice_, kApp, bad_, "bad"));
  Caller carol = Pusher("carol", kApp);
  Image copy = bad_;
  copy.manifest.insert(1, R"("annotations":{"a":"b"},)");
  Must(registry().PutManifest(carol, Repo(kApp), Ref("copy"), copy.media_type, copy.manifest, {}));
  EXPECT_EQ(Pull(carol, kApp, "copy"), "");  // what she pushed herself
  EXPECT_NE(ReadBlob(carol, kApp, bad_.layers[0]).find("CVE-2024-5171"), std::string::npos);
  EXPECT_EQ(ReadBlob(As("alice"), kApp, bad_.layers[0]), "");
  clock_.Step(30 * kDay);  // also when the lease of her upload is over
  EXPECT_EQ(ReadBlob(As("alice"), kApp, bad_.layers[0]), "");
  Must(PushBlob(carol, kApp, bad_.layers[0]));  // who brings the bytes has them
  EXPECT_EQ(ReadBlob(carol, kApp, bad_.layers[0]), "");
}

TEST_F(GateTest, WhatNoManifestNamesBelongsToItsUploader) {
  StartWith({}, IndexWith({}));
  Must(PushBlob(alice_, kApp, good_.config));
  Must(PushBlob(alice_, kApp, good_.layers[0]));
  Caller carol = Pusher("carol", kApp);
  EXPECT_EQ(registry().StatBlob(carol, Repo(kApp), DigestOf(good_.layers[0])).error().code, Errc::kNotFound);
  auto taken = registry().PutManifest(carol, Repo(kApp), Ref("taken"), good_.media_type, good_.manifest, {});
  EXPECT_EQ(taken.error().message.substr(0, 21), "MANIFEST_BLOB_UNKNOWN");
  // Nor as a layer that need not be here.
  Image elsewhere = good_;
  const std::string layer = "image.layer.v1.tar";
  for (auto at = elsewhere.manifest.find(layer); at != std::string::npos; at = elsewhere.manifest.find(layer, at + 40))
    elsewhere.manifest.replace(at, layer.size(), "image.layer.nondistributable.v1.tar");
  Must(PushBlob(carol, kApp, good_.config));
  (void)registry().PutManifest(carol, Repo(kApp), Ref("taken"), elsewhere.media_type, elsewhere.manifest, {});
  EXPECT_NE(ReadBlob(carol, kApp, good_.layers[0]), "");
  // With her own upload, of the same bytes, she has them.
  Must(Push(carol, kApp, good_, "v1"));
  EXPECT_EQ(ReadBlob(carol, kApp, good_.layers[0]), "");
}

TEST_F(GateTest, NewDataDeniesAtOnceAndFreesSlowly) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith({}));
  PushBoth();
  EXPECT_EQ(Pull(As("pat"), kApp, "bad"), "");
  auto swap = [&](std::shared_ptr<const advisory::Index> index) {
    Must(service_->inputs().ChangeIndex(std::move(index), [](storage::Tx&) { return Status(); }));
  };
  swap(IndexWith(known_));
  EXPECT_EQ(Pull(As("pat"), kApp, "bad"), "");  // the old verdict serves until the new one is there
  Drain();
  EXPECT_NE(Pull(As("pat"), kApp, "bad"), "");
  EXPECT_EQ(Pull(As("pat"), kApp, "good"), "");
  swap(IndexWith({}));
  Drain();
  EXPECT_NE(Pull(As("pat"), kApp, "bad").find("no longer supports"), std::string::npos);
  clock_.Step(kDay - Millis(1));
  EXPECT_NE(Pull(As("pat"), kApp, "bad"), "");
  clock_.Step(Millis(1));
  EXPECT_EQ(Pull(As("pat"), kApp, "bad"), "");
  EXPECT_GE(CountEvents("verdict.change"), 3u);
}

TEST_F(GateTest, OnlyImagesWithChangedPackagesAreJudgedAgain) {
  OpenPushes();
  PushBoth();
  known_.push_back({"CVE-2024-1", "libaom", "1.0-3"});
  Must(service_->inputs().ChangeIndex(IndexWith(known_), [](storage::Tx&) { return Status(); }));
  auto pending = Must(database_->Read([&](const storage::ReadTx& tx) {
    return tx.Int("SELECT COUNT(DISTINCT digest) FROM verdicts WHERE pending <> 0", {});
  }));
  EXPECT_EQ(pending, 1);
}

TEST_F(GateTest, TimeFlipsAVerdictWithoutAnybodyTouchingIt) {
  known_[0].fixed_at = clock_.Now();
  StartWith({"policy: default\napplies_to: {repositories: [\"**\"], at: [push, pull, admission]}\nmode: "
             "enforce\nrules:\n  - id: old-fixes\n    deny: {severity: high, fix: available, fix_older_than: 7d}\n"},
            IndexWith(known_));
  PushBoth();
  EXPECT_EQ(Pull(As("pat"), kApp, "bad"), "");
  clock_.Step(7 * kDay - Millis(1));
  EXPECT_EQ(Pull(As("pat"), kApp, "bad"), "");
  clock_.Step(Millis(1));
  EXPECT_NE(Pull(As("pat"), kApp, "bad"), "");
  EXPECT_EQ(Pull(As("pat"), kApp, "good"), "");
}

TEST_F(GateTest, BrokenAnalysisIsNeverSafe) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith(known_));
  analyzer_.broken = true;
  ASSERT_TRUE(Push(alice_, kApp, good_, "good"));
  const std::string refusal = Pull(As("pat"), kApp, "good");
  EXPECT_NE(refusal.find("not fully scanned"), std::string::npos) << refusal;
}

TEST_F(GateTest, UnfinishedAnalysisIsDecidedByThePolicy) {
  analyzer_.late = true;
  StartWith({StrictPolicy("unscanned: allow\n")}, IndexWith(known_));
  ASSERT_TRUE(Push(alice_, kApp, bad_, "bad"));
  EXPECT_EQ(Pull(As("pat"), kApp, "bad"), "");
  analyzer_.late = false;
  for (int i = 0; i < 100 && Pull(As("pat"), kApp, "bad").empty(); ++i) {
    clock_.Step(std::chrono::minutes(1));
    Drain();
  }
  EXPECT_NE(Pull(As("pat"), kApp, "bad").find("CVE-2024-5171"), std::string::npos);
}

TEST_F(GateTest, LyingConfigsLeaveGaps) {
  OpenPushes();
  Image lying = ImageOf({DebianLayer({{"bash", "5.2-1"}})});
  Image other = ImageOf({DebianLayer({{"zlib", "1"}})});
  Image swapped = ManifestOf(other.config, formats::kOciConfig, lying.layers, "application/vnd.oci.image.layer.v1.tar");
  Image short_config = ManifestOf(R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}})",
                                  formats::kOciConfig, lying.layers, "a/b");
  ASSERT_TRUE(Push(alice_, kApp, swapped, "swapped"));
  ASSERT_TRUE(Push(alice_, kApp, short_config, "short"));
  EXPECT_NE(Pull(As("pat"), kApp, "swapped").find("diff_id"), std::string::npos) << Pull(As("pat"), kApp, "swapped");
  EXPECT_NE(Pull(As("pat"), kApp, "short").find("diff_ids"), std::string::npos) << Pull(As("pat"), kApp, "short");
}

TEST_F(GateTest, ArtifactsHaveTheirOwnKey) {
  OpenPushes();
  const Image chart =
      ManifestOf(R"({"name":"chart"})", "application/vnd.cncf.helm.config.v1+json",
                 {Tar({{"chart/Chart.yaml", "name: chart\n"}})}, "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
  ASSERT_TRUE(Push(alice_, kApp, chart, "chart"));
  EXPECT_EQ(Pull(As("pat"), kApp, "chart"), "");
  // Calling an image an artifact does not make it one.
  Image dressed = bad_;
  dressed.manifest.insert(1, R"("artifactType":"application/vnd.cncf.helm.chart",)");
  ASSERT_TRUE(Push(alice_, kApp, dressed, "dressed"));
  EXPECT_NE(Pull(As("pat"), kApp, "dressed").find("CVE-2024-5171"), std::string::npos);
  StartWith({StrictPolicy("artifacts: deny\n", "pull, admission"), kOpenPushes}, IndexWith(known_));
  EXPECT_NE(Pull(As("pat"), kApp, "chart"), "");
}

TEST_F(GateTest, EvidenceOfADeniedImageStaysReadable) {
  StartWith({StrictPolicy("artifacts: deny\n", "pull, admission"), kOpenPushes}, IndexWith(known_));
  ASSERT_TRUE(Push(alice_, kApp, bad_, "bad"));
  const std::string subject = R"("artifactType":"application/vnd.cyclonedx+json","subject":)" +
                              DescriptorJson(bad_.media_type, bad_.manifest) + ",";
  const Image sbom = ManifestOf("{}", "application/vnd.oci.empty.v1+json", {R"({"bomFormat":"CycloneDX"})"},
                                "application/vnd.cyclonedx+json", subject);
  ASSERT_TRUE(Push(alice_, kApp, sbom, sbom.digest().str()));
  EXPECT_EQ(Pull(As("pat"), kApp, sbom.digest().str()), "");
  EXPECT_EQ(ReadBlob(As("pat"), kApp, sbom.layers[0]), "");
  EXPECT_NE(Pull(As("pat"), kApp, "bad"), "");
}

Image Sbom(std::string text, const Image& about, const std::string& more = "") {
  const std::string subject = R"("artifactType":"application/vnd.cyclonedx+json",)" + more + R"("subject":)" +
                              DescriptorJson(about.media_type, about.manifest) + ",";
  return ManifestOf("{}", "application/vnd.oci.empty.v1+json", {std::move(text)}, "application/vnd.cyclonedx+json",
                    subject);
}
Image Chart(std::string archive) {
  return ManifestOf(R"({"name":"chart"})", "application/vnd.cncf.helm.config.v1+json", {std::move(archive)},
                    "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
}

TEST_F(GateTest, WhatIsNoImageOpensNoDeniedBytes) {
  OpenPushes();
  PushBoth();
  const std::string denied = bad_.layers[0];
  for (const Image& cover : {Sbom(denied, bad_), Chart(denied), Sbom(bad_.config, bad_)}) {
    ASSERT_TRUE(Push(alice_, kApp, cover, cover.digest().str()));
    EXPECT_EQ(Pull(As("pat"), kApp, cover.digest().str()), "");  // the manifest itself is harmless
    EXPECT_NE(ReadBlob(As("pat"), kApp, denied).find("CVE-2024-5171"), std::string::npos);
    EXPECT_NE(ReadBlob(alice_, kApp, denied), "");  // by which he who may push could not read them either
  }
  EXPECT_NE(ReadBlob(As("pat"), kApp, bad_.config), "");
  EXPECT_EQ(ReadBlob(As("sue", kApp, {Verb::kPull, Verb::kPullBlocked}), kApp, denied), "");
  Caller carol = As("carol");
  carol.principal.scopes =
      std::vector<auth::Scope>{{"team-a/y", {Verb::kPull, Verb::kPush}}, {kApp, {Verb::kPull, Verb::kPush}}};
  EXPECT_FALSE(Must(registry().MountBlob(carol, Repo("team-a/y"), DigestOf(denied), Repo(kApp))));
  // An image that may be pulled, such as the one that mends it, opens what it is made of.
  const Image mended = ImageOf({denied, DebianLayer({{"libaom", "1.0-2"}})});
  ASSERT_TRUE(Push(alice_, kApp, mended, "mended"));
  EXPECT_EQ(ReadBlob(As("pat"), kApp, denied), "");
}

TEST_F(GateTest, ADeniedImageHidesNoDocuments) {
  OpenPushes();
  PushBoth();
  const Image sbom = Sbom(R"({"bomFormat":"CycloneDX"})", bad_), chart = Chart(Tar({{"Chart.yaml", "name: x\n"}}));
  ASSERT_TRUE(Push(alice_, kApp, sbom, sbom.digest().str()));
  ASSERT_TRUE(Push(alice_, kApp, chart, "chart"));
  EXPECT_EQ(ReadBlob(As("pat"), kApp, chart.layers[0]), "");
  // Denied: its config has no diff_ids, its layers are no archives.
  const Image cover = ManifestOf(sbom.config, formats::kOciConfig, {sbom.layers[0], chart.layers[0]},
                                 "application/vnd.oci.image.layer.v1.tar");
  ASSERT_TRUE(Push(alice_, kApp, cover, "cover"));
  EXPECT_NE(Pull(As("pat"), kApp, "cover"), "");
  EXPECT_EQ(ReadBlob(As("pat"), kApp, sbom.layers[0]), "");
  EXPECT_EQ(ReadBlob(As("pat"), kApp, sbom.config), "");
  EXPECT_NE(ReadBlob(As("pat"), kApp, chart.layers[0]), "");  // an archive that an image was refused for
}

// DESIGN 2.16: what is served from memory is what the gate would say.
TEST_F(GateTest, WhatIsAtHandFollowsEveryChange) {
  OpenPushes();
  PushBoth();
  const Caller pat = As("pat");
  auto at_hand = [&](std::string_view reference) {
    auto answer = registry().ManifestAtHand(pat, Repo(kApp), Ref(reference));
    return answer ? answer->digest.short_str() : std::string("-");
  };
  auto served = [&](std::string_view reference) {
    std::string pulled = Pull(pat, kApp, reference);
    return pulled.empty() ? at_hand(reference) : "refused, " + at_hand(reference);
  };
  const std::string good = good_.digest().short_str();
  EXPECT_EQ(at_hand("good"), "-");
  EXPECT_EQ(served("good"), good);
  EXPECT_EQ(served("bad"), "refused, -");
  EXPECT_TRUE(registry().GetManifest(alice_, Repo(kApp), Ref("bad")));  // by exemption: his alone
  EXPECT_EQ(at_hand("bad"), "-");
  // What does not touch the answer leaves it.
  Must(PushBlob(alice_, kApp, "a loose blob"));
  Must(service_->pulls().Flush(PullRecorder::What::kAll));
  EXPECT_EQ(at_hand("good"), good);
  // A tag that moves, a policy that changes, a manifest that goes.
  Image other = ImageOf({DebianLayer({{"bash", "5.2-2"}})});
  ASSERT_TRUE(Push(alice_, kApp, other, "good"));
  EXPECT_EQ(at_hand("good"), "-");
  EXPECT_EQ(served("good"), other.digest().short_str());
  Must(database_->Write([&](storage::Tx& tx) -> Status {
    BW_TRY(auto repository, storage::ResolveRepository(tx, Repo(kApp)));
    return MarkPending(tx, repository->id, other.digest(), Pending::kPolicy);
  }));
  EXPECT_EQ(at_hand("good"), "-");
  EXPECT_EQ(served("good"), "-");  // that pull judged it, which is a commit
  EXPECT_EQ(served("good"), other.digest().short_str());
  ASSERT_TRUE(registry().DeleteManifest(As("maria", kApp, {Verb::kPull, Verb::kDelete}), Repo(kApp), Ref("good")));
  EXPECT_EQ(served("good"), "refused, -");
}

// A verdict that time flips is not served beyond that instant.
TEST_F(GateTest, WhatIsAtHandRunsOutWithItsVerdict) {
  known_[0].fixed_at = clock_.Now();
  StartWith({"policy: default\napplies_to: {repositories: [\"**\"], at: [pull, admission]}\nmode: enforce\nrules:\n"
             "  - id: fixable\n    deny: {fix: available, fix_older_than: 7d}\n",
             kOpenPushes},
            IndexWith(known_));
  ASSERT_TRUE(Push(alice_, kApp, bad_, "young"));
  EXPECT_EQ(Pull(As("pat"), kApp, "young"), "");
  EXPECT_TRUE(registry().ManifestAtHand(As("pat"), Repo(kApp), Ref("young")));
  clock_.Step(8 * kDay);
  EXPECT_FALSE(registry().ManifestAtHand(As("pat"), Repo(kApp), Ref("young")));
  EXPECT_NE(Pull(As("pat"), kApp, "young"), "");
}

TEST_F(GateTest, HoldersBeyondTheLimitCountAsRefused) {
  OpenPushes();
  PushBoth();
  const Image first = Sbom(bad_.layers[0], bad_);
  ASSERT_TRUE(Push(alice_, kApp, first, first.digest().str()));
  const auto id = Must(database_->Read([&](const storage::ReadTx& tx) {
                    return storage::ResolveRepository(tx, Repo(kApp));
                  }))->id;
  Must(database_->Write([&](storage::Tx& tx) -> Status {  // a thousand more like it, newer than the denied image
    BW_TRY(auto subject, FindSubject(tx, id, first.digest()));
    BW_TRY(auto verdicts, FindVerdicts(tx, id, first.digest()));
    for (int i = 0; i < 1000; ++i) {
      storage::NewManifest manifest;
      const std::string bytes = "copy " + std::to_string(i);
      manifest.digest = subject->digest = DigestOf(bytes);
      manifest.media_type = formats::kOciManifest;
      for (const Image* image : {&bad_, &good_})
        manifest.edges.push_back({storage::EdgeKind::kBlob, DigestOf(image->layers[0]), std::nullopt, true});
      manifest.bytes = AsBytes(bytes);
      BW_CHECK(storage::PutManifest(tx, id, manifest, std::nullopt, subject->pushed_by, clock_.Now()));
      BW_CHECK(PutSubject(tx, *subject));
      BW_CHECK(PutVerdicts(tx, id, subject->digest, *verdicts));
    }
    return {};
  }));
  EXPECT_NE(ReadBlob(As("pat"), kApp, bad_.layers[0]), "");
  EXPECT_EQ(ReadBlob(As("pat"), kApp, good_.layers[0]), "");  // they do not hide an allowed image that names it
  // Nor is each of them judged for one blob where no stored verdict serves.
  Must(database_->Write([&](storage::Tx& tx) { return MarkRepositoryPending(tx, id, Pending::kPolicy); }));
  EXPECT_NE(ReadBlob(As("pat"), kApp, bad_.layers[0]), "");
  auto pending = Must(database_->Read([&](const storage::ReadTx& tx) {
    return tx.Int("SELECT COUNT(DISTINCT digest) FROM verdicts WHERE pending = 3", {});
  }));
  EXPECT_GE(*pending, 990);
}

// The header of one file without a byte that is not text; Go's archive/tar (and so containerd) reads it as V7.
std::string TextTar(std::string_view start) {
  std::string header(512, ' '), name(start);
  while (name.size() < 100) name += name.back() == '/' ? '.' : '/';
  header.replace(0, 100, name);
  header.replace(100, 24, "0000644 0000000 0000000 ");
  header.replace(124, 24, "00000001000 00000000000 ");
  header[156] = '0';
  unsigned sum = 0;
  for (unsigned char c : header) sum += c;
  std::string digits;
  for (; digits.size() < 6; sum >>= 3) digits.insert(digits.begin(), static_cast<char>('0' + (sum & 7)));
  return header.replace(148, 6, digits) + std::string(512, '#');
}

TEST(Document, IsReadNotRun) {
  using namespace std::string_view_literals;
  EXPECT_TRUE(IsDocument(""sv));
  EXPECT_TRUE(IsDocument("{}"sv));
  EXPECT_TRUE(IsDocument(R"({"bomFormat":"CycloneDX","rootfs":1})"sv));
  EXPECT_TRUE(IsDocument("SPDXVersion: SPDX-2.3\r\n"sv));
  EXPECT_TRUE(IsDocument("\xd2\x84\x43\xa1\x01\x26"sv));  // COSE_Sign1 as Notary Project stores it
  EXPECT_FALSE(IsDocument(ImageOf({}).config));
  EXPECT_FALSE(IsDocument(R"({"rootFS":{"diff_ids":[]}})"sv));                    // Go reads that, we do not
  EXPECT_FALSE(IsDocument(R"({"a":1,"a":2,"rootfs":{"diff_ids":[]}})"sv));        // nor that
  EXPECT_FALSE(IsDocument(Tar({{"a", "text"}})));
  EXPECT_FALSE(IsDocument(TextTar("app/")));
  EXPECT_FALSE(IsDocument(TextTar("\xd2\x84/")));  // U+0484, as COSE_Sign1 begins
  for (std::string_view start : {"\x1f\x8b\x08"sv, "\x28\xb5\x2f\xfd"sv, "BZh91AY&SY\x90"sv, "\xfd""7zXZ\0"sv, "\x5d\0\0"sv})
    EXPECT_FALSE(IsDocument(start));
}

// As buildx makes it: an index of an image and a manifest whose layers are in-toto statements about the image.
Image Attestation(const Image& about) {
  const std::string statement =
      R"({"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2","subject":[{"name":"x","digest":{"sha256":")" +
      about.digest().hex() + R"("}}],"predicate":{}})";
  return ManifestOf(R"({"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[")" +
                        DigestOf(statement).str() + R"("]}})",
                    formats::kOciConfig, {statement}, formats::kInTotoMediaType);
}

// docs/adr/0007: what another repository knows of a child is not known where its layers are absent.
TEST_F(GateTest, AnAttestationWithoutItsLayersProvesNothing) {
  ServiceOptions options;
  options.sparse = Sparse::kAll;
  Start(IndexWith({}), options);
  const Image attestation = Attestation(good_);
  const Image index = IndexOf({{&good_}, {&attestation, R"({"os":"unknown","architecture":"unknown"})"}});
  auto runnable = [&](const char* repository) {
    Images images(*service_);
    return Must(images.Explain(As("admin"), Repo(repository), Ref("all"))).children[1].runnable;
  };
  for (const char* repository : {"team-a/sparse", "team-a/whole"}) {
    const Caller pusher = Pusher("alice", repository);
    ASSERT_TRUE(Push(pusher, repository, good_, "good"));
    Must(PushBlob(pusher, repository, attestation.config));
    if (std::string(repository) == "team-a/whole") Must(PushBlob(pusher, repository, attestation.layers[0]));
    ASSERT_TRUE(registry().PutManifest(pusher, Repo(repository), Reference(attestation.digest()), attestation.media_type, attestation.manifest, {}));
    ASSERT_TRUE(registry().PutManifest(pusher, Repo(repository), Ref("all"), index.media_type, index.manifest, {}));
  }
  EXPECT_FALSE(runnable("team-a/whole"));
  EXPECT_TRUE(runnable("team-a/sparse"));
}

TEST_F(GateTest, IndexesAreServedByTheirChildren) {
  OpenPushes();
  PushBoth();
  const Image index = IndexOf({{&bad_}, {&good_, R"({"os":"linux","architecture":"arm64"})"}});
  ASSERT_TRUE(Push(alice_, kApp, index, "both"));
  EXPECT_EQ(Pull(As("pat"), kApp, "both"), "");
  const Image only_bad = IndexOf({{&bad_}});
  ASSERT_TRUE(Push(alice_, kApp, only_bad, "only-bad"));
  EXPECT_NE(Pull(As("pat"), kApp, "only-bad").find("CVE-2024-5171"), std::string::npos);
  auto id =
      Must(database_->Read([&](const storage::ReadTx& tx) { return storage::ResolveRepository(tx, Repo(kApp)); }))->id;
  EXPECT_EQ(
      Must(service_->engine().Current(id, index.digest()))[IndexOf(policy::PointOfUse::kAdmission)].decision.outcome,
      policy::Outcome::kDeny);
}

TEST_F(GateTest, AttestationChildrenAreNotImages) {
  StartWith({StrictPolicy("", "pull, admission"), kOpenPushes}, IndexWith({}));
  const Image attestation = Attestation(bad_);
  const char* unknown = R"({"os":"unknown","architecture":"unknown"})";
  const Image index = IndexOf({{&bad_}, {&attestation, unknown}});
  ASSERT_TRUE(Push(alice_, kApp, bad_, bad_.digest().str()));
  ASSERT_TRUE(Push(alice_, kApp, attestation, attestation.digest().str()));
  ASSERT_TRUE(Push(alice_, kApp, index, "v1"));
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  Must(service_->inputs().ChangeIndex(IndexWith(known_), [](storage::Tx&) { return Status(); }));
  Drain();
  EXPECT_NE(Pull(As("pat"), kApp, "v1").find("CVE-2024-5171"), std::string::npos);
  EXPECT_EQ(Pull(As("pat"), kApp, attestation.digest().str()), "");  // it explains the denial
  // Whatever its platform says, an image that a runtime could unpack is one.
  const Image hidden = IndexOf({{&bad_, unknown}, {&good_}});
  ASSERT_TRUE(Push(alice_, kApp, good_, "good"));
  ASSERT_TRUE(Push(alice_, kApp, hidden, "hidden"));
  auto id =
      Must(database_->Read([&](const storage::ReadTx& tx) { return storage::ResolveRepository(tx, Repo(kApp)); }))->id;
  EXPECT_EQ(
      Must(service_->engine().Current(id, hidden.digest()))[IndexOf(policy::PointOfUse::kAdmission)].decision.outcome,
      policy::Outcome::kDeny);
}

TEST_F(GateTest, ALateChildChangesItsIndex) {
  OpenPushes();
  const Image index = IndexOf({{&good_}, {&bad_, R"({"os":"linux","architecture":"arm64"})"}});
  ASSERT_TRUE(Push(alice_, kApp, bad_, bad_.digest().str()));
  ASSERT_TRUE(Push(alice_, kApp, index, "v1"));
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");
  ASSERT_TRUE(Push(alice_, kApp, good_, good_.digest().str()));
  Drain();
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  ASSERT_TRUE(registry().DeleteManifest(As("maria", kApp, {Verb::kPull, Verb::kDelete}), Repo(kApp),
                                        Reference(good_.digest())));
  Drain();
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");
}

TEST_F(GateTest, WhatAnIndexLacksIsSaidAndNotRun) {
  OpenPushes();
  const Image index = IndexOf({{&good_}, {&bad_, R"({"os":"linux","architecture":"arm64"})"}});
  auto before = Push(alice_, kApp, index, "v1");  // before its images: taken in, with a warning
  ASSERT_TRUE(before) << before.error().message;
  EXPECT_NE(Pull(As("pat"), kApp, "v1"), "");
  ASSERT_TRUE(Push(alice_, kApp, good_, good_.digest().str()));
  Drain();
  EXPECT_EQ(Pull(As("pat"), kApp, "v1"), "");
  auto id =
      Must(database_->Read([&](const storage::ReadTx& tx) { return storage::ResolveRepository(tx, Repo(kApp)); }))->id;
  Verdicts verdicts = Must(service_->engine().Current(id, index.digest()));
  EXPECT_EQ(verdicts[IndexOf(policy::PointOfUse::kPull)].decision.outcome, policy::Outcome::kWarn);
  EXPECT_EQ(verdicts[IndexOf(policy::PointOfUse::kAdmission)].decision.outcome, policy::Outcome::kDeny);
  const Image empty = IndexOf(std::vector<IndexEntry>());
  ASSERT_TRUE(Push(alice_, kApp, empty, "empty"));
  EXPECT_EQ(Pull(As("pat"), kApp, "empty"), "");
  verdicts = Must(service_->engine().Current(id, empty.digest()));
  EXPECT_EQ(verdicts[IndexOf(policy::PointOfUse::kAdmission)].decision.outcome, policy::Outcome::kDeny);
}

TEST_F(GateTest, GraceForWhatRuns) {
  StartWith({StrictPolicy("grace: {running_digests: 72h}\n", "pull, admission"), kOpenPushes}, IndexWith({}));
  PushBoth();
  EXPECT_EQ(Pull(As("kube"), kApp, "bad"), "");
  Must(service_->pulls().Flush(PullRecorder::What::kDue));  // a cluster's pulls do not wait for their minute
  clock_.Step(std::chrono::hours(1));
  Must(service_->inputs().ChangeIndex(IndexWith(known_), [](storage::Tx&) { return Status(); }));
  Drain();
  EXPECT_EQ(Pull(As("kube"), kApp, "bad"), "");
  clock_.Step(3 * kDay - Millis(1));
  EXPECT_EQ(Pull(As("kube"), kApp, "bad"), "");
  clock_.Step(Millis(1));
  EXPECT_NE(Pull(As("kube"), kApp, "bad"), "");
}

TEST_F(GateTest, VerdictsOutliveARestart) {
  OpenPushes();
  PushBoth();
  int analysed = analyzer_.analysed;
  OpenPushes();
  EXPECT_NE(Pull(As("pat"), kApp, "bad"), "");
  EXPECT_EQ(Pull(As("pat"), kApp, "good"), "");
  EXPECT_EQ(analyzer_.analysed, analysed);
  StartWith({StrictPolicy("", "admission"), kOpenPushes,
             "policy: open\napplies_to: {repositories: [\"**\"], at: [pull]}\nmode: audit\n"},
            IndexWith(known_));
  EXPECT_EQ(Pull(As("pat"), kApp, "bad"), "");  // another configuration: judged by it from the first request on
}

}  // namespace
}  // namespace bulwark::service
