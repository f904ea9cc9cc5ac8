#include "image/walk.h"

#include <functional>
#include <map>
#include <random>

#include <gtest/gtest.h>
#include <isa-l/igzip_lib.h>
#include <sys/resource.h>
#include <zstd.h>

#include "base/limits.h"
#include "crypto/hash.h"
#include "image/test_tar.h"
#include "image/walk_path.h"

namespace bulwark::image {
namespace {

using testing::TarEnd;
using testing::TarFile;
using testing::TarHeaderBlock;

// Wants every file whose name does not start with "skip", and keeps what it is given.
class Keeper final : public LayerVisitor {
 public:
  bool Wants(const Entry& entry) override { return keep_all_ && !entry.path.starts_with("skip"); }
  void OnFile(std::uint32_t index, const Entry&, ByteSpan data) override { files[index] = AsText(data); }
  void OnTooLarge(std::uint32_t index, const Entry&) override { too_large.push_back(index); }
  bool OnPart(std::uint32_t, const Entry&, ByteSpan part) override {
    in_parts += part.size();
    return true;
  }
  bool WantsStart(const Entry&, ByteSpan start) override {
    longest_start = std::max(longest_start, start.size());
    return AsText(start).starts_with("MAGIC");
  }
  std::size_t longest_start = 0;
  std::map<std::uint32_t, std::string> files;
  std::vector<std::uint32_t> too_large;
  std::uint64_t in_parts = 0;
  bool keep_all_ = true;
};

std::string Gzip(std::string_view text) {
  isal_zstream z;
  isal_deflate_init(&z);
  Bytes level(ISAL_DEF_LVL1_DEFAULT);
  z.level = 1;
  z.level_buf = level.data();
  z.level_buf_size = static_cast<std::uint32_t>(level.size());
  z.gzip_flag = IGZIP_GZIP;
  z.end_of_stream = 1;
  z.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<std::uint32_t>(text.size());
  std::string out(text.size() + text.size() / 8 + 4096, '\0');
  z.next_out = reinterpret_cast<std::uint8_t*>(out.data());
  z.avail_out = static_cast<std::uint32_t>(out.size());
  EXPECT_EQ(isal_deflate(&z), COMP_OK);
  out.resize(z.total_out);
  return out;
}

std::string Zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

LayerRecord WalkText(std::string_view blob, Keeper& keeper) {
  MemorySource source(AsBytes(blob));
  auto record = WalkLayer(source, keeper);
  EXPECT_TRUE(record.ok());
  return record.ok() ? *std::move(record) : LayerRecord();
}

std::string Random(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(n, '\0');
  for (char& c : out) c = "abcdefghijklmnop"[random() % 16];
  return out;
}

// A blob that repeats some bytes for ever.
class Endless final : public ByteSource {
 public:
  Endless(std::string head, std::string body, std::uint64_t times)
      : head_(std::move(head)), body_(std::move(body)), left_(times) {}
  Result<std::size_t> Read(std::span<std::uint8_t> into) override {
    if (pending_.empty()) {
      if (!head_.empty()) pending_ = std::exchange(head_, {});
      else if (left_ > 0) --left_, pending_ = body_;
    }
    std::size_t n = std::min(into.size(), pending_.size() - at_);
    std::copy_n(pending_.begin() + static_cast<std::ptrdiff_t>(at_), n, into.begin());
    at_ += n;
    given_ += n;
    if (at_ == pending_.size()) pending_.clear(), at_ = 0;
    return n;
  }
  std::uint64_t given() const { return given_; }

 private:
  std::string head_, body_, pending_;
  std::size_t at_ = 0;
  std::uint64_t left_, given_ = 0;
};

std::string SmallTar() {
  return TarHeaderBlock("d/", '5', 0, {}, 0755) + TarFile("./d/one", "first") +
         TarFile("skip/two", std::string(3000, 'x')) + TarHeaderBlock("d/s", '2', 0, "../x/../y") +
         TarHeaderBlock("d/h", '1', 0, "./d/one") + TarHeaderBlock("d/pipe", '6', 0) + TarHeaderBlock("d/dev", '3', 0) +
         TarFile("d/.wh.gone", "") + TarFile("e/.wh..wh..opq", "") + TarFile(".wh..wh.aufs", "") +
         TarFile("empty", "") + TarEnd();
}

TEST(WalkTest, ReadsAllCompressions) {
  std::string tar = SmallTar();
  std::string two = Gzip(std::string_view(tar).substr(0, 700)) + Gzip(std::string_view(tar).substr(700));
  for (const std::string& blob : {tar, Gzip(tar), two, Zstd(tar), Zstd(tar.substr(0, 700)) + Zstd(tar.substr(700))}) {
    Keeper keeper;
    LayerRecord r = WalkText(blob, keeper);
    EXPECT_TRUE(r.is_layer && r.complete);
    EXPECT_TRUE(r.gaps.empty()) << r.gaps[0].reason;
    EXPECT_EQ(r.diff_id, crypto::Sha256(AsBytes(tar)));
    EXPECT_EQ(r.blob_size, blob.size());
    EXPECT_EQ(r.inflated_size, tar.size());
    ASSERT_EQ(r.entries.size(), 10u);
    EXPECT_EQ(r.entries[0].type, EntryType::kDirectory);
    EXPECT_EQ(r.entries[0].mode, 0755u);
    EXPECT_EQ(r.entries[1].path, "d/one");
    EXPECT_FALSE(r.entries[1].odd_name);
    EXPECT_EQ(r.entries[3].link, "../x/../y");
    EXPECT_EQ(r.entries[4].type, EntryType::kHardlink);
    EXPECT_EQ(r.entries[4].link, "d/one");
    EXPECT_EQ(r.entries[5].type, EntryType::kFifo);
    EXPECT_EQ(r.entries[7].type, EntryType::kWhiteout);
    EXPECT_EQ(r.entries[7].path, "d/gone");
    EXPECT_EQ(r.entries[8].type, EntryType::kOpaque);
    EXPECT_EQ(r.entries[8].path, "e");
    EXPECT_EQ(keeper.files, (std::map<std::uint32_t, std::string>{{1, "first"}, {9, ""}}));
  }
}

TEST(WalkTest, WhatIsNoLayer) {
  Keeper keeper;
  for (std::string blob : {std::string("{\"a\":1}"), std::string(5000, '{'),
                           std::string("\xfd"
                                       "7zXZ\0",
                                       6),
                           Gzip("{}{}"), Gzip(std::string(5000, '{')), std::string(100, '\0')}) {
    LayerRecord r = WalkText(blob, keeper);
    EXPECT_FALSE(r.is_layer);
    EXPECT_TRUE(r.entries.empty() && r.gaps.empty());
    EXPECT_EQ(r.blob_size, blob.size());
  }
  for (const std::string& blob : {std::string(), TarEnd(), Gzip(TarEnd()), Gzip("")}) {
    LayerRecord r = WalkText(blob, keeper);
    EXPECT_TRUE(r.is_layer && r.complete && r.gaps.empty());
  }
}

TEST(WalkTest, DamageIsAGap) {
  std::string tar = SmallTar(), gz = Gzip(tar);
  auto flipped = [](std::string s, std::size_t at) { return s[at] = static_cast<char>(s[at] ^ 0x55), s; };
  struct Case {
    std::string blob, reason;
    bool complete, hashed;
  } cases[] = {
      {gz.substr(0, gz.size() - 9), "truncated", false, false},
      {gz.substr(0, 30), "truncated", false, false},
      {flipped(gz, gz.size() - 6), "CRC-32", false, false},
      {gz + "garbage", "no gzip member", false, false},
      {Zstd(tar).substr(0, 90), "zstd: truncated", false, false},
      {tar.substr(0, 1600), "truncated", false, true},
      {flipped(tar, 600), "checksum", false, true},
      {tar + "more", "data follows", true, true},
      {tar + tar, "data follows", true, true},
      {TarFile("a", "b") + std::string(512, '\0') + TarFile("c", "d") + TarEnd(), "one zero block", false, true},
      {TarHeaderBlock("odd", 'Z', 0) + TarEnd(), "unknown type", true, true},
      {TarFile("a/.wh.", "") + TarEnd(), "cannot be extracted", true, true},
      {TarFile("a/.wh...", "") + TarEnd(), "cannot be extracted", true, true},
  };
  for (const Case& c : cases) {
    Keeper keeper;
    LayerRecord r = WalkText(c.blob, keeper);
    EXPECT_TRUE(r.is_layer) << c.reason;
    EXPECT_EQ(r.complete, c.complete) << c.reason;
    ASSERT_EQ(r.gaps.size(), 1u) << c.reason;
    EXPECT_NE(r.gaps[0].reason.find(c.reason), std::string::npos) << r.gaps[0].reason;
    EXPECT_EQ(r.gaps[0].kind, GapKind::kBlind);
    EXPECT_EQ(r.diff_id.empty(), !c.hashed) << c.reason;
    EXPECT_EQ(r.blob_size, c.blob.size());
  }
}

TEST(WalkTest, NamesAreCleanedInsideTheRoot) {
  struct {
    const char *name, *path;
    bool odd;
  } cases[] = {
      {"../../var/lib/dpkg/status", "var/lib/dpkg/status", true},
      {"/var/lib/dpkg/status", "var/lib/dpkg/status", true},
      {"./var//lib/dpkg/status", "var/lib/dpkg/status", true},
      {"var/lib/x/../dpkg/status", "var/lib/dpkg/status", true},
      {"var/lib/dpkg/status/", "var/lib/dpkg/status", true},
      {"./././a", "a", false},
      {"a\\b", "a\\b", false},
      {"caf\xe9", "caf\xe9", true},
      {"..", "", true},
      {"a/./b", "a/b", true},
      {"...", "...", false},
      {"", "", false},
  };
  for (auto& c : cases) {
    Entry entry;
    bool refused = true;
    EXPECT_TRUE(NameEntry(c.name, entry, refused)) << c.name;
    EXPECT_EQ(entry.path, c.path) << c.name;
    EXPECT_EQ(entry.odd_name, c.odd) << c.name;
  }
  Entry folder{.type = EntryType::kDirectory};
  bool refused = false;
  EXPECT_TRUE(NameEntry("./", folder, refused));
  EXPECT_TRUE(folder.path.empty() && !folder.odd_name);
}

TEST(WalkTest, LargeFilesComeInParts) {
  Endless source(TarHeaderBlock("large", '0', limits::kCatalogedFileBytes + 512), std::string(512 * 1024, '\0'),
                 limits::kCatalogedFileBytes / (512 * 1024) + 1);
  Keeper keeper;
  auto record = WalkLayer(source, keeper);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(keeper.too_large, std::vector<std::uint32_t>{0});
  EXPECT_TRUE(keeper.files.empty());
  EXPECT_EQ(keeper.in_parts, limits::kCatalogedFileBytes + 512);
}

// Files that straddle the stream's chunks in every way, of which every second is wanted for its first bytes.
TEST(WalkTest, FilesWantedForTheirStart) {
  std::string tar;
  std::map<std::uint32_t, std::string> want;
  for (std::uint32_t i = 0; i < 60; ++i) {
    const std::size_t size = i < 10 ? i + 4 : i < 20 ? LayerVisitor::kStartBytes + i - 15 : 9000u * i;
    std::string content = (i % 2 ? "MAGIC" : "other") + Random(size, i);
    content.resize(size);
    tar += TarFile("skip/" + std::to_string(i), content);
    if (content.starts_with("MAGIC")) want[i] = content;
  }
  tar += TarEnd();
  for (const std::string& blob : {tar, Gzip(tar), Zstd(tar)}) {
    Keeper keeper;
    LayerRecord r = WalkText(blob, keeper);
    EXPECT_TRUE(r.complete && r.gaps.empty());
    EXPECT_EQ(keeper.files, want);
    EXPECT_EQ(keeper.longest_start, LayerVisitor::kStartBytes);
  }
}

TEST(WalkTest, LargeFilesWantedForTheirStart) {
  std::string body(512 * 1024, '\0');
  for (bool wanted : {true, false}) {
    std::string head = TarHeaderBlock("skip/large", '0', limits::kCatalogedFileBytes + 512) + (wanted ? "MAGIC" : "other");
    Endless source(head, body, limits::kCatalogedFileBytes / body.size() + 1);
    Keeper keeper;
    ASSERT_TRUE(WalkLayer(source, keeper).ok());
    EXPECT_EQ(keeper.in_parts, wanted ? limits::kCatalogedFileBytes + 512 : 0);
    EXPECT_EQ(keeper.too_large.size(), wanted ? 1u : 0u);
    EXPECT_TRUE(keeper.files.empty());
  }
}

TEST(WalkTest, SourceErrorsAreErrors) {
  class Failing final : public ByteSource {
   public:
    Result<std::size_t> Read(std::span<std::uint8_t> into) override {
      if (++reads_ > 3) return Error{Errc::kIo, "cable cut"};
      std::string header = TarHeaderBlock("f", '0', 1 << 30);
      std::copy_n(header.begin(), std::min<std::size_t>(512, into.size()), into.begin());
      return std::min<std::size_t>(512, into.size());
    }
    int reads_ = 0;
  } source;
  Keeper keeper;
  auto record = WalkLayer(source, keeper);
  ASSERT_FALSE(record.ok());
  EXPECT_EQ(record.error().code, Errc::kIo);
}

// A layer with enough content for several seek points, read again entry by entry.
TEST(WalkTest, RandomRereadsEqualTheWalk) {
  std::string tar;
  std::vector<std::string> data;
  std::mt19937 random(5);
  for (unsigned i = 0; i < 400; ++i) {
    data.push_back(Random(random() % (limits::kSeekPointSpacing / 60), i));  // three spacings in all
    tar += TarFile("f" + std::to_string(i), data.back());
  }
  tar += TarEnd();
  std::string gz = Gzip(tar), members, frames;
  for (std::size_t at = 0; at < tar.size(); at += 3000000) {
    members += Gzip(std::string_view(tar).substr(at, 3000000));
    frames += Zstd(std::string_view(tar).substr(at, 3000000));
  }
  for (const std::string& blob : {gz, members, frames, Zstd(tar), tar}) {
    Keeper first;
    first.keep_all_ = false;
    LayerRecord r = WalkText(blob, first);
    ASSERT_TRUE(r.complete && r.gaps.empty());
    if (blob == gz || blob == members || blob == frames) { EXPECT_GE(r.seek_points.size(), 2u); }
    for (int round = 0; round < 10; ++round) {
      std::vector<std::uint32_t> wanted;
      for (std::uint32_t i = random() % 50; i < 400; i += 1 + random() % 100) wanted.push_back(i);
      Keeper again;
      MemorySource source(AsBytes(blob));
      auto read = ReadEntries(source, r, wanted, again);
      ASSERT_TRUE(read.ok()) << read.error().message;
      ASSERT_EQ(again.files.size(), wanted.size());
      for (std::uint32_t i : wanted) EXPECT_EQ(again.files[i] == data[i], true) << i;
    }
  }
}

TEST(WalkTest, RereadingChecksTheBlob) {
  std::string tar = SmallTar(), gz = Gzip(tar);
  Keeper keeper;
  LayerRecord r = WalkText(gz, keeper);
  MemorySource shorter(AsBytes(std::string_view(gz).substr(1))), same(AsBytes(gz));
  EXPECT_EQ(ReadEntries(shorter, r, {1}, keeper).error().code, Errc::kCorrupt);
  EXPECT_EQ(ReadEntries(same, r, {100}, keeper).error().code, Errc::kInvalid);
  EXPECT_EQ(ReadEntries(same, r, {0}, keeper).error().code, Errc::kCorrupt);  // a folder
  r.entries[1].size = 6;
  EXPECT_EQ(ReadEntries(same, r, {1}, keeper).error().code, Errc::kCorrupt);
  r.entries[1].size = 5;
  r.entries[1].offset = 0;
  EXPECT_EQ(ReadEntries(same, r, {1}, keeper).error().code, Errc::kCorrupt);
  r.entries[1].offset = 1 << 30;
  EXPECT_EQ(ReadEntries(same, r, {1}, keeper).error().code, Errc::kCorrupt);
}

long PeakKiB() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// 100 MB that would inflate to 100 GB: stopped a little above the grace, in constant memory.
TEST(WalkTest, GzipBombStopsAtTheRatio) {
  std::string zeros = ReadFile(std::string(BW_SOURCE_DIR) + "/src/formats/testdata/gzip/bomb.gz", 1 << 20).value_or("");
  ASSERT_FALSE(zeros.empty());
  Endless bomb(Gzip(TarHeaderBlock("zeros", '0', 077777777777)), zeros, 25000);
  long before = PeakKiB();
  Keeper keeper;
  auto record = WalkLayer(bomb, keeper);
  ASSERT_TRUE(record.ok());
  EXPECT_FALSE(record->complete);
  EXPECT_TRUE(record->diff_id.empty());
  ASSERT_EQ(record->gaps.size(), 1u);
  EXPECT_NE(record->gaps[0].reason.find("200 times"), std::string::npos);
  EXPECT_LT(record->inflated_size, limits::kInflateGrace + (1 << 20));
  EXPECT_EQ(record->blob_size, bomb.given());
  EXPECT_GT(record->blob_size, 100'000'000u);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(PeakKiB() - before, 64 * 1024);
#endif
}

TEST(WalkTest, IndexIsBounded) {
  // Long names: the memory limit comes first.
  std::string body;
  std::string name(3000, 'n');
  std::string record_text = "3010 path=" + name.substr(0, 2999) + "\n";
  for (int i = 0; i < 100; ++i)
    body +=
        TarHeaderBlock("x", 'x', record_text.size()) + testing::TarPadded(record_text) + TarHeaderBlock("f", '0', 0);
  Endless many("", body, 600);
  long before = PeakKiB();
  Keeper keeper;
  keeper.keep_all_ = false;
  auto record = WalkLayer(many, keeper);
  ASSERT_TRUE(record.ok());
  EXPECT_FALSE(record->complete);
  ASSERT_EQ(record->gaps.size(), 1u);
  EXPECT_NE(record->gaps[0].reason.find("memory"), std::string::npos) << record->gaps[0].reason;
  EXPECT_FALSE(record->diff_id.empty());  // the stream itself was read to its end
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(PeakKiB() - before, 200 * 1024);
#endif
}

TEST(WalkTest, EntriesAreBounded) {
  std::string body;
  for (int i = 0; i < 1000; ++i) body += TarHeaderBlock("dir/file-" + std::to_string(i), '0', 0);
  Endless many("", body, 1010);
  long before = PeakKiB();
  Keeper keeper;
  keeper.keep_all_ = false;
  auto record = WalkLayer(many, keeper);
  ASSERT_TRUE(record.ok());
  EXPECT_FALSE(record->complete);
  EXPECT_EQ(record->entries.size(), limits::kLayerEntries);
  ASSERT_EQ(record->gaps.size(), 1u);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(PeakKiB() - before, 200 * 1024);
#endif
}

}  // namespace
}  // namespace bulwark::image
