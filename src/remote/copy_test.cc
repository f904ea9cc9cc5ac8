// Copies between registries in memory and layouts: what arrives, what is left out, and what does not move twice.
#include "remote/copy.h"

#include <cstdlib>
#include <filesystem>
#include <thread>

#include <pthread.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/byte_source.h"
#include "remote/copy_plan.h"
#include "remote/layout_index.h"
#include "remote/local_image.h"
#include "remote/test_registry.h"

namespace bulwark::remote {
namespace {

std::string DigestOf(const std::string& bytes) { return crypto::Sha256(AsBytes(bytes)).str(); }

std::string Descriptor(const std::string& bytes, std::string_view type, const std::string& more = "") {
  return R"({"mediaType":")" + std::string(type) + R"(","digest":")" + DigestOf(bytes) + R"(","size":)" + std::to_string(bytes.size()) + more + "}";
}

// Puts content into a repository of a TestRegistry.
struct Author {
  TestRegistry& registry;
  std::string repository;
  std::string Blob(const std::string& bytes, std::string_view type) {
    registry.blobs[repository][DigestOf(bytes)] = bytes;
    return Descriptor(bytes, type);
  }
  std::string Manifest(const std::string& bytes, const std::string& tag = "") {
    registry.manifests[repository][DigestOf(bytes)] = bytes;
    if (!tag.empty()) registry.manifests[repository][tag] = bytes;
    return bytes;
  }
  std::string Image(const std::string& layer, const std::string& more = "", const std::string& tag = "") {
    std::string config = Blob(R"({"architecture":"amd64","os":"linux","x":")" + layer + "\"}", formats::kOciConfig);
    return Manifest(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" + config + R"(,"layers":[)" +
                        Blob(layer, "application/vnd.oci.image.layer.v1.tar") + "]" + more + "}", tag);
  }
  std::string Signature(const std::string& of, const std::string& name) {
    return Image(name, R"(,"artifactType":"application/vnd.test","annotations":{"who":")" + name + R"("},"subject":)" + Descriptor(of, formats::kOciManifest));
  }
  std::string Index(const std::vector<std::string>& children, const std::string& tag) {
    std::string entries;
    const char* const platforms[] = {"amd64", "arm64", "s390x"};
    for (std::size_t i = 0; i < children.size(); ++i)
      entries += (i ? "," : "") + Descriptor(children[i], formats::kOciManifest, R"(,"platform":{"os":"linux","architecture":")" + std::string(platforms[i]) + "\"}");
    return Manifest(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)" + entries + "]}", tag);
  }
};

class Quiet final : public CopyWatcher {
 public:
  void Moved(std::uint64_t done, std::uint64_t total, std::string_view) override { EXPECT_LE(done, total); }
  void Note(std::string_view sentence) override { notes.emplace_back(sentence); }
  std::vector<std::string> notes;
};

struct Clients {
  std::vector<std::unique_ptr<net::HttpClient>> http;
  std::vector<std::unique_ptr<RegistryClient>> clients;
  RegistryClient& Add(const TestRegistry& registry, const std::string& repository) {
    http.push_back(net::MakeHttpClient());
    clients.push_back(std::make_unique<RegistryClient>(*http.back(), *ParseImageReference(registry.host() + "/" + repository + ":v1"), true, std::nullopt));
    Patience patience;
    patience.tries = 4;
    patience.answered_before = true;
    patience.sleep = [](std::chrono::milliseconds) {};
    clients.back()->SetPatience(patience);
    return *clients.back();
  }
};

struct Trip {
  Clients clients;
  CopyEnds ends;
  CopyOptions options;
  Quiet watcher;
  Trip& From(const TestRegistry& registry, const std::string& repository) {
    for (int i = 0; i < 3; ++i) ends.sources.push_back(RegistrySource(clients.Add(registry, repository), registry.host()));
    return *this;
  }
  Trip& To(const TestRegistry& registry, const std::string& repository, const std::string& mount = "") {
    for (int i = 0; i < 3; ++i) {
      auto& client = clients.Add(registry, repository);
      client.SetMountSource(mount);
      ends.targets.push_back(RegistryTarget(client, !mount.empty()));
    }
    return *this;
  }
  Trip& From(const ImageFiles& files) {
    for (int i = 0; i < 3; ++i) ends.sources.push_back(LayoutSource(files));
    return *this;
  }
  Trip& To(const std::string& path) {
    for (int i = 0; i < 3; ++i) ends.targets.push_back(LayoutTarget(path));
    return *this;
  }
  Result<CopyReport> Go(const std::string& from = "v1", const std::string& tag = "v1") { return Copy(ends, from, tag, options, watcher); }
};

struct Folder {
  Folder() { path = ::mkdtemp(name); }
  ~Folder() { std::filesystem::remove_all(path); }
  char name[32] = "/tmp/bulwark-copy-XXXXXX";
  std::string path;
};

// All manifests by digest; tags left out.
std::map<std::string, std::string> ByDigest(const std::map<std::string, std::string>& manifests) {
  std::map<std::string, std::string> out;
  for (const auto& [key, bytes] : manifests)
    if (key.starts_with("sha256:")) out[key] = bytes;
  return out;
}

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
  auto top = TopManifest(*files);  // signatures beside it do not make it unclear which the image is
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
  ASSERT_TRUE(TopManifest(*files).ok());  // two names of one image
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v2", "v2").ok());
  auto unclear = TopManifest(*files);
  EXPECT_EQ(unclear.error().code, Errc::kUnsupported);
  EXPECT_NE(unclear.error().message.find("v1, v2"), std::string::npos) << unclear.error().message;
  // A name moves; what had it stays where it is.
  ASSERT_TRUE(Trip().From(from, "a").To(folder.path).Go("v2", "v1").ok());
  auto named = LayoutSource(*files)->Manifest("v1");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->bytes, two);
  EXPECT_EQ(LayoutSource(*files)->Manifest("latest")->bytes, one);
  EXPECT_EQ(LayoutSource(*files)->Manifest(DigestOf(one))->bytes, one);
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
