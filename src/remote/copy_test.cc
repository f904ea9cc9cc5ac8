// Copies between registries in memory and layouts: what arrives, what is left out, and what does not move twice.
#include "remote/copy.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/byte_source.h"
#include "remote/local_image.h"
#include "remote/test_copies.h"

namespace bulwark::remote {
namespace {

// An index of two images, a signature of the index and of a child, a signature of a signature, and a cosign tag.
void MakeIndex(Author a) {
  const std::string one = a.Image("layer one"), two = a.Image("layer two");
  const std::string index = a.Index({one, two}, "v1");
  const std::string signature = a.Signature(index, "sig of index");
  a.Signature(one, "sig of one");
  a.Signature(signature, "sig of sig");
  a.Image("cosign", "", "sha256-" + DigestOf(two).substr(7) + ".sig");
  a.Image("stranger", "", "other");
}

TEST(Copy, TakesChildrenAndWhatRefersToThem) {
  TestRegistry from, to;
  MakeIndex({from, "a"});
  Trip run;
  auto report = run.From(from, "a").To(to, "b/c").Go();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->manifests, 7u);
  EXPECT_EQ(report->digests, std::vector<Digest>{*Digest::Parse(DigestOf(from.manifests["a"]["v1"]))});
  auto wanted = ByDigest(from.manifests["a"]);
  wanted.erase(DigestOf(from.manifests["a"]["other"]));
  EXPECT_EQ(ByDigest(to.manifests["b/c"]), wanted);
  EXPECT_EQ(to.manifests["b/c"]["v1"], from.manifests["a"]["v1"]);
  EXPECT_EQ(to.blobs["b/c"].size(), from.blobs["a"].size() - 2);
  EXPECT_FALSE(to.manifests["b/c"].contains("other"));
  // The tag is written last of all.
  EXPECT_TRUE(to.asked().back().target.ends_with("/manifests/v1"));

  const auto uploads = to.Count("POST", "/uploads/");
  Trip again;
  auto second = again.From(from, "a").To(to, "b/c").Go();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->moved, 0u);
  EXPECT_EQ(second->bytes, 0u);
  EXPECT_EQ(to.Count("POST", "/uploads/"), uploads);
}

TEST(Copy, LeavesReferrersBehindOnRequest) {
  TestRegistry from, to;
  MakeIndex({from, "a"});
  Trip run;
  run.options.referrers = false;
  auto report = run.From(from, "a").To(to, "b").Go();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->manifests, 3u);
  EXPECT_EQ(from.Count("GET", "/referrers/"), 0u);
}

TEST(Copy, KeepsTheFallbackTagWhereThereIsNoApi) {  // distribution-spec 1.1, "Pushing Manifests with Subject"
  TestRegistry from, middle(false), to;
  MakeIndex({from, "a"});
  ASSERT_TRUE(Trip().From(from, "a").To(middle, "b").Go().ok());
  const std::string tag = "sha256-" + DigestOf(from.manifests["a"]["v1"]).substr(7);
  ASSERT_TRUE(middle.manifests["b"].contains(tag));
  const std::string list = middle.manifests["b"][tag];
  EXPECT_NE(list.find(R"("artifactType":"application/vnd.test")"), std::string::npos) << list;
  EXPECT_NE(list.find(R"("annotations":{"who":"sig of index"})"), std::string::npos) << list;
  ASSERT_TRUE(Trip().From(from, "a").To(middle, "b").Go().ok());
  EXPECT_EQ(middle.manifests["b"][tag], list);  // nothing is listed twice
  ASSERT_TRUE(Trip().From(middle, "b").To(to, "c").Go().ok());
  auto wanted = ByDigest(from.manifests["a"]);
  wanted.erase(DigestOf(from.manifests["a"]["other"]));
  EXPECT_EQ(ByDigest(to.manifests["c"]), wanted);
}

TEST(Copy, ThroughALayoutAndBack) {
  TestRegistry from, to;
  MakeIndex({from, "a"});
  Folder folder, second;
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go().ok());
  auto files = DirectoryFiles(folder.path);
  auto top = TopManifest(*files, "");  // signatures beside it do not make it unclear which the image is
  ASSERT_TRUE(top.ok()) << top.error().message;
  EXPECT_EQ(top->bytes, from.manifests["a"]["v1"]);
  auto report = Trip().From(*files).To(to, "c").Go("", "v1");
  ASSERT_TRUE(report.ok()) << report.error().message;
  auto wanted = ByDigest(from.manifests["a"]);
  wanted.erase(DigestOf(from.manifests["a"]["other"]));
  EXPECT_EQ(ByDigest(to.manifests["c"]), wanted);
  EXPECT_TRUE(Trip().From(*files).To(to, "c").Go("v1", "v2").ok());
  EXPECT_EQ(Trip().From(*files).To(to, "c").Go("v9", "v9").error().code, Errc::kNotFound);
  auto again = Trip().From(to, "c").To(folder.path).Go();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->moved, 0u);
  ASSERT_TRUE(Trip().From(to, "c").To(second.path).Go().ok());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path + "/blobs"))
    if (entry.is_regular_file()) {
      const std::string other = second.path + entry.path().string().substr(folder.path.size());
      EXPECT_EQ(*ReadFile(entry.path(), 1 << 20), *ReadFile(other, 1 << 20));
    }
  EXPECT_EQ(*ReadFile(folder.path + "/index.json", 1 << 20), *ReadFile(second.path + "/index.json", 1 << 20));
}

TEST(Layout, WhichEntryIsTheImage) {
  Folder folder;
  TestRegistry from;
  Author a{from, "a"};
  const std::string one = a.Image("layer one", "", "v1"), two = a.Image("layer two", "", "v2");
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v1", "v1").ok());
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v1", "latest").ok());
  auto files = DirectoryFiles(folder.path);
  ASSERT_TRUE(TopManifest(*files, "").ok());  // two names of one image
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v2", "v2").ok());
  auto unclear = TopManifest(*files, "");
  EXPECT_EQ(unclear.error().code, Errc::kUnsupported);
  EXPECT_NE(unclear.error().message.find("v1, v2"), std::string::npos) << unclear.error().message;
  EXPECT_NE(unclear.error().message.find("LAYOUT:v2"), std::string::npos) << unclear.error().message;
  EXPECT_EQ(TopManifest(*files, "v1")->bytes, one);
  EXPECT_EQ(TopManifest(*files, DigestOf(two))->bytes, two);
  EXPECT_EQ(FindImage(*files, "", "").error().code, Errc::kUnsupported);
  EXPECT_EQ(FindImage(*files, "v2", "")->manifest->bytes, two);
  // A name moves; what had it stays where it is.
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v2", "v1").ok());
  auto named = LayoutSource(*files)->Manifest("v1");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->bytes, two);
  EXPECT_EQ(LayoutSource(*files)->Manifest("latest")->bytes, one);
  EXPECT_EQ(LayoutSource(*files)->Manifest(DigestOf(one))->bytes, one);
}

// What other tools write side by side is one image only if nothing says that it is several.
TEST(Layout, PlatformsSideBySide) {
  Folder folder;
  TestRegistry from;
  Author a{from, "a"};
  const std::string one = a.Image("layer one", "", "v1"), two = a.Image("layer two", "", "v2");
  for (const char* tag : {"v1", "v2"}) ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go(tag, tag).ok());
  auto files = DirectoryFiles(folder.path);
  auto found = [&](const std::string& first, const std::string& second, const std::string& name = "") {
    auto entry = [](const std::string& of, const std::string& more) { return Descriptor(of, formats::kOciManifest, more); };
    std::ofstream(folder.path + "/index.json") << R"({"schemaVersion":2,"manifests":[)" << entry(one, first) << "," << entry(two, second) << "]}";
    auto image = FindImage(*files, name, "linux/amd64");
    return image ? (image->manifest->bytes == one ? "one" : "two") : std::string(image.error().code == Errc::kUnsupported ? "unclear" : "error");
  };
  const std::string amd = R"(,"platform":{"os":"linux","architecture":"amd64"})", arm = R"(,"platform":{"os":"linux","architecture":"arm64"})";
  const std::string none = R"(,"platform":{"os":"unknown","architecture":"unknown"})";
  auto named = [](const std::string& name) { return R"(,"annotations":{"org.opencontainers.image.ref.name":")" + name + "\"}"; };
  EXPECT_EQ(found(arm, amd), "two");
  EXPECT_EQ(found(arm + named("v1"), amd + named("v1")), "two");
  EXPECT_EQ(found(arm + named("v1"), amd + named("v1"), "v1"), "two");
  EXPECT_EQ(found(amd, none), "one");               // an attestation is no image
  EXPECT_EQ(found(amd, named("v2")), "unclear");    // a copy of one platform, then a pull
  EXPECT_EQ(found(amd, ""), "unclear");
  EXPECT_EQ(found(amd, amd), "unclear");            // copies of two images
  EXPECT_EQ(found(amd + named("v1"), arm + named("v2")), "unclear");
  EXPECT_EQ(found(amd + named("v1"), arm + named("v2"), "v2"), "two");
  EXPECT_EQ(found(amd + named("v1"), arm + named("v2"), "v3"), "error");
}

TEST(Copy, RepairsADamagedLayoutAndRefusesItAsSource) {
  TestRegistry from, to;
  Author{from, "a"}.Image("some layer", "", "v1");
  Folder folder;
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go().ok());
  const std::string file = folder.path + "/" + BlobFile(*Digest::Parse(DigestOf("some layer")));
  ASSERT_TRUE(WriteFileAtomically(file, "some lay3r").ok());
  auto files = DirectoryFiles(folder.path);
  EXPECT_EQ(Trip().From(*files).To(to, "c").Go("", "v1").error().code, Errc::kDigest);
  EXPECT_TRUE(to.blobs["c"].empty() || !to.blobs["c"].contains(DigestOf("some lay3r")));
  EXPECT_FALSE(to.manifests["c"].contains("v1"));
  auto report = Trip().From(from, "a").To(folder.path).Go();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->moved, 1u);
  EXPECT_EQ(*ReadFile(file, 1 << 20), "some layer");
}

TEST(Copy, WrongBytesNeverArrive) {
  TestRegistry from, to;
  Author{from, "a"}.Image("some layer", "", "v1");
  from.corrupt_downloads = true;
  EXPECT_EQ(Trip().From(from, "a").To(to, "b").Go().error().code, Errc::kDigest);
  EXPECT_TRUE(to.blobs["b"].empty());
  EXPECT_TRUE(to.manifests["b"].empty());
  Folder folder;
  EXPECT_EQ(Trip().From(from, "a").To(folder.path).Go().error().code, Errc::kDigest);
  EXPECT_FALSE(std::filesystem::exists(folder.path + "/index.json"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path)) EXPECT_FALSE(entry.is_regular_file()) << entry.path();
}

TEST(Copy, MountsWithinARegistry) {
  TestRegistry registry;
  MakeIndex({registry, "a"});
  auto report = Trip().From(registry, "a").To(registry, "b/c", "a").Go();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->moved, 0u);
  EXPECT_EQ(report->mounted, registry.blobs["a"].size() - 2);
  EXPECT_EQ(registry.Count("GET", "/blobs/"), 0u);
}

TEST(Copy, SaysWhichChildASparseIndexLacks) {
  TestRegistry from, to;
  Author a{from, "a"};
  const std::string one = a.Image("layer one"), two = a.Image("layer two");
  a.Index({one, two}, "v1");
  from.manifests["a"].erase(DigestOf(two));
  Trip whole;
  auto refused = whole.From(from, "a").To(to, "b").Go();
  EXPECT_EQ(refused.error().code, Errc::kNotFound);
  EXPECT_NE(refused.error().message.find(DigestOf(two)), std::string::npos);
  EXPECT_NE(refused.error().message.find("linux/arm64"), std::string::npos);
  EXPECT_TRUE(to.manifests["b"].empty());

  Trip some;
  some.options.platforms = {"linux/amd64"};
  auto report = some.From(from, "a").To(to, "b").Go();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->digests, std::vector<Digest>{*Digest::Parse(DigestOf(one))});
  EXPECT_EQ(ByDigest(to.manifests["b"]), (std::map<std::string, std::string>{{DigestOf(one), one}}));
  EXPECT_FALSE(to.manifests["b"].contains("v1"));
  ASSERT_EQ(some.watcher.notes.size(), 1u);
  EXPECT_NE(some.watcher.notes[0].find("index itself is not copied"), std::string::npos);

  // With the other child there, the index comes too.
  to.manifests["b"][DigestOf(two)] = two;
  Trip rest;
  rest.options.platforms = {"linux/amd64"};
  ASSERT_TRUE(rest.From(from, "a").To(to, "b").Go().ok());
  EXPECT_EQ(to.manifests["b"]["v1"], from.manifests["a"]["v1"]);
  Trip none;
  none.options.platforms = {"linux/riscv64"};
  EXPECT_EQ(none.From(from, "a").To(to, "b").Go().error().code, Errc::kNotFound);
}

// The registry compares as well (storage/content_manifests.cc, CheckChild), but only when all the blobs have been sent.
TEST(Copy, AnIndexThatLiesAboutASizeIsNotBegun) {
  TestRegistry from, to;
  Author a{from, "a"};
  const std::string one = a.Image("layer one"), two = a.Image("layer two");
  const std::string honest = a.Index({one, two}, "v1"), size = "\"size\":" + std::to_string(two.size());
  std::string lying = honest, twice = honest;
  lying.replace(lying.rfind(size), size.size(), "\"size\":" + std::to_string(two.size() + 1));
  const std::string entry = Descriptor(one, formats::kOciManifest);
  twice.insert(twice.rfind(']'), "," + entry.substr(0, entry.size() - 1).append("0}"));  // another mention, another size
  for (const auto& index : {lying, twice}) {
    a.Manifest(index, "v1");
    Folder folder;
    ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go(DigestOf(one), "x").ok());
    ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go(DigestOf(two), "y").ok());
    ASSERT_TRUE(WriteFileAtomically(folder.path + "/blobs/sha256/" + DigestOf(index).substr(7), index).ok());
    ASSERT_TRUE(WriteFileAtomically(folder.path + "/index.json", R"({"schemaVersion":2,"manifests":[)" +
                                                                     Descriptor(index, formats::kOciIndex, R"(,"annotations":{"org.opencontainers.image.ref.name":"v1"})") + "]}").ok());
    auto files = DirectoryFiles(folder.path);
    auto copied = Trip().From(*files).To(to, "b").Go();
    EXPECT_EQ(copied.error().code, Errc::kInvalid);
    EXPECT_NE(copied.error().message.find(DigestOf(index == lying ? two : one)), std::string::npos) << copied.error().message;
  }
  EXPECT_EQ(to.Count("POST", "/uploads/"), 0u);
  EXPECT_TRUE(to.manifests["b"].empty());
}

TEST(Copy, PassesOnARefusal) {
  TestRegistry from, to;
  Author{from, "a"}.Image("some layer", "", "v1");
  from.refuses = "v1";
  auto refused = Trip().From(from, "a").To(to, "b").Go();
  EXPECT_EQ(refused.error().code, Errc::kDenied);
  EXPECT_NE(refused.error().message.find("CVE-2024-0001 is fixed in 2.0"), std::string::npos);
}

TEST(Copy, GoesOnAfterCuts) {
  TestRegistry from, to;
  Author a{from, "a"};
  a.Image(std::string(6 << 20, 'x'), "", "v1");
  from.cut_downloads = 2;
  to.cut_uploads = 1;
  from.cut_at = to.cut_at = 5 << 20;
  auto report = Trip().From(from, "a").To(to, "b").Go();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(to.blobs["b"], from.blobs["a"]);
}

TEST(Copy, DoesNotBelieveALiarAboutReferrers) {
  TestRegistry from(false), to;
  Author a{from, "a"};
  const std::string image = a.Image("some layer", "", "v1"), stranger = a.Image("stranger");
  a.Manifest(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)" + Descriptor(stranger, formats::kOciManifest) + "]}",
             "sha256-" + DigestOf(image).substr(7));
  Trip run;
  ASSERT_TRUE(run.From(from, "a").To(to, "b").Go().ok());
  EXPECT_FALSE(to.manifests["b"].contains(DigestOf(stranger)));
  EXPECT_EQ(run.watcher.notes.size(), 1u);
}

}  // namespace
}  // namespace bulwark::remote
