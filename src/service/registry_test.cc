// Push, pull and their refusals (distribution-spec 1.1; specs/attacks.md: upload-session-foreign,
// upload-offset-forgery, delete-guards, referrers-of-private, search-and-cursor-leak).

#include "service/registry.h"

#include "service/images.h"
#include "service/service_fixture.h"

namespace bulwark::service {
namespace {

using auth::Verb;

class RegistryTest : public ServiceFixture {
 protected:
  const Image image_ = ImageOf({DebianLayer({{"bash", "5.2-1"}})});
  Caller alice_{};
  void SetUp() override {
    ServiceFixture::SetUp();
    alice_ = Pusher("alice", "team-a/app");
  }
};

TEST_F(RegistryTest, PushesAndPulls) {
  auto pushed = Push(alice_, "team-a/app", image_, "v1");
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(pushed->digest, image_.digest());
  auto by_tag = registry().GetManifest(As("pat"), Repo("team-a/app"), Ref("v1"));
  ASSERT_TRUE(by_tag) << by_tag.error().message;
  EXPECT_EQ(*by_tag->bytes, image_.manifest);
  EXPECT_EQ(by_tag->media_type, formats::kOciManifest);
  EXPECT_EQ(Pull(As("pat"), "team-a/app", image_.digest().str()), "");
  EXPECT_EQ(ReadBlob(As("pat"), "team-a/app", image_.layers[0]), "");
  EXPECT_EQ(ReadBlob(As("pat"), "team-a/app", image_.config), "");
  Must(service_->pulls().Flush(PullRecorder::What::kAll));
  EXPECT_EQ(CountEvents("manifest.pull"), 1u);
  EXPECT_EQ(CountEvents("manifest.push"), 1u);
  EXPECT_EQ(CountEvents("blob.push"), 2u);
}

TEST_F(RegistryTest, AFullDiskTakesNoManifestsButDeletions) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  auto driver = std::make_unique<HookedDriver>(std::move(blobs_));
  HookedDriver& disk = *driver;
  blobs_ = std::move(driver);
  Start(IndexWith({}));
  disk.full = true;
  auto pushed = registry().PutManifest(alice_, Repo("team-a/app"), Ref("v2"), image_.media_type, image_.manifest, {});
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().code, Errc::kUnavailable);
  EXPECT_NE(Pull(As("pat"), "team-a/app", "v2"), "");
  EXPECT_EQ(Pull(As("pat"), "team-a/app", "v1"), "");
  EXPECT_TRUE(registry().DeleteManifest(As("admin"), Repo("team-a/app"), Ref("v1")));
}

TEST_F(RegistryTest, EachBlobIsAnalysedOnce) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  int analysed = analyzer_.analysed;
  EXPECT_EQ(analysed, 1);
  Must(Push(alice_, "team-a/app", image_, "v2"));
  Must(Push(Pusher("bob", "team-b/x"), "team-b/x", image_, "v1"));
  EXPECT_EQ(analyzer_.analysed, analysed);
}

TEST_F(RegistryTest, StrangersLearnNothing) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  const std::string of_real = Pull(As("bob"), "team-a/app", "v1"), of_none = Pull(As("bob"), "team-a/nil", "v1");
  EXPECT_EQ(of_real, "not found NAME_UNKNOWN: no repository team-a/app");
  EXPECT_EQ(of_none, "not found NAME_UNKNOWN: no repository team-a/nil");
  EXPECT_EQ(PushBlob(Pusher("bob", "team-a/app"), "team-a/app", "x").error().code, Errc::kNotFound);
  EXPECT_EQ(PushBlob(As("pat", "team-a/app", {Verb::kPull, Verb::kPush}), "team-a/app", "x").error().code,
            Errc::kDenied);
  Caller anonymous;
  EXPECT_EQ(registry().GetManifest(anonymous, Repo("team-a/app"), Ref("v1")).error().code, Errc::kUnauthenticated);
  auto seen = Must(registry().ListRepositories(As("bob"), 100, ""));
  EXPECT_TRUE(seen.items.empty());
  EXPECT_EQ(Must(registry().ListRepositories(As("pat"), 100, "")).items, std::vector<std::string>{"team-a/app"});
  // Tokens: that of a client that lists, one for a repository, one for nothing.
  Caller lister = As("pat");
  lister.principal.scopes = std::vector<auth::Scope>{{std::string(auth::kCatalogScope), {auth::Verb::kPull}}};
  EXPECT_EQ(Must(registry().ListRepositories(lister, 100, "")).items, std::vector<std::string>{"team-a/app"});
  EXPECT_EQ(Must(registry().ListRepositories(As("pat", "team-a/other", {auth::Verb::kPull}), 100, "")).items.size(), 0u);
  lister.principal.scopes->clear();
  EXPECT_EQ(registry().ListRepositories(lister, 100, "").error().code, Errc::kDenied);
}

TEST_F(RegistryTest, UploadLimitsAreThoseOfTheConfiguration) {
  ServiceOptions options;
  options.uploads_per_user = 1;
  options.upload_lifetime = std::chrono::minutes(5);
  Start(IndexWith({}), options);
  auto open = Must(registry().StartUpload(alice_, Repo("team-a/app")));
  EXPECT_EQ(registry().StartUpload(alice_, Repo("team-a/app")).error().code, Errc::kLimit);
  clock_.Step(std::chrono::minutes(4));
  {
    auto stream = Must(registry().ContinueUpload(alice_, Repo("team-a/app"), open.id, 0));
    Must(stream->End());
  }
  clock_.Step(std::chrono::minutes(4));  // it was renewed
  EXPECT_TRUE(registry().UploadStatus(alice_, Repo("team-a/app"), open.id));
  clock_.Step(std::chrono::minutes(1));
  EXPECT_FALSE(registry().UploadStatus(alice_, Repo("team-a/app"), open.id));
  EXPECT_TRUE(registry().StartUpload(alice_, Repo("team-a/app")));
}

TEST_F(RegistryTest, LookingIsNoPull) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  ASSERT_TRUE(registry().StatManifest(As("kube"), Repo("team-a/app"), Ref("v1")));
  Must(service_->pulls().Flush(PullRecorder::What::kAll));
  auto pulls = [&] {
    return Must(database_->Read([](const storage::ReadTx& tx) { return tx.Int("SELECT COUNT(*) FROM pulls", {}); }));
  };
  EXPECT_EQ(pulls(), 0);
  ASSERT_TRUE(registry().GetManifest(As("kube"), Repo("team-a/app"), Ref("v1")));
  Must(service_->pulls().Flush(PullRecorder::What::kAll));
  EXPECT_EQ(pulls(), 1);
}

TEST_F(RegistryTest, RepositoriesAreMadeOnlyInProjects) {
  auto made = PushBlob(Pusher("admin", "nowhere/app"), "nowhere/app", "x");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::kNotFound);
  EXPECT_TRUE(made.error().message.starts_with("NAME_UNKNOWN: there is no project nowhere")) << made.error().message;
}

TEST_F(RegistryTest, UploadsBelongToOnePrincipalInOneRepository) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  Must(Push(Pusher("alice", "team-a/other"), "team-a/other", image_, "v1"));
  auto upload = Must(registry().StartUpload(alice_, Repo("team-a/app")));
  {
    auto stream = Must(registry().ContinueUpload(alice_, Repo("team-a/app"), upload.id, std::nullopt));
    Must(stream->Append(AsBytes("half")));
    EXPECT_EQ(registry().ContinueUpload(alice_, Repo("team-a/app"), upload.id, 4).error().code, Errc::kConflict);
    EXPECT_EQ(Must(stream->End()).offset, 4u);
  }
  for (auto& [caller, repository] :
       std::vector<std::pair<Caller, std::string>>{{Pusher("carol", "team-a/app"), "team-a/app"},
                                                   {Pusher("alice", "team-a/other"), "team-a/other"},
                                                   {Pusher("admin", "team-a/app"), "team-a/app"}}) {
    EXPECT_EQ(registry().UploadStatus(caller, Repo(repository), upload.id).error().message,
              "BLOB_UPLOAD_UNKNOWN: no such upload here");
    EXPECT_FALSE(registry().ContinueUpload(caller, Repo(repository), upload.id, 4));
    EXPECT_FALSE(registry().CancelUpload(caller, Repo(repository), upload.id));
  }
  EXPECT_EQ(Must(registry().UploadStatus(alice_, Repo("team-a/app"), upload.id)).offset, 4u);
  auto wrong = registry().ContinueUpload(alice_, Repo("team-a/app"), upload.id, 3);
  EXPECT_EQ(wrong.error().code, Errc::kRange);
  EXPECT_NE(wrong.error().message.find("4"), std::string::npos);
}

TEST_F(RegistryTest, UploadsResumeAfterARestart) {
  auto upload = Must(registry().StartUpload(alice_, Repo("team-a/app")));
  const std::string& layer = image_.layers[0];
  {
    auto stream = Must(registry().ContinueUpload(alice_, Repo("team-a/app"), upload.id, 0));
    Must(stream->Append(AsBytes(layer.substr(0, 700))));
    Must(stream->End());
  }
  Start(IndexWith({}));
  EXPECT_EQ(Must(registry().UploadStatus(alice_, Repo("team-a/app"), upload.id)).offset, 700u);
  auto stream = Must(registry().ContinueUpload(alice_, Repo("team-a/app"), upload.id, 700));
  Must(stream->Append(AsBytes(layer.substr(700))));
  EXPECT_EQ(stream->Commit(DigestOf("other")).error().code, Errc::kDigest);
  auto done = stream->Commit(DigestOf(layer));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->size, layer.size());
  stream.reset();
  EXPECT_FALSE(registry().UploadStatus(alice_, Repo("team-a/app"), upload.id));
  Must(PushBlob(alice_, "team-a/app", image_.config));
  EXPECT_TRUE(registry().PutManifest(alice_, Repo("team-a/app"), Ref("v1"), image_.media_type, image_.manifest, {}));
}

TEST_F(RegistryTest, BlobsHaveALargestSize) {
  ServiceOptions options;
  options.blob_bytes = 10;
  Start(IndexWith({}), std::move(options));
  EXPECT_TRUE(PushBlob(alice_, "team-a/app", "0123456789"));
  EXPECT_EQ(PushBlob(alice_, "team-a/app", "0123456789a").error().code, Errc::kLimit);
}

TEST_F(RegistryTest, BadManifestsAreRefusedAndNothingIsStored) {
  auto put = [&](std::string_view reference, std::string_view type, const std::string& text) {
    auto pushed = registry().PutManifest(alice_, Repo("team-a/app"), Ref(reference), type, text, {});
    return pushed ? std::string() : std::string(OciCode(pushed.error()).code);
  };
  EXPECT_EQ(put("v1", image_.media_type, image_.manifest), "MANIFEST_BLOB_UNKNOWN");
  Must(PushBlob(alice_, "team-a/app", image_.config));
  Must(PushBlob(alice_, "team-a/app", image_.layers[0]));
  EXPECT_EQ(put("v1", formats::kOciIndex, image_.manifest), "MANIFEST_INVALID");
  EXPECT_EQ(put("v1", "application/vnd.docker.distribution.manifest.v1+json", image_.manifest), "UNSUPPORTED");
  EXPECT_EQ(put(DigestOf("x").str(), image_.media_type, image_.manifest), "DIGEST_INVALID");
  std::string wrong_size = image_.manifest;
  wrong_size.replace(wrong_size.find("\"size\":") + 7, 1, "9");
  EXPECT_EQ(put("v1", image_.media_type, wrong_size), "MANIFEST_INVALID");
  EXPECT_TRUE(Must(registry().ListTags(alice_, Repo("team-a/app"), 10, "")).items.empty());
  EXPECT_EQ(put("v1", image_.media_type, image_.manifest), "");
  // A blob of another repository is no permission to name it here.
  Image theirs = ImageOf({DebianLayer({{"zlib", "1"}})});
  Must(Push(Pusher("bob", "team-b/x"), "team-b/x", theirs, "v1"));
  EXPECT_EQ(put("v2", theirs.media_type, theirs.manifest), "MANIFEST_BLOB_UNKNOWN");
}

TEST_F(RegistryTest, ManifestsWithoutSomeLayersAreTakenIfTheConfigurationSaysSo) {
  Must(PushBlob(alice_, "team-a/app", image_.config));
  auto put = [&] {
    return registry().PutManifest(alice_, Repo("team-a/app"), Ref("v1"), image_.media_type, image_.manifest, {});
  };
  EXPECT_EQ(OciCode(put().error()).code, "MANIFEST_BLOB_UNKNOWN");
  ServiceOptions options;
  options.sparse = Sparse::kAll;
  Start(IndexWith({}), options);
  ASSERT_TRUE(put());
  // What was not read is not known to be safe.
  EXPECT_NE(Pull(As("pat"), "team-a/app", "v1").find("is not in the repository and was not read"), std::string::npos);
  // Nor is the digest of what another repository holds a right to it, or to what is known of it.
  Must(Push(Pusher("bob", "team-b/x"), "team-b/x", image_, "v1"));
  EXPECT_EQ(Pull(As("bob"), "team-b/x", "v1"), "");
  EXPECT_NE(ReadBlob(alice_, "team-a/app", image_.layers[0]), "");
  EXPECT_NE(Pull(As("pat"), "team-a/app", "v1"), "");
  Images images(*service_);
  auto report = Must(images.Report(As("pat"), Repo("team-a/app"), Ref("v1"), std::nullopt));
  EXPECT_TRUE(report.inventory.packages.empty());
  // With the layer it is an image like any other.
  Must(PushBlob(alice_, "team-a/app", image_.layers[0]));
  EXPECT_EQ(Pull(As("pat"), "team-a/app", "v1"), "");
  EXPECT_EQ(ReadBlob(As("pat"), "team-a/app", image_.layers[0]), "");
}

TEST_F(RegistryTest, AnAbsentLayerHasOneSize) {
  ServiceOptions options;
  options.sparse = Sparse::kAll;
  Start(IndexWith({}), options);
  Must(PushBlob(alice_, "team-a/app", image_.config));
  const std::string layer = DescriptorJson("application/vnd.oci.image.layer.v1.tar", image_.layers[0]);
  const std::string size = std::to_string(image_.layers[0].size());
  const auto put = [&](const std::string& second) {
    std::string manifest = image_.manifest;
    manifest.insert(manifest.find(layer) + layer.size(), "," + second);
    return registry().PutManifest(alice_, Repo("team-a/app"), Ref("v1"), image_.media_type, manifest, {});
  };
  std::string other = layer;
  other.replace(other.find(size), size.size(), "7");
  auto refused = put(other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
  EXPECT_EQ(OciCode(refused.error()).code, "MANIFEST_INVALID");
  EXPECT_TRUE(put(layer));
}

TEST_F(RegistryTest, AnAbsentLayerArrivesByMountOrByAnotherManifest) {
  ServiceOptions options;
  options.sparse = Sparse::kAll;
  Start(IndexWith({}), options);
  Must(Push(Pusher("alice", "team-a/other"), "team-a/other", image_, "v1"));
  Must(PushBlob(alice_, "team-a/app", image_.config));
  auto put = [&](const Caller& caller, const Image& image, std::string_view tag) {
    return registry().PutManifest(caller, Repo("team-a/app"), Ref(tag), image.media_type, image.manifest, {});
  };
  ASSERT_TRUE(put(alice_, image_, "v1"));
  EXPECT_NE(Pull(As("pat"), "team-a/app", "v1"), "");
  ASSERT_TRUE(Must(registry().MountBlob(As("alice"), Repo("team-a/app"), DigestOf(image_.layers[0]), Repo("team-a/other"))));
  EXPECT_EQ(Pull(As("pat"), "team-a/app", "v1"), "");
  // Carol has sent the layer, and no manifest named it: it was absent to Alice. Carol's manifest makes it the repository's.
  Image two = ImageOf({DebianLayer({{"zlib", "2"}})});
  Must(PushBlob(Pusher("carol", "team-a/app"), "team-a/app", two.layers[0]));
  Must(PushBlob(alice_, "team-a/app", two.config));
  ASSERT_TRUE(put(alice_, two, "v2"));
  EXPECT_NE(Pull(As("pat"), "team-a/app", "v2"), "");
  ASSERT_TRUE(Push(Pusher("carol", "team-a/app"), "team-a/app", two, "v3"));
  EXPECT_EQ(Pull(As("pat"), "team-a/app", "v2"), "");
}

TEST_F(RegistryTest, IndexesWithoutAllChildrenCanBeRefused) {
  Must(Push(alice_, "team-a/app", image_, "one"));
  Image absent = ImageOf({DebianLayer({{"zlib", "3"}})});
  const Image index = IndexOf({{&image_}, {&absent}});
  auto put = [&] {
    return registry().PutManifest(alice_, Repo("team-a/app"), Ref("all"), index.media_type, index.manifest, {});
  };
  EXPECT_TRUE(put());
  ServiceOptions options;
  options.sparse = Sparse::kRefuse;
  Start(IndexWith({}), options);
  EXPECT_EQ(put().error().message, "MANIFEST_BLOB_UNKNOWN: push " + absent.digest().str() + " first");
  Must(Push(alice_, "team-a/app", absent, "two"));
  EXPECT_TRUE(put());
}

TEST_F(RegistryTest, DeletesNeedTheirOwnRight) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  auto& r = registry();
  EXPECT_EQ(r.DeleteManifest(alice_, Repo("team-a/app"), Ref("v1")).error().code, Errc::kDenied);
  EXPECT_EQ(r.DeleteBlob(alice_, Repo("team-a/app"), DigestOf(image_.layers[0])).error().code, Errc::kDenied);
  Caller maria = As("maria", "team-a/app", {Verb::kPull, Verb::kDelete});
  EXPECT_EQ(r.DeleteBlob(maria, Repo("team-a/app"), DigestOf(image_.layers[0])).error().code, Errc::kConflict);
  EXPECT_TRUE(r.DeleteManifest(maria, Repo("team-a/app"), Ref("v1")));
  EXPECT_EQ(Pull(As("pat"), "team-a/app", "v1"), "not found MANIFEST_UNKNOWN: no manifest v1 in team-a/app");
  EXPECT_EQ(Pull(As("pat"), "team-a/app", image_.digest().str()), "");
  EXPECT_TRUE(r.DeleteManifest(maria, Repo("team-a/app"), Reference(image_.digest())));
  EXPECT_FALSE(r.DeleteManifest(maria, Repo("team-a/app"), Reference(image_.digest())));
  EXPECT_NE(ReadBlob(As("pat"), "team-a/app", image_.layers[0]), "");
  EXPECT_GE(CountEvents("manifest.delete", audit::Outcome::kRefused), 1u);
}

TEST_F(RegistryTest, MountsNeedTheRightInTheSource) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  const Digest layer = DigestOf(image_.layers[0]);
  Caller bob = Pusher("bob", "team-b/x");
  EXPECT_FALSE(Must(registry().MountBlob(bob, Repo("team-b/x"), layer, Repo("team-a/app"))));
  EXPECT_FALSE(Must(registry().MountBlob(bob, Repo("team-b/x"), layer, std::nullopt)));
  // A token narrows its owner: carol may read the source, not by this one. Bob learns nothing by asking.
  EXPECT_EQ(registry().MountBlob(Pusher("carol", "team-a/y"), Repo("team-a/y"), layer, Repo("team-a/app")).error().code,
            Errc::kUnauthenticated);
  EXPECT_EQ(registry().ListTags(As("carol"), Repo("team-a/y"), 10, "").error().code, Errc::kNotFound);  // nothing was made
  Caller carol = As("carol");
  carol.principal.scopes =
      std::vector<auth::Scope>{{"team-a/y", {Verb::kPull, Verb::kPush}}, {"team-a/app", {Verb::kPull}}};
  auto mounted = Must(registry().MountBlob(carol, Repo("team-a/y"), layer, Repo("team-a/app")));
  ASSERT_TRUE(mounted);
  EXPECT_EQ(mounted->size, image_.layers[0].size());
}

TEST_F(RegistryTest, MountsWithoutSourceFindWhatTheCallerMayRead) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  const Digest layer = DigestOf(image_.layers[0]), loose = DigestOf("loose bytes");
  auto mounts = [&](const Caller& caller, const char* to, const Digest& digest) {
    return Must(registry().MountBlob(caller, Repo(to), digest, std::nullopt)).has_value();
  };
  // Knowing a digest is no permission, and a right in one repository opens nothing in another.
  EXPECT_FALSE(mounts(As("bob"), "team-b/x", layer));
  EXPECT_FALSE(mounts(Pusher("carol", "team-a/y"), "team-a/y", layer));
  Caller carol = As("carol");
  carol.principal.scopes =
      std::vector<auth::Scope>{{"team-a/y", {Verb::kPull, Verb::kPush}}, {"team-a/app", {Verb::kPush}}};
  EXPECT_FALSE(mounts(carol, "team-a/y", layer));
  carol.principal.scopes->back().verbs = {Verb::kPull};
  EXPECT_TRUE(mounts(carol, "team-a/y", layer));
  EXPECT_FALSE(mounts(As("carol"), "team-a/z", layer));  // by password: that he uploads it tells him nothing
  EXPECT_EQ(ReadBlob(As("carol"), "team-a/y", image_.layers[0]), "");
  EXPECT_EQ(CountEvents("blob.mount"), 1u);
  EXPECT_FALSE(mounts(As("carol"), "team-a/z", loose));
  // What nothing refers to is its uploader's.
  Must(PushBlob(alice_, "team-a/app", "loose bytes"));
  EXPECT_FALSE(mounts(carol, "team-a/y", loose));
  Caller alice = As("alice");
  alice.principal.scopes =
      std::vector<auth::Scope>{{"team-a/y", {Verb::kPull, Verb::kPush}}, {"team-a/app", {Verb::kPull}}};
  EXPECT_TRUE(mounts(alice, "team-a/y", loose));
}

TEST_F(RegistryTest, ReferrersStayInTheirRepository) {
  Must(Push(alice_, "team-a/app", image_, "v1"));
  const std::string subject =
      R"("artifactType":"application/vnd.dev.cosign.artifact.sig.v1+json","annotations":{"a":"b"},"subject":)" +
      DescriptorJson(image_.media_type, image_.manifest) + ",";
  Image signature =
      ManifestOf("{}", "application/vnd.oci.empty.v1+json", {"{\"sig\":1}"}, "application/octet-stream", subject);
  auto pushed = Must(Push(alice_, "team-a/app", signature, signature.digest().str()));
  ASSERT_TRUE(pushed.subject);
  auto list = Must(registry().Referrers(As("pat"), Repo("team-a/app"), image_.digest(), std::nullopt, "")).items;
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].digest, signature.digest());
  EXPECT_EQ(list[0].annotations_json, R"({"a":"b"})");
  EXPECT_TRUE(Must(registry().Referrers(As("pat"), Repo("team-a/app"), image_.digest(), "text/plain", "")).items.empty());
  EXPECT_FALSE(registry().Referrers(As("bob"), Repo("team-a/app"), image_.digest(), std::nullopt, ""));
  // Not there: empty for whom it would belong to, and as before for strangers.
  EXPECT_TRUE(Must(registry().Referrers(alice_, Repo("team-a/app"), DigestOf("x"), std::nullopt, "")).items.empty());
  EXPECT_TRUE(Must(registry().Referrers(As("alice"), Repo("team-a/nil"), DigestOf("x"), std::nullopt, "")).items.empty());
  EXPECT_EQ(registry().Referrers(As("bob"), Repo("team-a/nil"), DigestOf("x"), std::nullopt, "").error().message,
            "NAME_UNKNOWN: no repository team-a/nil");
  Must(Push(Pusher("bob", "team-b/x"), "team-b/x", ImageOf({}), "v1"));
  EXPECT_TRUE(Must(registry().Referrers(As("bob"), Repo("team-b/x"), image_.digest(), std::nullopt, "")).items.empty());
}

TEST_F(RegistryTest, OciCodesAreSplitOff) {
  EXPECT_EQ(OciCode({Errc::kNotFound, "BLOB_UNKNOWN: no blob"}).code, "BLOB_UNKNOWN");
  EXPECT_EQ(OciCode({Errc::kNotFound, "BLOB_UNKNOWN: no blob"}).message, "no blob");
  EXPECT_EQ(OciCode({Errc::kNotFound, "opening x: no file"}).code, "");
  EXPECT_EQ(OciCode({Errc::kNotFound, ": x"}).code, "");
}

}  // namespace
}  // namespace bulwark::service
