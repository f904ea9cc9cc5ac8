#include "formats/zstd.h"

#include <gtest/gtest.h>
#include <zstd.h>

namespace bulwark::formats {
namespace {

std::string Compress(std::string_view text, int window_log = 0) {
  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  if (window_log) ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  // Fed in two steps, so that the size is not known in advance and the window is not cut to it.
  ZSTD_compressStream2(context.get(), &to, &in, ZSTD_e_continue);
  ZSTD_compressStream2(context.get(), &to, &in, ZSTD_e_end);
  out.resize(to.pos);
  return out;
}

// RFC 8878 section 3.1.2.
std::string Skippable(std::string_view text) {
  std::string out("\x50\x2a\x4d\x18", 4);
  for (int i = 0; i < 4; ++i) out += static_cast<char>(text.size() >> 8 * i);
  return out + std::string(text);
}

struct Outcome {
  std::string text, damage;
};

Outcome Inflate(std::string_view bytes, std::size_t step = 1000, std::uint64_t skip = 0) {
  MemorySource source(AsBytes(bytes.substr(skip)));
  ZstdReader reader(source);
  Outcome out;
  Bytes buffer(step);
  for (;;) {
    auto n = reader.Read(buffer);
    if (!n || *n == 0) break;
    out.text += AsText(ByteSpan(buffer).first(*n));
  }
  out.damage = reader.damage().value_or("");
  return out;
}

std::string Text(int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += "number " + std::to_string(i * 7919 % 1000) + ", ";
  return out;
}

TEST(ZstdTest, FramesAndSkippableFrames) {
  std::string a = Text(3000), b = Text(10);
  std::string bytes = Skippable("toc") + Compress(a) + Skippable("") + Compress("") + Compress(b) + Skippable("end");
  for (std::size_t step : {1u, 100u, 1000000u}) {
    Outcome out = Inflate(bytes, step);
    EXPECT_EQ(out.text, a + b);
    EXPECT_EQ(out.damage, "");
  }
}

TEST(ZstdTest, ManySkippableFrames) {
  std::string many;
  for (int i = 0; i < 100000; ++i) many += Skippable("");
  EXPECT_EQ(Inflate(many + Compress("x")).text, "x");
}

TEST(ZstdTest, FrameStartsAreSeekPoints) {
  std::string a = Text(3000), b = Text(2000), c = Text(100);
  std::string bytes = Compress(a) + Compress(b) + Compress(c);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> frames;
  MemorySource source(AsBytes(bytes));
  ZstdReader reader(source);
  reader.OnFrames([&](std::uint64_t at, std::uint64_t inflated) { frames.emplace_back(at, inflated); });
  Bytes buffer(777);
  while (*reader.Read(buffer) > 0) {}
  ASSERT_GE(frames.size(), 3u);
  for (auto [at, inflated] : frames) EXPECT_EQ(Inflate(bytes, 1000, at).text, (a + b + c).substr(inflated)) << at;
}

TEST(ZstdTest, EveryCutIsSeen) {
  std::string text = Text(200), bytes = Compress(text);
  for (std::size_t n = 1; n < bytes.size(); ++n) {
    Outcome out = Inflate(std::string_view(bytes).substr(0, n));
    EXPECT_NE(out.damage, "") << n;
    EXPECT_TRUE(text.starts_with(out.text));
  }
}

TEST(ZstdTest, Refused) {
  std::string good = Compress(Text(100));
  EXPECT_NE(Inflate(good + "garbage").damage, "");
  EXPECT_EQ(Inflate(good + "garbage").text, Text(100));
  std::string broken = good;
  broken.back() = static_cast<char>(broken.back() ^ 1);  // the content checksum
  EXPECT_NE(Inflate(broken).damage, "");
  // A frame header with a one-byte dictionary id (RFC 8878 section 3.1.1.1.1.6).
  EXPECT_NE(Inflate(std::string("\x28\xb5\x2f\xfd\x21\x05\x00\x01\x00\x00", 10)).damage, "");
  // A window of 2^31 (exponent 21 of the window descriptor): refused before it is allocated.
  Outcome window = Inflate(std::string("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9));
  EXPECT_NE(window.damage.find("memory"), std::string::npos) << window.damage;
}

TEST(ZstdTest, WindowLimitIsTheReaders) {
  std::string bytes = Compress(std::string(1 << 22, 'x') + Text(1000), 22);
  MemorySource small(AsBytes(bytes)), large(AsBytes(bytes));
  ZstdReader narrow(small, 20), wide(large, 22);
  Bytes buffer(1000);
  EXPECT_EQ(*narrow.Read(buffer), 0u);
  EXPECT_TRUE(narrow.damage());
  EXPECT_EQ(*wide.Read(buffer), 1000u);
  EXPECT_GE(wide.memory(), 1u << 22);
}

}  // namespace
}  // namespace bulwark::formats
