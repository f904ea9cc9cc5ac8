// Expectations are those of DESIGN 2.2, 2.13, 2.15 and of the distribution specification 1.1 (tags in lexical order,
// referrers' artifactType from the config's media type where the manifest has none).

#include "storage/content.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "storage/content_fixture.h"

namespace bulwark::storage {
namespace {

class ContentTest : public ContentFixture {};

TEST_F(ContentTest, ProjectsAndRepositories) {
  auto again = Write([&](Tx& tx) { return CreateProject(tx, "team-a", now_); });
  EXPECT_EQ(again.error().code, Errc::kExists);
  auto ensured = Write([&](Tx& tx) { return EnsureProject(tx, "team-a", now_); });
  EXPECT_EQ(ensured->id, project_);
  EXPECT_EQ(Write([&](Tx& tx) { return EnsureProject(tx, "../x", now_); }).error().code, Errc::kInvalid);
  EXPECT_EQ(Write([&](Tx& tx) { return CreateRepository(tx, Repo("nowhere/x"), now_); }).error().code, Errc::kNotFound);
  EXPECT_EQ(Write([&](Tx& tx) { return CreateRepository(tx, Repo("alpine"), now_); }).error().code, Errc::kNotFound);
  EXPECT_EQ(Write([&](Tx& tx) { return CreateRepository(tx, Repo("team-a/app"), now_); }).error().code, Errc::kExists);
  auto found = Read([&](const ReadTx& tx) { return ResolveRepository(tx, Repo("team-a/app")); });
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->id, app_);
  EXPECT_FALSE(Read([&](const ReadTx& tx) { return ResolveRepository(tx, Repo("team-a/none")); })->has_value());
  EXPECT_EQ(Write([&](Tx& tx) { return DeleteProject(tx, project_); }).error().code, Errc::kConflict);
}

TEST_F(ContentTest, RepositoryPages) {
  for (const char* name : {"team-a/c", "team-a/b", "team-b/z"}) MakeRepository(name);
  auto names = [&](std::optional<ProjectId> project, PageRequest page) {
    auto got = Read([&](const ReadTx& tx) { return ListRepositories(tx, project, page); });
    std::string out;
    for (const auto& r : got->items) out += r.name + " ";
    return out + (got->next ? "-> " + *got->next : ".");
  };
  EXPECT_EQ(names({}, {2, ""}), "team-a/app team-a/b -> team-a/b");
  EXPECT_EQ(names({}, {2, "team-a/b"}), "team-a/c team-b/other -> team-b/other");
  EXPECT_EQ(names({}, {9, "team-b/other"}), "team-b/z .");
  EXPECT_EQ(names(project_, {3, ""}), "team-a/app team-a/b team-a/c .");
}

TEST_F(ContentTest, DeletedRepositoryIsGoneAtOnceAndItsNameIsFree) {
  const Digest layer = AddBlob(app_, kAlice, "layer");
  const Digest m = Put(app_, {.blobs = {layer}, .tag = "v1"});
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteRepository(tx, app_); }));
  EXPECT_EQ(Write([&](Tx& tx) { return DeleteRepository(tx, app_); }).error().code, Errc::kNotFound);
  EXPECT_FALSE(Read([&](const ReadTx& tx) { return FindManifest(tx, app_, m); })->has_value());
  EXPECT_FALSE(Read([&](const ReadTx& tx) { return FindManifest(tx, app_, TagOf("v1")); })->has_value());
  EXPECT_FALSE(Present(app_, layer));
  EXPECT_EQ(TryPut(app_, {.body = "n"}).error().code, Errc::kNotFound);
  const RepositoryId again = MakeRepository("team-a/app");
  EXPECT_NE(again, app_);
  EXPECT_FALSE(Present(again, layer)) << "a name used again inherits nothing";
}

TEST_F(ContentTest, ManifestByDigestAndTag) {
  const Digest layer = AddBlob(app_, kAlice, "layer"), config = AddBlob(app_, kAlice, "config");
  const Digest m = Put(app_, {.body = "{1}", .blobs = {config, layer}, .tag = "v1"});
  for (auto found : {Read([&](const ReadTx& tx) { return FindManifest(tx, app_, m); }),
                     Read([&](const ReadTx& tx) { return FindManifest(tx, app_, TagOf("v1")); })}) {
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->digest, m);
    EXPECT_EQ((*found)->media_type, kImageType);
    EXPECT_EQ((*found)->size, 3u);
    EXPECT_EQ((*found)->pushed_by, kAlice);
    EXPECT_EQ((*found)->created, now_);
    auto bytes = Read([&](const ReadTx& tx) { return ManifestBytes(tx, (*found)->id); });
    EXPECT_EQ(AsText(*bytes), "{1}");
    auto edges = Read([&](const ReadTx& tx) { return EdgesOf(tx, (*found)->id); });
    EXPECT_EQ(edges->size(), 2u);
  }
  EXPECT_FALSE(Read([&](const ReadTx& tx) { return FindManifest(tx, other_, m); })->has_value());
  EXPECT_EQ(Read([&](const ReadTx& tx) { return ManifestBytes(tx, ManifestId{99}); }).error().code, Errc::kNotFound);
}

TEST_F(ContentTest, PutManifestTwiceIsOnce) {
  auto first = TryPut(app_, {.body = "x", .tag = "a"}), second = TryPut(app_, {.body = "x", .tag = "b"});
  EXPECT_TRUE(first->created);
  EXPECT_FALSE(second->created);
  EXPECT_EQ(first->id, second->id);
  EXPECT_EQ(Read([&](const ReadTx& tx) { return TagsOf(tx, first->id); }).value(),
            (std::vector<std::string>{"a", "b"}));
}

TEST_F(ContentTest, MovingATagSaysWhatItReplaced) {
  const Digest one = Put(app_, {.body = "1", .tag = "t"});
  auto two = TryPut(app_, {.body = "2", .tag = "t"});
  EXPECT_EQ(two->replaced, one);
  EXPECT_EQ(TryPut(app_, {.body = "2", .tag = "t"})->replaced, std::nullopt);
}

TEST_F(ContentTest, KnowingADigestIsNoPermission) {
  const Digest here = AddBlob(app_, kAlice, "here"), elsewhere = AddBlob(other_, kBob, "elsewhere");
  const Digest nowhere = crypto::Sha256(AsBytes("nowhere"));
  auto put = TryPut(app_, {.body = "m", .blobs = {here, elsewhere, nowhere}});
  ASSERT_EQ(put.error().code, Errc::kNotFound);
  EXPECT_EQ(put.error().message, "blobs unknown to the repository: " + elsewhere.str() + ", " + nowhere.str());
  const Edge edges[] = {
      {EdgeKind::kBlob, nowhere, {}, true}, {EdgeKind::kBlob, here, {}, true}, {EdgeKind::kBlob, nowhere, {}, true}};
  EXPECT_EQ(Read([&](const ReadTx& tx) { return MissingBlobs(tx, app_, edges, kAlice, now_); }).value(),
            std::vector<Digest>{nowhere});
  // An existing manifest elsewhere that holds the blob helps nobody here either.
  Put(other_, {.body = "o", .blobs = {elsewhere}, .by = kBob});
  EXPECT_EQ(TryPut(app_, {.body = "m", .blobs = {elsewhere}}).error().code, Errc::kNotFound);
  // Nor is what another has sent to the same repository anybody's until a manifest there names it.
  EXPECT_EQ(TryPut(app_, {.body = "m", .blobs = {here}, .by = kBob}).error().code, Errc::kNotFound);
  Put(app_, {.body = "m", .blobs = {here}});
  EXPECT_TRUE(TryPut(app_, {.body = "n", .blobs = {here}, .by = kBob}));
}

TEST_F(ContentTest, LeaseRunsOutAndEdgeStays) {
  const Digest a = AddBlob(app_, kAlice, "a"), b = AddBlob(app_, kAlice, "b");
  Put(app_, {.body = "holds a", .blobs = {a}});
  now_ += limits::kBlobLease;
  EXPECT_TRUE(TryPut(app_, {.body = "a again", .blobs = {a}}));
  EXPECT_EQ(TryPut(app_, {.body = "b", .blobs = {b}}).error().code, Errc::kNotFound);
  EXPECT_TRUE(Present(app_, a));
  EXPECT_FALSE(Present(app_, b));
}

TEST_F(ContentTest, DescriptorSizeMustFit) {
  const Digest layer = AddBlob(app_, kAlice, "12345");
  EXPECT_EQ(TryPut(app_, {.body = "m", .blobs = {layer}, .blob_size = 6}).error().code, Errc::kInvalid);
  EXPECT_TRUE(TryPut(app_, {.body = "m", .blobs = {layer}, .blob_size = 5}));
}

TEST_F(ContentTest, OptionalBlobGivesNoRightWhenItIsAbsent) {
  const Digest foreign = AddBlob(other_, kBob, "foreign layer");
  EXPECT_TRUE(TryPut(app_, {.body = "m", .blobs = {foreign}, .required = false}));
  EXPECT_FALSE(Present(app_, foreign));
}

TEST_F(ContentTest, ManifestLimits) {
  EXPECT_EQ(TryPut(app_, {.body = std::string(limits::kManifestBytes + 1, 'x')}).error().code, Errc::kLimit);
  std::vector<Digest> many(limits::kManifestDescriptors + 3);
  EXPECT_EQ(TryPut(app_, {.body = "m", .blobs = many}).error().code, Errc::kLimit);
}

TEST_F(ContentTest, DeleteManifestTakesItsTags) {
  const Digest layer = AddBlob(app_, kAlice, "layer"), subject = crypto::Sha256(AsBytes("s"));
  const Digest m = Put(app_, {.body = "m", .blobs = {layer}, .tag = "v1", .subject = subject});
  Put(app_, {.body = "m", .tag = "v0"});
  Put(app_, {.body = "n", .tag = "n"});
  auto deleted = Write([&](Tx& tx) { return DeleteManifest(tx, app_, m); });
  ASSERT_TRUE(deleted) << deleted.error().message;
  EXPECT_EQ(deleted->tags, (std::vector<std::string>{"v0", "v1"}));
  EXPECT_EQ(deleted->subject, subject);
  EXPECT_FALSE(Read([&](const ReadTx& tx) { return FindManifest(tx, app_, TagOf("v1")); })->has_value());
  EXPECT_EQ(Write([&](Tx& tx) { return DeleteManifest(tx, app_, m); }).error().code, Errc::kNotFound);
  EXPECT_EQ(Write([&](Tx& tx) { return DeleteManifest(tx, other_, m); }).error().code, Errc::kNotFound);
}

TEST_F(ContentTest, TagsInPages) {
  for (const char* tag : {"b", "B", "a", "1", "c"}) Put(app_, {.body = "m", .tag = tag});
  Put(other_, {.body = "m", .tag = "zz"});
  auto names = [&](PageRequest page) {
    auto got = Read([&](const ReadTx& tx) { return ListTags(tx, app_, page); });
    std::string out;
    for (const auto& t : got->items) out += t.name + " ";
    return out + (got->next ? "-> " + *got->next : ".");
  };
  EXPECT_EQ(names({}), "1 B a b c .");
  EXPECT_EQ(names({2, ""}), "1 B -> B");
  EXPECT_EQ(names({2, "B"}), "a b -> b");
  EXPECT_EQ(names({2, "bb"}), "c .");
  EXPECT_EQ(names({0, ""}), "1 -> 1") << "a page has at least one";
}

TEST_F(ContentTest, SetAndDeleteTag) {
  const Digest m = Put(app_, {.body = "m", .tag = "a"}), n = Put(app_, {.body = "n"});
  EXPECT_EQ(Write([&](Tx& tx) { return SetTag(tx, app_, TagOf("a"), n, now_); }).value(), m);
  EXPECT_EQ(Write([&](Tx& tx) { return SetTag(tx, app_, TagOf("new"), n, now_); }).value(), std::nullopt);
  EXPECT_EQ(Write([&](Tx& tx) { return SetTag(tx, other_, TagOf("a"), n, now_); }).error().code, Errc::kNotFound);
  EXPECT_EQ(Write([&](Tx& tx) { return DeleteTag(tx, app_, TagOf("a")); }).value(), n);
  EXPECT_EQ(Write([&](Tx& tx) { return DeleteTag(tx, app_, TagOf("a")); }).error().code, Errc::kNotFound);
  EXPECT_FALSE(Read([&](const ReadTx& tx) { return FindTag(tx, app_, TagOf("a")); })->has_value());
  EXPECT_EQ(Read([&](const ReadTx& tx) { return FindTag(tx, app_, TagOf("new")); }).value()->digest, n);
}

TEST_F(ContentTest, ReferrersBeforeAndAfterTheirSubject) {
  const Digest subject = crypto::Sha256(AsBytes("image"));
  const Digest sig =
      Put(app_, {.body = "sig", .subject = subject, .artifact_type = "application/sig", .annotations = R"({"a":"b"})"});
  const Digest sbom = Put(app_, {.body = "sbom", .subject = subject, .config_media_type = "application/sbom"});
  Put(app_, {.body = "image"});
  Put(other_, {.body = "foreign", .subject = subject, .artifact_type = "application/sig"});
  auto all = Read([&](const ReadTx& tx) { return Referrers(tx, app_, subject, {}, {}); });
  ASSERT_EQ(all->items.size(), 2u);
  EXPECT_EQ(all->items[0].digest, sig);
  EXPECT_EQ(all->items[0].annotations, R"({"a":"b"})");
  EXPECT_EQ(all->items[0].size, 3u);
  EXPECT_EQ(all->items[1].digest, sbom);
  EXPECT_EQ(all->items[1].artifact_type, "application/sbom");
  auto filtered = Read([&](const ReadTx& tx) { return Referrers(tx, app_, subject, "application/sbom", {}); });
  ASSERT_EQ(filtered->items.size(), 1u);
  EXPECT_EQ(filtered->items[0].digest, sbom);
  auto page = Read([&](const ReadTx& tx) { return Referrers(tx, app_, subject, {}, {1, ""}); });
  ASSERT_TRUE(page->next);
  auto second = Read([&](const ReadTx& tx) { return Referrers(tx, app_, subject, {}, {1, *page->next}); });
  EXPECT_EQ(second->items[0].digest, sbom);
  EXPECT_FALSE(second->next);
  EXPECT_EQ(Read([&](const ReadTx& tx) { return Referrers(tx, app_, subject, {}, {1, "x"}); }).error().code,
            Errc::kInvalid);
}

TEST_F(ContentTest, ReferrerPageEndsWhenItIsFull) {
  const Digest subject = crypto::Sha256(AsBytes("image"));
  const std::string big = "{\"x\":\"" + std::string(limits::kManifestBytes / 2, 'y') + "\"}";
  for (const char* body : {"1", "2", "3"}) Put(app_, {.body = body, .subject = subject, .annotations = big});
  std::string after;
  for (int page = 0; page < 3; ++page) {
    auto got = Read([&](const ReadTx& tx) { return Referrers(tx, app_, subject, {}, {100, after}); });
    ASSERT_EQ(got->items.size(), 1u);
    ASSERT_EQ(got->next.has_value(), page < 2);
    if (got->next) after = *got->next;
  }
}

TEST_F(ContentTest, WhoRefersToABlob) {
  const Digest layer = AddBlob(app_, kAlice, "layer");
  const Digest one = Put(app_, {.body = "1", .blobs = {layer}}), two = Put(app_, {.body = "2", .blobs = {layer}});
  ASSERT_TRUE(Write([&](Tx& tx) { return Mount(tx, app_, other_, layer, kBob, now_); }));
  const Digest three = Put(other_, {.body = "3", .blobs = {layer}, .by = kBob});
  std::vector<Digest> seen;
  auto collect = [&](ManifestId, const Digest& d) {
    seen.push_back(d);
    return true;
  };
  ASSERT_TRUE(Read([&](const ReadTx& tx) { return EachReferencing(tx, app_, EdgeKind::kBlob, layer, collect); }));
  EXPECT_EQ(seen, (std::vector<Digest>{two, one})) << "newest first, of this repository only";
  seen.clear();
  auto first = [&](ManifestId, const Digest& d) {
    seen.push_back(d);
    return false;
  };
  ASSERT_TRUE(Read([&](const ReadTx& tx) { return EachReferencing(tx, app_, EdgeKind::kBlob, layer, first); }));
  EXPECT_EQ(seen, std::vector<Digest>{two});
  std::vector<Digest> anywhere;
  ASSERT_TRUE(Read([&](const ReadTx& tx) {
    return EachReferencingAnywhere(tx, EdgeKind::kBlob, layer, [&](RepositoryId, ManifestId, const Digest& d) {
      anywhere.push_back(d);
      return true;
    });
  }));
  EXPECT_EQ(anywhere, (std::vector<Digest>{two, one, three}));
}

TEST_F(ContentTest, BlobPresence) {
  const Digest layer = AddBlob(app_, kAlice, "layer");
  auto before = PresenceOf(app_, layer);
  ASSERT_TRUE(before);
  EXPECT_FALSE(before->referenced);
  EXPECT_EQ(before->uploaders, std::vector<PrincipalId>{kAlice});
  EXPECT_EQ(before->info.size, 5u);
  Put(app_, {.body = "m", .blobs = {layer}});
  EXPECT_TRUE(PresenceOf(app_, layer)->referenced);
  EXPECT_FALSE(Present(other_, layer));
}

TEST_F(ContentTest, TouchingABlobGivesNoRightToItsBytes) {
  const Digest layer = AddBlob(app_, kAlice, "layer");
  EXPECT_TRUE(NeedsRenewal(app_, layer, kBob));
  ASSERT_TRUE(Write([&](Tx& tx) { return RenewLease(tx, app_, layer, kBob, now_); }));
  EXPECT_FALSE(NeedsRenewal(app_, layer, kBob));
  EXPECT_EQ(PresenceOf(app_, layer)->uploaders, std::vector<PrincipalId>{kAlice});
  EXPECT_EQ(Write([&](Tx& tx) { return RenewLease(tx, other_, layer, kBob, now_); }).error().code, Errc::kNotFound);
  now_ += std::chrono::hours(13);
  EXPECT_TRUE(NeedsRenewal(app_, layer, kBob)) << "half over";
  ASSERT_TRUE(Write([&](Tx& tx) { return RenewLease(tx, app_, layer, kAlice, now_); }));
  now_ += std::chrono::hours(12);
  EXPECT_EQ(PresenceOf(app_, layer)->uploaders, std::vector<PrincipalId>{kAlice})
      << "a touch keeps the uploader's right";
}

TEST_F(ContentTest, TouchDoesNotReviveALapsedRight) {
  const Digest layer = AddBlob(app_, kAlice, "layer");
  Put(app_, {.body = "m", .blobs = {layer}});
  now_ += limits::kBlobLease;
  ASSERT_TRUE(Write([&](Tx& tx) { return RenewLease(tx, app_, layer, kAlice, now_); }));
  EXPECT_TRUE(PresenceOf(app_, layer)->uploaders.empty());
}

TEST_F(ContentTest, MountNeedsTheBlobInItsSource) {
  const Digest layer = AddBlob(app_, kAlice, "layer");
  EXPECT_EQ(Write([&](Tx& tx) { return Mount(tx, other_, app_, layer, kBob, now_); }).error().code, Errc::kNotFound);
  ASSERT_TRUE(Write([&](Tx& tx) { return Mount(tx, app_, other_, layer, kBob, now_); }));
  EXPECT_EQ(PresenceOf(other_, layer)->uploaders, std::vector<PrincipalId>{kBob});
  EXPECT_TRUE(TryPut(other_, {.body = "m", .blobs = {layer}, .by = kBob}));
}

TEST_F(ContentTest, UnlinkBlob) {
  const Digest layer = AddBlob(app_, kAlice, "layer");
  const Digest m = Put(app_, {.body = "m", .blobs = {layer}});
  auto unlink = [&](RepositoryId repository) {
    return Write([&](Tx& tx) { return UnlinkBlob(tx, repository, layer, now_); });
  };
  EXPECT_EQ(unlink(other_).error().code, Errc::kNotFound);
  EXPECT_EQ(unlink(app_).error().code, Errc::kConflict);
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteManifest(tx, app_, m); }));
  EXPECT_TRUE(unlink(app_));
  EXPECT_FALSE(Present(app_, layer));
  EXPECT_EQ(unlink(app_).error().code, Errc::kNotFound);
}

TEST_F(ContentTest, UsageCountsEachDigestOnce) {
  const Digest a = AddBlob(app_, kAlice, "12345"), b = AddBlob(app_, kAlice, "123");
  Put(app_, {.body = "m1", .blobs = {a, b}, .tag = "x"});
  Put(app_, {.body = "m22", .blobs = {a}, .tag = "y"});
  auto usage = Read([&](const ReadTx& tx) { return RepositoryUsage(tx, app_); });
  EXPECT_EQ(usage->manifests, 2);
  EXPECT_EQ(usage->tags, 2);
  EXPECT_EQ(usage->bytes, 5 + 3 + 2 + 3);
}

TEST_F(ContentTest, PullsAddUp) {
  const Digest m = Put(app_, {.body = "m"}), n = Put(app_, {.body = "n"});
  const std::int64_t day = DayOf(now_);
  const PullCount counts[] = {{app_, m, kBob, day, 2, now_},
                              {app_, n, kBob, day, 1, now_ - Millis(5)},
                              {RepositoryId{99}, m, kBob, day, 7, now_}};
  ASSERT_TRUE(Write([&](Tx& tx) { return RecordPulls(tx, counts); }));
  ASSERT_TRUE(Write([&](Tx& tx) { return RecordPulls(tx, std::span(counts).first(1)); }));
  auto list = [&](std::optional<Digest> digest, Time since) {
    std::string out;
    EXPECT_TRUE(Read([&](const ReadTx& tx) {
      return EachPull(tx, app_, digest, since, [&](const PullCount& p) {
        out += (p.digest == m ? "m" : "n") + std::to_string(p.count) + " ";
        return true;
      });
    }));
    return out;
  };
  EXPECT_EQ(list({}, now_ - Millis(10)), "m4 n1 ");
  EXPECT_EQ(list({}, now_), "m4 ");
  EXPECT_EQ(list(n, now_ - Millis(10)), "n1 ");
  EXPECT_EQ(DayOf(Time(Millis(-1))), -1);
}

}  // namespace
}  // namespace bulwark::storage
