// Copies that links, liars, damage, other copies and a poor system try to spoil.
#include <filesystem>
#include <optional>
#include <thread>

#include <pthread.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/byte_source.h"
#include "remote/copy_plan.h"
#include "remote/layout_index.h"
#include "remote/local_image.h"
#include "remote/reference.h"
#include "remote/test_copies.h"

namespace bulwark::remote {
namespace {

namespace fs = std::filesystem;

std::size_t FilesIn(const std::string& path) {
  std::size_t n = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path)) n += entry.is_regular_file();
  return n;
}

// A layout whose parts are links to somewhere else: nothing is written there, and nothing read.
TEST(Layout, LinksLeadNowhere) {
  TestRegistry from, to;
  Author{from, "a"}.Image("some layer", "", "v1");
  for (const char* link : {"blobs", "blobs/sha256", "oci-layout", "index.json"}) {
    Folder layout, outside;
    fs::create_directories((layout.path + "/" + link).substr(0, (layout.path + "/" + link).rfind('/')));
    const std::string what = std::string(link).starts_with("blobs") ? outside.path : outside.path + "/file";
    fs::create_symlink(what, layout.path + "/" + link);
    auto copied = Trip().From(from, "a").To(layout.path).Go();
    EXPECT_EQ(copied.error().code, Errc::kInvalid) << link;
    EXPECT_EQ(FilesIn(outside.path), 0u) << link;
  }
  Folder layout, outside;
  ASSERT_TRUE(Trip().From(from, "a").To(layout.path).Go().ok());
  const std::string file = layout.path + "/" + BlobFile(*Digest::Parse(DigestOf("some layer")));
  fs::rename(file, outside.path + "/layer");
  fs::create_symlink(outside.path + "/layer", file);
  auto read = Trip().From(*DirectoryFiles(layout.path)).To(to, "c").Go("", "v1");
  EXPECT_EQ(read.error().code, Errc::kInvalid);
  EXPECT_EQ(Trip().From(from, "a").To(layout.path).Go().error().code, Errc::kInvalid);
  EXPECT_EQ(*ReadFile(outside.path + "/layer", 100), "some layer");
}

TEST(Layout, WhatCannotEndIsNotBegun) {
  TestRegistry from;
  Author{from, "a"}.Image("some layer", "", "v1");
  std::string full = R"({"schemaVersion":2,"manifests":[)";
  for (int i = 0; i < 4096; ++i) full += std::string(i ? "," : "") + Descriptor(std::to_string(i), formats::kOciManifest, R"(,"annotations":{"org.opencontainers.image.ref.name":"n)" + std::to_string(i) + "\"}");
  const std::pair<const char*, std::string> bad[] = {{"index.json", "{"}, {"index.json", R"({"manifests":1})"}, {"index.json", full + "]}"},
                                                     {"oci-layout", R"({"imageLayoutVersion":"2.0.0"})"}, {"index.json", "pipe"}, {"oci-layout", "pipe"}};
  for (const auto& [name, text] : bad) {
    Folder folder;
    const std::string path = folder.path + "/" + name;
    ASSERT_TRUE(text == "pipe" ? ::mkfifo(path.c_str(), 0600) == 0 : WriteFileAtomically(path, text).ok());
    auto copied = Trip().From(from, "a").To(folder.path).Go();
    EXPECT_FALSE(copied.ok()) << name << text.substr(0, 40);
    EXPECT_FALSE(fs::exists(folder.path + "/blobs")) << name << text.substr(0, 40);
    EXPECT_TRUE(text == "pipe" || *ReadFile(path, 8 << 20) == text) << name;
  }
}

TEST(Layout, TwoCopiesAtOnceKeepBothNames) {
  Folder one, two, target;
  TestRegistry from;
  Author a{from, "a"};
  a.Image("layer one", "", "v1");
  a.Image("layer two", "", "v2");
  ASSERT_TRUE(Trip().From(from, "a").To(one.path).Go("v1", "v1").ok());
  ASSERT_TRUE(Trip().From(from, "a").To(two.path).Go("v2", "v2").ok());
  auto copies = [&](const std::string& path, char name) {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(Trip().From(*DirectoryFiles(path)).To(target.path).Go("", name + std::to_string(i)).ok());
  };
  std::thread other([&] { copies(one.path, 'a'); });
  copies(two.path, 'b');
  other.join();
  auto entries = LayoutEntries(*DirectoryFiles(target.path));
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(entries->size(), 40u);
}

// Under a name there are always the whole bytes; what is right is not written again.
TEST(Layout, LeavesAloneWhatIsThere) {
  TestRegistry from;
  const std::string image = Author{from, "a"}.Image("some layer", "", "v1");
  Folder folder;
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go().ok());
  const std::string file = folder.path + "/" + BlobFile(*Digest::Parse(DigestOf(image)));
  struct stat before {}, after {};
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  ASSERT_TRUE(WriteFileAtomically(folder.path + "/oci-layout", R"({"imageLayoutVersion": "1.1.0", "x": 1})").ok());
  ASSERT_TRUE(WriteFileAtomically(folder.path + "/blobs/.part-0011223344556677", "left by a crash").ok());
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v1", "v2").ok());
  ASSERT_EQ(::stat(file.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(*ReadFile(folder.path + "/oci-layout", 1000), R"({"imageLayoutVersion": "1.1.0", "x": 1})");
  ASSERT_TRUE(WriteFileAtomically(file, "damaged").ok());
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go().ok());
  EXPECT_EQ(*ReadFile(file, 1 << 20), image);
  EXPECT_EQ(LayoutEntries(*DirectoryFiles(folder.path))->size(), 2u);
  EXPECT_FALSE(fs::exists(folder.path + "/blobs/.part-0011223344556677"));
}

TEST(Layout, AnEntryThatHasNothingToDoWithTheImageDoesNotStopIt) {
  TestRegistry from, to;
  Author a{from, "a"};
  a.Image("some layer", "", "v1");
  const std::string other = a.Image("other layer", "", "v2");
  Folder folder;
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go().ok());
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v2", "v2").ok());
  ASSERT_TRUE(WriteFileAtomically(folder.path + "/" + BlobFile(*Digest::Parse(DigestOf(other))), "damaged").ok());
  Trip trip;
  auto copied = trip.From(*DirectoryFiles(folder.path)).To(to, "c").Go("v1", "v1");
  ASSERT_TRUE(copied.ok()) << copied.error().message;
  ASSERT_EQ(trip.watcher.notes.size(), 1u);  // it might have been a signature
  EXPECT_NE(trip.watcher.notes[0].find(DigestOf(other)), std::string::npos);
}

TEST(Layout, TellsTheName) {
  TestRegistry from;
  Author{from, "a"}.Image("some layer", "", "v1");
  Folder folder;
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v1", "v7").ok());
  auto files = DirectoryFiles(folder.path);
  EXPECT_EQ(*LayoutSource(*files)->NameOf(""), "v7");
  EXPECT_EQ(*LayoutSource(*files)->NameOf(DigestOf(from.manifests["a"]["v1"])), "");
  EXPECT_EQ(TagOf("v7"), "v7");
  EXPECT_EQ(TagOf("docker.io/library/x:1.2"), "1.2");
  for (const char* name : {"docker.io/library/x", "localhost:5000/x", "a b", ""}) EXPECT_EQ(TagOf(name), "") << name;
}

// Signatures under cosign's tag, each a layer that only its annotations tell from another.
std::string CosignImage(Author a, const std::vector<std::string>& signatures, const std::string& tag) {
  std::string layers;
  for (const auto& signature : signatures) {
    a.Blob("payload", "x");
    layers += (layers.empty() ? "" : ",") + Descriptor("payload", "application/vnd.dev.cosign.simplesigning.v1+json", R"(,"annotations":{"dev.cosignproject.cosign/signature":")" + signature + "\"}");
  }
  return a.Manifest(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" + a.Blob("{}", formats::kOciConfig) + R"(,"layers":[)" + layers + "]}", tag);
}

TEST(Copy, DoesNotTakeAwayTheTargetsSignatures) {
  for (bool to_layout : {false, true}) {
    TestRegistry from, to;
    Folder folder;
    auto copy = [&](Trip& trip) {
      trip.From(from, "a");
      return to_layout ? trip.To(folder.path).Go() : trip.To(to, "b").Go();
    };
    auto at_target = [&](const std::string& tag) {
      if (!to_layout) return to.manifests["b"][tag];
      return LayoutSource(*DirectoryFiles(folder.path))->Manifest(tag)->bytes;
    };
    Author a{from, "a"};
    const std::string tag = "sha256-" + DigestOf(a.Image("some layer", "", "v1")).substr(7) + ".sig";
    const std::string theirs = CosignImage(a, {"theirs"}, tag);
    Trip first, again, more, other;
    ASSERT_TRUE(copy(first).ok());
    EXPECT_EQ(at_target(tag), theirs);
    const std::string both = CosignImage(a, {"theirs", "new"}, tag);
    ASSERT_TRUE(copy(more).ok());
    EXPECT_EQ(at_target(tag), both);  // all that was there is in it
    EXPECT_TRUE(more.watcher.notes.empty());
    const std::string less = CosignImage(a, {"new"}, tag);
    ASSERT_TRUE(copy(other).ok());
    EXPECT_EQ(at_target(tag), both);
    ASSERT_EQ(other.watcher.notes.size(), 1u);
    EXPECT_NE(other.watcher.notes[0].find(tag), std::string::npos);
  }
}

// A signature's tag that names an index which is on its way: its children come first.
TEST(Copy, AnIndexUnderATagOfItsChildComesAfterItsChildren) {
  TestRegistry from, to;
  Author a{from, "a"};
  const std::string one = a.Image("layer one"), two = a.Image("layer two");
  const std::string index = a.Index({one, two}, "v1");
  from.manifests["a"]["sha256-" + DigestOf(one).substr(7) + ".sig"] = index;
  ASSERT_TRUE(Trip().From(from, "a").To(to, "b").Go().ok());
  std::vector<std::string> puts;
  for (const auto& request : to.asked())
    if (request.method == "PUT" && request.target.find("/manifests/") != std::string::npos) puts.push_back(request.target.substr(request.target.find("/manifests/") + 11));
  ASSERT_EQ(puts.size(), 4u);
  EXPECT_EQ(puts[2], "sha256-" + DigestOf(one).substr(7) + ".sig");
  EXPECT_EQ(puts[3], "v1");
}

// attacks: import-content-lies. Lists within lists, each as long as may be, do not add up in memory.
class EndlessReferrers final : public CopySource {
 public:
  Result<FetchedManifest> Manifest(const std::string& reference) override {
    if (reference.starts_with("sha256-")) return Error{Errc::kNotFound, "none"};
    const std::string bytes = reference == "v1" ? Text("") : bytes_[reference];
    return FetchedManifest{bytes, std::string(formats::kOciManifest), crypto::Sha256(AsBytes(bytes))};
  }
  Result<std::string> NameOf(const std::string& reference) override { return reference; }
  Result<ReferrerList> Referrers(const Digest& subject, std::uint64_t most) override {
    ReferrerList out;
    const std::string next = Text(subject.str());
    out.digests.push_back(crypto::Sha256(AsBytes(next)));
    bytes_[out.digests[0].str()] = next;
    out.digests.resize(std::min<std::uint64_t>(most, 40'000), subject);
    held = std::max(held, listed_ += out.digests.size());
    return out;
  }
  Result<BlobBytes> Blob(const formats::Descriptor&, const Spool&, const Moved&) override { return Error{Errc::kNotFound, "none"}; }
  std::uint64_t held = 0;

 private:
  static std::string Text(const std::string& subject) {
    return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" + Descriptor("{}", formats::kOciConfig) + R"(,"layers":[])" +
           (subject.empty() ? "" : R"(,"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":")" + subject + "\"}") + "}";
  }
  std::map<std::string, std::string> bytes_;
  std::uint64_t listed_ = 0;
};

TEST(Copy, AnImageThatSaysTwoSizesOfALayerIsNotBegun) {
  TestRegistry from, to;
  Author a{from, "a"};
  const std::string type = "application/vnd.oci.image.layer.v1.tar", layer = a.Blob("some layer", type);
  std::string lie = layer;
  lie.replace(lie.find("\"size\":") + 7, std::string::npos, "7}");
  const std::string config = a.Blob("{}", formats::kOciConfig);
  a.Manifest(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" + config + R"(,"layers":[)" + layer + "," + lie + "]}", "v1");
  auto copied = Trip().From(from, "a").To(to, "c").Go();
  ASSERT_EQ(copied.error().code, Errc::kInvalid);
  EXPECT_NE(copied.error().message.find(DigestOf("some layer") + " has 7 bytes, and 10 elsewhere"), std::string::npos) << copied.error().message;
  EXPECT_EQ(to.Count("POST", "/uploads/"), 0u);
}

TEST(CopyPlan, BoundsWhatItHolds) {
  EndlessReferrers source;
  const TargetView view{[](const formats::Descriptor&) { return Result<bool>(false); }, [](const std::string&) { return std::optional<FetchedManifest>(); }};
  auto plan = PlanCopy(source, "v1", "v1", {}, view, [](std::string_view) {});
  EXPECT_EQ(plan.error().code, Errc::kLimit);
  EXPECT_LE(source.held, 100'000u);
}

TEST(Copy, GoesOnWithoutThreads) {
  TestRegistry from;
  Author{from, "a"}.Image("some layer", "", "v1");
  Folder folder, target;
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go().ok());
  auto files = DirectoryFiles(folder.path);
  pthread_attr_t usual, huge;
  ASSERT_EQ(::pthread_getattr_default_np(&usual), 0);
  ::pthread_attr_init(&huge);
  ::pthread_attr_setstacksize(&huge, std::size_t{1} << 46);  // there is no room for such a stack
  ASSERT_EQ(::pthread_setattr_default_np(&huge), 0);
  Trip trip;
  auto copied = trip.From(*files).To(target.path).Go("v1", "v1");
  ASSERT_EQ(::pthread_setattr_default_np(&usual), 0);
  ASSERT_TRUE(copied.ok()) << copied.error().message;
  EXPECT_EQ(copied->moved, 2u);
  ASSERT_EQ(trip.watcher.notes.size(), 1u);
}

}  // namespace
}  // namespace bulwark::remote
