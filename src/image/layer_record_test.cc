#include "image/layer_record.h"

#include <random>

#include <gtest/gtest.h>
#include <zstd.h>

#include "base/limits.h"

namespace bulwark::image {
namespace {

Digest SomeDigest(DigestAlgorithm algorithm) {
  Bytes bytes(algorithm == DigestAlgorithm::kSha256 ? 32 : 64, 7);
  return Digest::FromBytes(algorithm, bytes);
}

FileFacts SomeFacts(std::uint32_t entry) {
  FileFacts f;
  f.entry = entry;
  f.cataloger = "dpkg";
  f.read_as = "var/lib/dpkg/status";
  f.md5 = "0123456789abcdef0123456789abcdef";
  f.packages.push_back(
      {versions::Ecosystem::kDeb, "libc6", "2.36-9+deb12u4", "amd64", "glibc", "2.36-9+deb12u4", "", "p", true, false});
  f.packages.push_back({versions::Ecosystem::kNuGet, "x", "", "", "", "", std::string(70000, 'l'), "q", false, true});
  f.owned.push_back({"usr/lib/libc.so.6", "libc6", "ff"});
  f.owned.push_back({"usr/lib/libm.so.6", "libc6", ""});
  f.os = OsRelease{"debian", "12", "bookworm", "Debian GNU/Linux 12", {"a", "b"}};
  f.gaps.push_back({GapKind::kPartial, "p", "dpkg", "odd"});
  return f;
}

LayerRecord Full() {
  LayerRecord r;
  r.is_layer = true;
  r.compression = Compression::kGzip;
  r.diff_id = SomeDigest(DigestAlgorithm::kSha256);
  r.blob_size = 1ull << 40;
  r.inflated_size = UINT64_MAX;
  r.set_version = 3;
  r.limits_version = UINT32_MAX;
  r.complete = false;
  for (std::uint8_t type = 1; type <= 8; ++type)
    r.entries.push_back({static_cast<EntryType>(type), type % 2 == 0, 0755u << type, 1ull << 7 * type,
                         "usr/share/file" + std::to_string(type), "link" + std::string(type, '\0'), 512ull * type});
  r.entries.push_back({.path = "odd\xff\n", .offset = 0});  // offsets that go back survive too
  r.files = {SomeFacts(0), SomeFacts(8)};
  r.files[1].os.reset();
  r.gaps.push_back({GapKind::kBlind, "", "layer", "gzip: truncated"});
  r.seek_points.push_back({100, 4 << 20, 3, Bytes(32768, 9)});
  r.seek_points.push_back({200, 8 << 20, 0, {}});
  return r;
}

TEST(LayerRecordTest, RoundTrip) {
  LayerRecord sha512 = Full();
  sha512.diff_id = SomeDigest(DigestAlgorithm::kSha512);
  for (const LayerRecord& r : {LayerRecord(), Full(), sha512}) {
    Bytes bytes = Encode(r);
    auto back = DecodeLayerRecord(bytes);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_TRUE(*back == r);
    EXPECT_EQ(Encode(*back), bytes);
  }
}

TEST(LayerRecordTest, IsCompact) {
  LayerRecord r = Full();
  r.entries.clear();
  for (int i = 0; i < 100000; ++i)
    r.entries.push_back({.mode = 0644,
                         .size = static_cast<std::uint64_t>(i % 977),
                         .path = "usr/share/doc/package" + std::to_string(i / 20) + "/file" + std::to_string(i),
                         .offset = 1024ull * i});
  EXPECT_LT(Encode(r).size(), 100000u * 8);
}

TEST(LayerRecordTest, EveryCutAndEveryFlippedByteIsSeen) {
  LayerRecord r = Full();
  r.files[0].packages.pop_back();
  r.files.pop_back();
  r.seek_points.pop_back();
  Bytes bytes = Encode(r);
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(DecodeLayerRecord(ByteSpan(bytes).first(n)).ok()) << n;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes broken = bytes;
    broken[i] ^= 0x21;
    auto back = DecodeLayerRecord(broken);
    EXPECT_TRUE(!back.ok() || *back == r) << i;  // a few bits of the zstd frame say nothing
  }
  bytes.push_back(0);
  EXPECT_FALSE(DecodeLayerRecord(bytes).ok());
}

Bytes Packed(const std::string& payload) {
  Bytes out{'B', 'W', 'L', 'A', 'Y', 'E', 'R', 1};
  std::size_t head = out.size();
  out.resize(head + ZSTD_compressBound(payload.size()));
  out.resize(head + ZSTD_compress(out.data() + head, out.size() - head, payload.data(), payload.size(), 1));
  return out;
}

std::string Head() { return std::string("\1\0\0", 3) + std::string(32, 'd') + std::string("\0\0\0\0", 4); }

TEST(LayerRecordTest, UnknownEcosystemsAreRefused) {
  LayerRecord r = Full();
  r.files[0].packages[0].ecosystem = static_cast<versions::Ecosystem>(200);
  EXPECT_EQ(DecodeLayerRecord(Encode(r)).error().code, Errc::kCorrupt);
}

TEST(LayerRecordTest, HostilePayloads) {
  auto code = [](const std::string& payload) {
    auto r = DecodeLayerRecord(Packed(payload));
    return r.ok() ? std::string("ok") : r.error().message;
  };
  std::string huge("\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9);
  EXPECT_EQ(code(Head() + std::string(4, '\0')), "ok");
  EXPECT_NE(code(Head() + huge), "ok");                                // 2^63 entries
  EXPECT_NE(code(Head() + std::string("\0", 1) + huge), "ok");         // 2^63 files
  EXPECT_NE(code(Head() + std::string("\0\1\0", 3)), "ok");            // facts without an entry
  EXPECT_NE(code(Head() + std::string("\0\0", 2) + huge), "ok");       // 2^63 gaps
  EXPECT_NE(code(Head() + std::string("\0\0\0\1\0\0\x08", 7)), "ok");  // eight bits of a byte
  EXPECT_NE(code(Head() + std::string("\0\0\0\0\0", 5)), "ok");        // one byte too many
  EXPECT_NE(code("\4" + Head().substr(1)), "ok");                      // unknown flag
  // A million entries that each repeat a path of a megabyte: stopped by the memory budget.
  std::string bomb = Head() + "\xc0\x84\x3d";
  std::string mega("\x02\0\0\0\0\x80\x80\x40", 8);
  bomb += mega + std::string(1 << 20, 'p') + std::string("\0\0", 2);
  for (int i = 0; i < 1000; ++i) bomb += std::string("\x02\0\0\0\x80\x80\x40\0\0\0", 10);
  auto r = DecodeLayerRecord(Packed(bomb));
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code, Errc::kLimit) << r.error().message;
  Bytes other = Encode(LayerRecord());
  other[7] = 2;
  EXPECT_EQ(DecodeLayerRecord(other).error().code, Errc::kUnsupported);
}

}  // namespace
}  // namespace bulwark::image
