// Layers built by hand -> inventory. Expectations follow DESIGN 2.5, 2.8, 2.12 and attacks.md (removed-evidence).
#include <gtest/gtest.h>

#include "base/limits.h"
#include "catalog/analyze.h"
#include "catalog/go_program.h"
#include "catalog/runner.h"
#include "crypto/hash.h"

namespace bulwark::catalog {
namespace {

using image::EntryType;
using image::GapKind;

// A layer as the walker would leave it, through the real cataloguers.
class Layer {
 public:
  Layer& File(const std::string& path, const std::string& content, std::uint32_t mode = 0644) {
    image::Entry entry{EntryType::kFile, false, mode, content.size(), path, "", 0};
    if (runner_.Wants(entry)) runner_.OnFile(static_cast<std::uint32_t>(record_.entries.size()), entry, AsBytes(content));
    record_.entries.push_back(entry);
    return *this;
  }
  Layer& Other(EntryType type, const std::string& path, const std::string& link = "") {
    record_.entries.push_back({type, false, 0755, 0, path, link, 0});
    return *this;
  }
  image::LayerRecord Done() {
    record_.is_layer = true;
    runner_.AddTo(record_);
    return record_;
  }

 private:
  Runner runner_;
  image::LayerRecord record_;
};

Assembled Of(const std::vector<image::LayerRecord>& layers) {
  std::vector<const image::LayerRecord*> pointers;
  std::vector<Digest> digests;
  for (const auto& layer : layers) {
    pointers.push_back(&layer);
    digests.push_back(crypto::Sha256(AsBytes("layer" + std::to_string(digests.size()))));
  }
  return Assemble(pointers, digests);
}

std::string Stanza(const std::string& name, const std::string& version, const std::string& source = "") {
  return "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\n" + (source.empty() ? "" : "Source: " + source + "\n") +
         "Version: " + version + "\n\n";
}

constexpr const char* kDebian12 = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n";
constexpr const char* kStatus = "var/lib/dpkg/status";

bool HasGap(const Inventory& inventory, GapKind kind, std::string_view part) {
  for (const image::Gap& gap : inventory.gaps) {
    if (gap.kind == kind && gap.reason.find(part) != std::string::npos) return true;
  }
  return false;
}

std::string Gaps(const Inventory& inventory) {
  std::string out;
  for (const image::Gap& gap : inventory.gaps) out += gap.path + ": " + gap.reason + "\n";
  return out;
}

const InventoryPackage* Find(const Inventory& inventory, std::string_view name) {
  for (const InventoryPackage& p : inventory.packages) {
    if (p.package.name == name) return &p;
  }
  return nullptr;
}

TEST(Assemble, DistributionAndPackages) {
  auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("base-files", "12.4+deb12u9") + Stanza("zlib1g", "1:1.2.13", "zlib (1:1.2)")).Done()});
  EXPECT_EQ(out.inventory.distribution, "Debian:12");
  ASSERT_EQ(out.inventory.packages.size(), 2u);
  EXPECT_EQ(out.inventory.packages[1].package.source_version, "1:1.2");
  EXPECT_EQ(out.inventory.packages[1].package.path, kStatus);
  EXPECT_EQ(out.inventory.packages[1].cataloger, "dpkg");
  EXPECT_FALSE(out.inventory.packages[1].layer.empty());
  EXPECT_TRUE(out.inventory.gaps.empty()) << Gaps(out.inventory);
  EXPECT_FALSE(out.inventory.blind());
}

TEST(Assemble, DistributionKeys) {
  struct Case {
    const char* os;
    const char* key;
    const char* gap;
  };
  for (const Case& c : {Case{"ID=ubuntu\nVERSION_ID=\"22.04\"\n", "Ubuntu:22.04", ""}, Case{"ID=debian\nVERSION_ID=12.5\n", "Debian:12", ""},
                        Case{"ID=debian\nPRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\n", "", "testing or unstable"},
                        Case{"ID=kali\nVERSION_ID=2024.1\nID_LIKE=debian\n", "", "no advisory data"},
                        Case{"ID=debian\nVERSION_ID=x\n", "", "no number"}, Case{nullptr, "", "no os-release"}}) {
    Layer layer;
    layer.File(kStatus, Stanza("a", "1"));
    if (c.os) layer.File("usr/lib/os-release", c.os);
    auto out = Of({layer.Done()});
    EXPECT_EQ(out.inventory.distribution, c.key);
    EXPECT_EQ(out.inventory.blind(), *c.gap != 0) << Gaps(out.inventory);
    if (*c.gap) {
      EXPECT_TRUE(HasGap(out.inventory, GapKind::kBlind, c.gap)) << Gaps(out.inventory);
    }
  }
}

TEST(Assemble, EtcOsReleaseWinsAndDisagreementIsTold) {
  auto out = Of({Layer().File("usr/lib/os-release", "ID=debian\nVERSION_ID=11\n").File("etc/os-release", kDebian12).File(kStatus, Stanza("a", "1")).Done()});
  EXPECT_EQ(out.inventory.distribution, "Debian:12");
  EXPECT_TRUE(HasGap(out.inventory, GapKind::kPartial, "different releases"));
}

TEST(Assemble, OsReleaseThatLies) {
  auto out = Of({Layer().File("etc/os-release", "ID=debian\nVERSION_ID=99\n").File(kStatus, Stanza("base-files", "12.4+deb12u9")).Done()});
  EXPECT_TRUE(HasGap(out.inventory, GapKind::kBlind, "base-files is of Debian:12")) << Gaps(out.inventory);
}

TEST(Assemble, RemovedDatabaseStillShows) {
  auto base = Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("openssl", "3.0.11-1")).Done();
  auto removed = Layer().Other(EntryType::kWhiteout, kStatus).Done();
  auto out = Of({base, removed});
  EXPECT_TRUE(out.inventory.blind());
  EXPECT_TRUE(HasGap(out.inventory, GapKind::kBlind, "evidence removed")) << Gaps(out.inventory);
  const InventoryPackage* p = Find(out.inventory, "openssl");
  ASSERT_TRUE(p);
  EXPECT_TRUE(p->hidden);
  EXPECT_EQ(out.inventory.distribution, "Debian:12");
}

TEST(Assemble, RemovedOsReleaseStillTells) {
  auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("a", "1")).Done(),
                 Layer().Other(EntryType::kWhiteout, "etc/os-release").Done()});
  EXPECT_EQ(out.inventory.distribution, "Debian:12");
  EXPECT_TRUE(HasGap(out.inventory, GapKind::kBlind, "only a lower layer says"));
}

TEST(Assemble, OrdinaryUpgradeAndRemovalHideNothing) {
  auto base = Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("a", "1") + Stanza("b", "1")).Done();
  auto out = Of({base, Layer().File(kStatus, Stanza("a", "2")).Done()});
  ASSERT_EQ(out.inventory.packages.size(), 1u);
  EXPECT_EQ(out.inventory.packages[0].package.version, "2");
  EXPECT_TRUE(out.inventory.gaps.empty()) << Gaps(out.inventory);
}

TEST(Assemble, OwnershipByChecksum) {
  std::string metadata = "Name: PyYAML\nVersion: 6.0\n";
  std::string md5 = crypto::Md5Hex(AsBytes(metadata));
  std::string path = "usr/lib/python3/dist-packages/PyYAML-6.0.egg-info/PKG-INFO";
  auto with = [&](const std::string& info, const std::string& text) {
    return Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("python3-yaml", "6.0-3", "pyyaml"))
                   .File("var/lib/dpkg/info/python3-yaml." + info, text).File(path, metadata).Done()});
  };
  auto verified = with("md5sums", md5 + "  " + path + "\n");
  const InventoryPackage* p = Find(verified.inventory, "PyYAML");
  ASSERT_TRUE(p);
  EXPECT_EQ(p->ownership, Ownership::kVerified);
  EXPECT_EQ(p->owner, "python3-yaml");
  EXPECT_EQ(p->owner_source, "pyyaml");
  EXPECT_TRUE(verified.inventory.gaps.empty()) << Gaps(verified.inventory);

  auto claimed = with("list", "/" + path + "\n");
  EXPECT_EQ(Find(claimed.inventory, "PyYAML")->ownership, Ownership::kClaimed);

  auto mismatch = with("md5sums", std::string(32, '0') + "  " + path + "\n");
  EXPECT_EQ(Find(mismatch.inventory, "PyYAML")->ownership, Ownership::kMismatch);
  EXPECT_TRUE(HasGap(mismatch.inventory, GapKind::kPartial, "differs from what package python3-yaml recorded"));
}

TEST(Assemble, ClaimsOfPackagesThatAreNotInstalledCountNothing) {
  std::string path = "usr/lib/python3/dist-packages/x.egg-info";
  auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("a", "1")).File("var/lib/dpkg/info/ghost.list", "/" + path + "\n")
                     .File(path, "Name: x\nVersion: 1\n").Done()});
  EXPECT_EQ(Find(out.inventory, "x")->ownership, Ownership::kNone);
}

TEST(Assemble, UnidentifiedArchiveOfADistributionPackageIsNoGap) {
  std::string jar = "no zip", path = "usr/share/java/x.jar";
  for (bool verified : {true, false}) {
    std::string md5 = verified ? crypto::Md5Hex(AsBytes(jar)) : std::string(32, '0');
    auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("libx-java", "1"))
                       .File("var/lib/dpkg/info/libx-java.md5sums", md5 + "  " + path + "\n").File(path, jar).Done()});
    EXPECT_EQ(out.inventory.gaps.empty(), verified) << Gaps(out.inventory);
  }
}

TEST(Assemble, ClaimsOfBeforeTheUsrMerge) {
  auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("tool", "1"))
                     .File("var/lib/dpkg/info/tool.list", "/bin/tool\n").File("usr/bin/tool", "x", 0755).Done()});
  EXPECT_TRUE(out.inventory.gaps.empty()) << Gaps(out.inventory);
}

TEST(Assemble, InstalledWinsOverLocked) {
  std::string lock = R"({"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"},"node_modules/b":{"version":"1.0.0","dev":true}}})";
  auto out = Of({Layer().File("app/package-lock.json", lock).File("app/node_modules/a/package.json", R"({"name":"a","version":"1.0.1"})")
                     .File("other/node_modules/b/package.json", R"({"name":"b","version":"2.0.0"})").Done()});
  ASSERT_EQ(out.inventory.packages.size(), 3u);
  EXPECT_EQ(Find(out.inventory, "a")->package.version, "1.0.1");
  EXPECT_FALSE(Find(out.inventory, "a")->package.locked_only);
  const InventoryPackage* b = Find(out.inventory, "b");
  EXPECT_TRUE(b->package.locked_only && b->package.development);
  EXPECT_EQ(b->package.version, "1.0.0");
}

TEST(Assemble, SamePackageInTwoDatabasesCountsOnce) {
  auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("a", "1"))
                     .File("var/lib/dpkg/status.d/a", "Package: a\nVersion: 1\nArchitecture: amd64\n").Done()});
  EXPECT_EQ(out.inventory.packages.size(), 1u);
}

TEST(Assemble, OtherDatabasesAreBlind) {
  auto out = Of({Layer().File("etc/os-release", "ID=arch\n").File("var/lib/pacman/local/ALPM_DB_VERSION", "9\n").Done()});
  EXPECT_TRUE(out.inventory.blind());
}

constexpr const char* kApk = "lib/apk/db/installed";

// An os-release that names a distribution without advisories must not make another's packages look clean.
TEST(Assemble, PackagesSayWhoseTheyAre) {
  struct Case {
    const char* os;
    const char* path;
    const char* package;
    const char* gap;
  };
  const char* const kDpkg = "var/lib/dpkg/status";
  for (const Case& c :
       {Case{"ID=wolfi\n", kApk, "P:alpine-release\nV:3.19.1-r0\nA:x86_64\n\n", "alpine-release is of Alpine:v3.19"},
        Case{"ID=wolfi\n", kApk, "P:alpine-baselayout\nV:3.4.3-r2\nA:x86_64\n\n", "alpine-baselayout is of Alpine"},
        Case{"ID=alpine\nVERSION_ID=3.19.1\n", kApk, "P:wolfi-baselayout\nV:20230201-r20\nA:x86_64\n\n", "wolfi-baselayout is of Wolfi"},
        Case{"ID=wolfi\n", kApk, "P:chainguard-baselayout\nV:1-r0\nA:x86_64\n\n", "is of Chainguard"},
        Case{"ID=chainguard\n", kApk, "P:wolfi-baselayout\nV:20230201-r20\nA:x86_64\n\n", "wolfi-baselayout is of Wolfi"},
        Case{"ID=chainguard\n", kApk, "P:wolfi-baselayout\nV:20230201-r20\nA:x86_64\n\nP:chainguard-baselayout\nV:1-r0\nA:x86_64\n\n", ""},
        Case{"ID=alpine\nVERSION_ID=3.19.1\n", kApk, "P:alpine-baselayout\nV:3.4.3-r2\nA:x86_64\n\n", ""},
        Case{"ID=ubuntu\nVERSION_ID=22.04\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 12.4+deb12u9\nArchitecture: amd64\n\n",
             "base-files is of Debian:12"},
        Case{"ID=debian\nVERSION_ID=12\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 12ubuntu4.6\nArchitecture: amd64\n\n",
             "base-files is of Ubuntu"},
        Case{"ID=ubuntu\nVERSION_ID=22.04\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 12ubuntu4.6\nArchitecture: amd64\n\n", ""},
        Case{"ID=ubuntu\nVERSION_ID=24.04\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 12ubuntu4.6\nArchitecture: amd64\n\n", "base-files is of another release"},
        Case{"ID=ubuntu\nVERSION_ID=20.04\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 12ubuntu4.6\nArchitecture: amd64\n\n", "base-files is of another release"},
        Case{"ID=ubuntu\nVERSION_ID=23.10\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 13ubuntu2\nArchitecture: amd64\n\n", ""},
        Case{"ID=ubuntu\nVERSION_ID=23.10\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 11ubuntu5\nArchitecture: amd64\n\n", "base-files is of another release"},
        Case{"ID=ubuntu\nVERSION_ID=26.04\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 14ubuntu3\nArchitecture: amd64\n\n", ""},
        Case{"ID=ubuntu\nVERSION_ID=26.04\n", kDpkg, "Package: base-files\nStatus: install ok installed\nVersion: 12ubuntu4\nArchitecture: amd64\n\n", "base-files is of another release"}}) {
    Layer layer;
    layer.File(c.path, c.package);
    layer.File("etc/os-release", c.os);
    auto out = Of({layer.Done()});
    EXPECT_EQ(out.inventory.blind(), *c.gap != 0) << c.os << Gaps(out.inventory);
    EXPECT_NE(Gaps(out.inventory).find(c.gap), std::string::npos) << Gaps(out.inventory);
  }
  Layer base, disguise;
  base.File(kApk, "P:libssl3\nV:3.1.4-r5\nA:x86_64\no:openssl\n\n");
  base.File("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n");
  disguise.File("etc/os-release", "ID=wolfi\n");
  auto out = Of({base.Done(), disguise.Done()});
  EXPECT_TRUE(out.inventory.blind());
  EXPECT_NE(Gaps(out.inventory).find("a layer brought that of alpine"), std::string::npos) << Gaps(out.inventory);
}

TEST(Assemble, AlpineKeysAndPackages) {
  struct Case {
    const char* os;
    const char* key;
    const char* gap;
  };
  // VERSION_ID as Alpine's releases, release candidates and edge write it; OSV's names of the ecosystems.
  for (const Case& c : {Case{"ID=alpine\nVERSION_ID=3.19.1\n", "Alpine:v3.19", ""}, Case{"ID=alpine\nVERSION_ID=3.20.0_rc1\n", "Alpine:v3.20", ""},
                        Case{"ID=alpine\nVERSION_ID=3.21_alpha20240923\n", "Alpine:edge", ""}, Case{"ID=alpine\nVERSION_ID=edge\n", "Alpine:edge", ""},
                        Case{"ID=wolfi\nVERSION_ID=20230201\n", "Wolfi", ""}, Case{"ID=chainguard\n", "Chainguard", ""},
                        Case{"ID=alpine\n", "", "is no release"}, Case{"ID=alpine\nVERSION_ID=3.x\n", "", "is no release"},
                        Case{"ID=postmarketos\nID_LIKE=alpine\nVERSION_ID=v23.12\n", "", "no advisory data"}, Case{nullptr, "", "no os-release"}}) {
    Layer layer;
    layer.File(kApk, "P:libssl3\nV:3.1.4-r5\nA:x86_64\no:openssl\n\n");
    if (c.os) layer.File("etc/os-release", c.os);
    auto out = Of({layer.Done()});
    EXPECT_EQ(out.inventory.distribution, c.key);
    EXPECT_EQ(out.inventory.blind(), *c.gap != 0) << Gaps(out.inventory);
    if (*c.gap) {
      EXPECT_TRUE(HasGap(out.inventory, GapKind::kBlind, c.gap)) << Gaps(out.inventory);
    }
    const InventoryPackage* p = Find(out.inventory, "libssl3");
    ASSERT_TRUE(p);
    EXPECT_EQ(p->package.source_name + p->cataloger, "opensslapk");
  }
}

TEST(Assemble, AlpineOfAnotherReleaseThanItSays) {
  auto with = [](const char* version) {
    return Of({Layer().File("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n")
                   .File(kApk, std::string("P:alpine-release\nV:") + version + "\n\n").Done()});
  };
  EXPECT_FALSE(with("3.19.4-r0").inventory.blind());
  EXPECT_TRUE(HasGap(with("3.12.0-r0").inventory, GapKind::kBlind, "alpine-release is of Alpine:v3.12"));
  EXPECT_TRUE(HasGap(with("3.20_alpha20231219-r0").inventory, GapKind::kBlind, "is of Alpine:edge"));
}

// As of dpkg: a claim is told, and without a checksum it answers nothing. A removed database still shows.
TEST(Assemble, AlpineOwnersAndRemovedDatabase) {
  const std::string path = "usr/lib/python3.11/site-packages/PyYAML-6.0.dist-info/METADATA";
  const std::string database = "P:py3-yaml\nV:6.0-r1\nF:usr/lib/python3.11/site-packages/PyYAML-6.0.dist-info\nR:METADATA\nF:usr/bin\nR:tool\n\n";
  auto base = Layer().File("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n").File(kApk, database).File("usr/bin/tool", "x", 0755)
                  .File(path, "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0\n").Done();
  auto out = Of({base});
  EXPECT_TRUE(out.inventory.gaps.empty()) << Gaps(out.inventory);
  const InventoryPackage* p = Find(out.inventory, "PyYAML");
  ASSERT_TRUE(p);
  EXPECT_EQ(p->ownership, Ownership::kClaimed);
  EXPECT_EQ(p->owner + " " + p->owner_source, "py3-yaml py3-yaml");
  auto removed = Of({base, Layer().Other(EntryType::kWhiteout, kApk).Done()});
  EXPECT_TRUE(HasGap(removed.inventory, GapKind::kBlind, "evidence removed")) << Gaps(removed.inventory);
  EXPECT_TRUE(Find(removed.inventory, "py3-yaml")->hidden);
  auto empty = Of({Layer().File("etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n").File(kApk, "").File("usr/lib/x.so", "x").Done()});
  EXPECT_TRUE(HasGap(empty.inventory, GapKind::kBlind, "no package database")) << Gaps(empty.inventory);
}

TEST(Assemble, UnknownProgramsAreTold) {
  auto alone = Of({Layer().File("bin/busybox", "\x7f" "ELF", 0755).Done()});
  EXPECT_TRUE(alone.inventory.blind()) << Gaps(alone.inventory);

  auto beside = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("a", "1")).File("usr/local/bin/tool", "#!/bin/sh\n", 0755).Done()});
  EXPECT_FALSE(beside.inventory.blind());
  EXPECT_TRUE(HasGap(beside.inventory, GapKind::kPartial, "1 programs belong to no package")) << Gaps(beside.inventory);

  auto gone = Of({Layer().File("bin/busybox", "\x7f" "ELF", 0755).Done(), Layer().Other(EntryType::kWhiteout, "bin").Done()});
  EXPECT_TRUE(gone.inventory.gaps.empty()) << Gaps(gone.inventory);

  // A distribution without its database is not clean, also where nothing can be executed as it is.
  for (const char* path : {"data/x.txt", kStatus, "var/lib/dpkg/status.d/a"}) {
    auto lost = Of({Layer().File("etc/os-release", kDebian12).File("usr/lib/x.so", "x").File(path, "").Done()});
    EXPECT_TRUE(HasGap(lost.inventory, GapKind::kBlind, "no package database")) << Gaps(lost.inventory);
  }

  auto data = Of({Layer().File("data/x.txt", "x").Done()});
  EXPECT_TRUE(data.inventory.gaps.empty()) << Gaps(data.inventory);
}

TEST(Assemble, LayerThatIsNone) {
  image::LayerRecord none;
  EXPECT_TRUE(Of({none}).inventory.blind());
}

TEST(Assemble, FileReachedThroughALinkIsReadAgain) {
  // etc/os-release is a link to a file that its own layer had no reason to read.
  auto out = Of({Layer().File("srv/release", kDebian12).File(kStatus, Stanza("a", "1")).Done(),
                 Layer().Other(EntryType::kSymlink, "etc/os-release", "../srv/release").Done()});
  ASSERT_EQ(out.unread.size(), 1u);
  EXPECT_EQ(out.unread[0].path, "etc/os-release");
  EXPECT_EQ(AsGaps(out.unread)[0].kind, GapKind::kBlind);
}

TEST(AnalyzeFile, ReadsOneFile) {
  std::string lock = R"({"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"}}})";
  auto record = AnalyzeFile("/tmp/package-lock.json", AsBytes(lock), 0644);
  ASSERT_EQ(record.files.size(), 1u);
  EXPECT_EQ(record.files[0].packages[0].path, "tmp/package-lock.json");
  EXPECT_EQ(record.files[0].md5, crypto::Md5Hex(AsBytes(lock)));
  auto nothing = AnalyzeFile("notes.txt", AsBytes("x"), 0644);
  ASSERT_EQ(nothing.gaps.size(), 1u);
  EXPECT_EQ(nothing.gaps[0].kind, GapKind::kBlind);
}

std::string UnreadGaps(const Inventory& inventory) {
  std::string out;
  for (const image::Gap& gap : inventory.gaps) {
    if (gap.cataloger != "unread") continue;
    out += gap.path + (gap.kind == GapKind::kPartial ? "" : " blind") + gap.reason.substr(std::min(gap.reason.size(), gap.reason.find(" (and "))) + "\n";
  }
  return out;
}

TEST(Assemble, FilesThatAreNotReadAreOneGapAnEcosystem) {
  Layer layer;
  for (int i = 100; i < 400; ++i) layer.File("usr/local/gems/specifications/g" + std::to_string(i) + ".gemspec", "x");
  layer.File("app/Gemfile.lock", "x").File("app/Cargo.lock", "x");
  EXPECT_EQ(UnreadGaps(Of({layer.Done()}).inventory), "app/Cargo.lock\napp/Gemfile.lock (and 300 more files of RubyGems)\n");
}

TEST(Assemble, FilesThatAreNotReadOfADistributionPackageAreNoGap) {
  std::string spec = "Gem::Specification.new", path = "usr/share/rubygems-integration/all/specifications/rake-13.gemspec";
  for (bool verified : {true, false}) {
    std::string md5 = verified ? crypto::Md5Hex(AsBytes(spec)) : std::string(32, '0');
    auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("rake", "13"))
                       .File("var/lib/dpkg/info/rake.md5sums", md5 + "  " + path + "\n").File(path, spec).Done()});
    EXPECT_EQ(UnreadGaps(out.inventory), verified ? "" : path + "\n") << Gaps(out.inventory);
  }
}

// Add-ons of others are packed as .deb as well (GitLab: a thousand gems in opt/): no data of the distribution speaks of them.
TEST(Assemble, FilesThatAreNotReadOfAnAddOnAreAGap) {
  std::string spec = "Gem::Specification.new";
  for (std::string path : {"opt/gitlab/embedded/specifications/rake-13.gemspec", "usr/local/gems/specifications/rake-13.gemspec"}) {
    auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("gitlab-ee", "13"))
                       .File("var/lib/dpkg/info/gitlab-ee.md5sums", crypto::Md5Hex(AsBytes(spec)) + "  " + path + "\n").File(path, spec).Done()});
    EXPECT_EQ(UnreadGaps(out.inventory), path + "\n");
  }
}

// Of Debian's own Python packages, with or without checksums, none answers for a lock file beside them.
TEST(Assemble, DistributionPackagesDoNotAnswerForUnreadLocks) {
  std::string metadata = "Name: six\nVersion: 1\n", path = "usr/lib/python3/dist-packages/six-1.egg-info/PKG-INFO";
  for (std::string info : {"md5sums " + crypto::Md5Hex(AsBytes(metadata)) + "  " + path, "list /" + path, "md5sums " + std::string(32, '0') + "  " + path}) {
    std::size_t blank = info.find(' ');
    auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("python3-six", "1"))
                       .File("var/lib/dpkg/info/python3-six." + info.substr(0, blank), info.substr(blank + 1) + "\n").File(path, metadata)
                       .File("app/poetry.lock", "x").Done()});
    EXPECT_EQ(UnreadGaps(out.inventory), "app/poetry.lock\n") << info;
  }
}

// What was wanted is answered where what is installed was read; what is installed never is.
TEST(Assemble, InstalledPackagesAnswerForUnreadLocks) {
  const char* json = R"({"name":"a","version":"1"})";
  const char* metadata = "Name: %\nVersion: 1\n";
  auto python = [&](std::string name) { return std::string(metadata).replace(6, 1, name); };
  struct Case {
    std::string unread, installed, content, want;
  };
  for (const Case& c : {Case{"app/yarn.lock", "app/node_modules/a/package.json", json, ""},
                        Case{"app/yarn.lock", "node_modules/a/package.json", json, "app/yarn.lock\n"},
                        Case{"yarn.lock", "node_modules/a/package.json", json, ""},
                        Case{"app/.pnp.cjs", "app/node_modules/a/package.json", json, "app/.pnp.cjs\n"},
                        Case{"app/poetry.lock", "usr/lib/python3/site-packages/flask-1.dist-info/METADATA", python("flask"), ""},
                        Case{"app/poetry.lock", "usr/lib/python3/site-packages/pip-1.dist-info/METADATA", python("pip"), "app/poetry.lock\n"},
                        Case{"app/poetry.lock", "p/site-packages/setuptools/_vendor/a-1.dist-info/METADATA", python("a"), "app/poetry.lock\n"},
                        Case{"app/poetry.lock", "app/src/mine.egg-info/PKG-INFO", python("mine"), "app/poetry.lock\n"},
                        Case{"app/requirements/prod.txt", "app/x.txt", "", "app/requirements/prod.txt\n"},
                        Case{"app/requirements/prod.txt", "var/task/flask-1.dist-info/METADATA", python("flask"), ""},
                        Case{"x.egg", "usr/lib/python3/site-packages/flask-1.dist-info/METADATA", python("flask"), "x.egg\n"},
                        Case{"app/Cargo.lock", "app/node_modules/a/package.json", json, "app/Cargo.lock\n"}}) {
    auto out = Of({Layer().File(c.unread, "x").File(c.installed, c.content).Done()});
    EXPECT_EQ(UnreadGaps(out.inventory), c.want) << c.unread << " " << c.installed;
  }
}

TEST(Assemble, EntriesOfAnInterruptedDpkgCountBesideItsStatus) {
  auto out = Of({Layer().File("etc/os-release", kDebian12).File(kStatus, Stanza("a", "1") + Stanza("b", "1"))
                     .File("var/lib/dpkg/updates/0000", Stanza("a", "2")).File("var/lib/dpkg/updates/0001", Stanza("b", "1")).Done()});
  std::string packages;
  for (const InventoryPackage& p : out.inventory.packages) packages += p.package.name + " " + p.package.version + "\n";
  EXPECT_EQ(packages, "a 1\na 2\nb 1\n");
  EXPECT_TRUE(HasGap(out.inventory, GapKind::kPartial, "dpkg was interrupted"));
  EXPECT_FALSE(out.inventory.blind()) << Gaps(out.inventory);
}

TEST(AnalyzeFile, AFileThatIsNotReadIsBlindAlone) {
  auto record = AnalyzeFile("yarn.lock", AsBytes("x"), 0644);
  ASSERT_EQ(record.gaps.size(), 1u);
  EXPECT_EQ(record.gaps[0].kind, GapKind::kBlind);
}

// The loader runs a program without its bit; thousands of libraries must not be read for nothing.
TEST(StartsProgram, ByElfTypeNameAndNote) {
  auto elf = [](char type, std::string rest = "") { return std::string("\x7f" "ELF\x02\x01\x01", 7) + std::string(9, '\0') + std::string{type, '\0'} + rest; };
  std::string note = std::string(100, 'x') + std::string("\x04\0\0\0Go\0\0", 8);
  struct Case {
    const char* path;
    std::string start;
    bool is;
  };
  for (const Case& c : {Case{"a", elf(2), true}, Case{"a", elf(3), true}, Case{"a.so", elf(2), true}, Case{"a", elf(1), false}, Case{"a", elf(4), false},
                        Case{"lib/libc.so.6", elf(3), false}, Case{"x.so", elf(3), false}, Case{"x.so", elf(3, note), true},
                        Case{"x.sophisticated", elf(3), true}, Case{".so", elf(3), true}, Case{"a", "\x7f" "ELF", false}, Case{"a", "#!/bin/sh", false},
                        Case{"a", "", false}}) {
    EXPECT_EQ(StartsProgram(c.path, AsBytes(c.start)), c.is) << c.path << " " << c.start.size();
  }
}

// A program too large to be held is searched part by part; other large files are gaps.
TEST(Runner, LargeProgramsInParts) {
  std::string modules = std::string(16, '0') + "path\texample.test/x\nmod\texample.test/x\tv1.2.3\n" + std::string(16, '1');
  std::string program = std::string("\x7f" "ELF").append(1020, '\0') + "\xff Go buildinf:" + std::string("\x08\x02", 2) + std::string(16, '\0') +
                        "\x08go1.22.3" + static_cast<char>(modules.size()) + modules + std::string(500, 'x');
  image::Entry entry{EntryType::kFile, false, 0755, limits::kCatalogedFileBytes + 1, "usr/bin/big", "", 0};
  for (std::size_t step : {1u, 7u, 100u, 5000u}) {
    entry.mode = step % 2 ? 0755 : 0644;
    Runner runner;
    for (std::size_t at = 0; at < program.size(); at += step) {
      EXPECT_TRUE(runner.OnPart(0, entry, AsBytes(std::string_view(program).substr(at, step))));
    }
    runner.OnTooLarge(0, entry);
    image::LayerRecord record;
    runner.AddTo(record);
    ASSERT_EQ(record.files.size(), 1u) << step;
    EXPECT_EQ(record.files[0].md5, crypto::Md5Hex(AsBytes(program)));
    ASSERT_EQ(record.files[0].packages.size(), 2u);
    EXPECT_EQ(record.files[0].packages[1].version, "v1.2.3");
    EXPECT_TRUE(record.files[0].gaps.empty());
  }
  Runner runner;
  image::Entry jar{EntryType::kFile, false, 0644, limits::kCatalogedFileBytes + 1, "big.jar", "", 0};
  EXPECT_FALSE(runner.OnPart(0, jar, AsBytes("PK\x03\x04")));
  runner.OnTooLarge(0, jar);
  image::LayerRecord record;
  runner.AddTo(record);
  ASSERT_EQ(record.files.size(), 1u);
  EXPECT_NE(record.files[0].gaps.at(0).reason.find("larger than"), std::string::npos);
}

TEST(AnalyzeLayer, WalksATar) {
  // One ustar member, made here; the walker has its own tests.
  std::string status = Stanza("a", "1");
  std::string header(512, '\0');
  header.replace(0, 19, kStatus);
  header.replace(100, 8, std::string("0000644\0", 8));
  char size[13];
  std::snprintf(size, sizeof size, "%011o", static_cast<unsigned>(status.size()));
  header.replace(124, 12, std::string(size, 12));
  header[156] = '0';
  header.replace(257, 8, std::string("ustar\0" "00", 8));
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(size, sizeof size, "%06o", sum);
  header.replace(148, 8, std::string(size, 6) + std::string("\0 ", 2));
  std::string tar = header + status + std::string(512 - status.size() % 512, '\0') + std::string(1024, '\0');
  MemorySource source{AsBytes(tar)};
  auto record = AnalyzeLayer(source);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->set_version, kSetVersion);
  ASSERT_EQ(record->files.size(), 1u);
  EXPECT_EQ(record->files[0].packages[0].name, "a");
  // Read again under another name.
  ASSERT_TRUE(ReadAgain(source, *record, {{0, 0, "var/lib/dpkg/status.d/x"}, {0, 0, "srv/unwanted"}}).ok());
  ASSERT_EQ(record->files.size(), 3u);
  EXPECT_EQ(record->files[0].read_as, "srv/unwanted");
  EXPECT_EQ(record->files[0].cataloger, "");
  EXPECT_EQ(record->files[2].read_as, "var/lib/dpkg/status.d/x");
  EXPECT_EQ(record->files[2].packages[0].path, "var/lib/dpkg/status.d/x");
}

}  // namespace
}  // namespace bulwark::catalog
