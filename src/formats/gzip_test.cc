#include "formats/gzip.h"

#include <functional>
#include <random>

#include <gtest/gtest.h>

namespace bulwark::formats {
namespace {

std::string Sample(const std::string& name) {
  auto text = ReadFile(std::string(BW_SOURCE_DIR) + "/src/formats/testdata/gzip/" + name + ".gz", 1 << 22);
  EXPECT_TRUE(text.ok()) << name;
  return text.value_or("");
}

struct Outcome {
  std::string text, damage;
};

// Reads in steps of `step` from a source that gives at most `piece` bytes at once.
class Pieces final : public ByteSource {
 public:
  Pieces(ByteSpan bytes, std::size_t piece) : memory_(bytes), piece_(piece) {}
  Result<std::size_t> Read(std::span<std::uint8_t> into) override {
    return memory_.Read(into.first(std::min(piece_, into.size())));
  }

 private:
  MemorySource memory_;
  std::size_t piece_;
};

Outcome ReadOut(GzipReader& reader, std::size_t step, std::size_t most = SIZE_MAX) {
  Outcome out;
  Bytes buffer(step);
  for (;;) {
    auto n = reader.Read(std::span(buffer).first(std::min(step, most - out.text.size())));
    if (!n || *n == 0) break;
    out.text += AsText(ByteSpan(buffer).first(*n));
    if (out.text.size() >= most) break;
  }
  out.damage = reader.damage().value_or("");
  return out;
}

Outcome Inflate(std::string_view gz, std::size_t step = 70000, std::size_t piece = SIZE_MAX) {
  Pieces source(AsBytes(gz), piece);
  GzipReader reader(source);
  return ReadOut(reader, step);
}

std::string Lines(int from, int to) {
  std::string out;
  for (int i = from; i < to; ++i) out += "line " + std::to_string(i) + " of the text\n";
  return out;
}

// The samples are made by Python's zlib; its gzip module agrees with each row but the header checksum, which it does
// not verify, and the padding of zeros, which it takes as well.
struct Case {
  const char* name;
  int lines;           // how many lines come out
  const char* damage;  // part of the reason, or ""
};
constexpr Case kCases[] = {
    {"plain", 6000, ""},
    {"stored", 2000, ""},
    {"fixed", 6000, ""},
    {"huffman", 3000, ""},
    {"empty", 0, ""},
    {"members", 300, ""},
    {"extra", 6000, ""},
    {"name_comment_crc", 6000, ""},
    {"zeros_behind", 6000, ""},
    {"endless_name", 0, "does not end"},
    {"bad_header_crc", 0, "header checksum"},
    {"reserved_flag", 0, "flags"},
    {"method", 0, "method"},
    {"wrong_crc", 6000, "CRC-32"},
    {"wrong_size", 6000, "ISIZE"},
    {"wrong_crc_second", 200, "CRC-32"},
    {"zeros_then_data", 6000, "no gzip member"},
    {"garbage_behind", 6000, "no gzip member"},
    {"cut_trailer", 6000, "truncated in the trailer"},
    {"cut_header", 6000, "truncated in a member header"},
    {"bad_block", 0, "invalid deflate block"},
    {"far_distance", 0, "before the start"},
};

TEST(GzipTest, Samples) {
  for (const Case& c : kCases) {
    for (std::size_t step : {std::size_t{1 << 20}, std::size_t{1000}, std::size_t{33000}}) {
      for (std::size_t piece : {SIZE_MAX, std::size_t{13}}) {
        Outcome out = Inflate(Sample(c.name), step, piece);
        EXPECT_EQ(out.text == Lines(0, c.lines), true) << c.name << " gave " << out.text.size() << " bytes";
        if (*c.damage) EXPECT_NE(out.damage.find(c.damage), std::string::npos) << c.name << ": " << out.damage;
        else EXPECT_EQ(out.damage, "") << c.name;
      }
    }
  }
}

TEST(GzipTest, EveryCutIsSeen) {
  std::string gz = Sample("members");
  std::string whole = Inflate(gz).text;
  for (std::size_t n = 0; n < gz.size(); ++n) {
    Outcome out = Inflate(gz.substr(0, n));
    EXPECT_TRUE(whole.starts_with(out.text));
    // A cut between members leaves a whole file; there are four members.
    bool between = out.damage.empty();
    if (between) { EXPECT_TRUE(out.text == Lines(0, 100) || out.text == Lines(0, 200)) << n; }
  }
  std::string data = Sample("cut_data");
  EXPECT_NE(Inflate(data).damage.find("truncated"), std::string::npos);
}

TEST(GzipTest, LongNamesAreBounded) {
  std::string plain = Sample("plain");
  auto named = [&](std::size_t n) {
    std::string gz = plain;
    gz[3] = 8;
    return gz.insert(10, std::string(n, 'n') + '\0');
  };
  EXPECT_EQ(Inflate(named(1 << 20)).text.size(), Lines(0, 6000).size());
  EXPECT_NE(Inflate(named(5 << 20)).damage, "");
}

TEST(GzipTest, FlippedBytesNeverPassAsWhole) {
  std::string gz = Sample("plain");
  std::string whole = Inflate(gz).text;
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string broken = gz;
    std::size_t at = 10 + random() % (gz.size() - 10);
    broken[at] = static_cast<char>(broken[at] ^ (1 << random() % 8));
    Outcome out = Inflate(broken);
    EXPECT_TRUE(!out.damage.empty() || out.text == whole) << at;
  }
}

// Every captured point gives exactly the rest of the stream, read in any steps.
void CheckPoints(const std::string& gz, std::uint64_t spacing, std::size_t step, std::size_t least) {
  std::vector<InflatePoint> points;
  MemorySource source(AsBytes(gz));
  GzipReader reader(source);
  reader.CapturePoints(spacing, [&](InflatePoint p) { points.push_back(std::move(p)); });
  Outcome whole = ReadOut(reader, step);
  ASSERT_EQ(whole.damage, "");
  ASSERT_EQ(whole.text, Inflate(gz).text);
  EXPECT_GE(points.size(), least);
  std::mt19937 random(3);
  std::uint64_t last = 0;
  for (const InflatePoint& p : points) {
    EXPECT_GE(p.inflated - last, spacing);
    last = p.inflated;
    std::uint64_t start = GzipReader::ResumeOffset(p);
    Pieces rest(AsBytes(std::string_view(gz).substr(start)), 1 + random() % 5000);
    GzipReader again(rest, p);
    Outcome out = ReadOut(again, 1 + random() % 90000);
    ASSERT_EQ(out.damage, "");
    ASSERT_EQ(out.text == whole.text.substr(p.inflated), true) << "from " << p.inflated;
  }
}

TEST(GzipTest, ResumesFromBlocks) {
  std::string gz = Sample("blocks");
  CheckPoints(gz, 1, 500, 6);  // ISA-L runs up to 64 KiB ahead of what was asked for
  CheckPoints(gz, 10000, 3000, 4);
  CheckPoints(gz, 100000, 100000, 1);
  CheckPoints(Sample("members"), 1, 64, 2);
}

TEST(GzipTest, PointsSurviveResuming) {
  std::string gz = Sample("blocks");
  std::vector<InflatePoint> first, second;
  MemorySource source(AsBytes(gz));
  GzipReader reader(source);
  reader.CapturePoints(50000, [&](InflatePoint p) { first.push_back(std::move(p)); });
  std::string whole = ReadOut(reader, 4096).text;
  ASSERT_FALSE(first.empty());
  MemorySource rest(AsBytes(std::string_view(gz).substr(GzipReader::ResumeOffset(first[0]))));
  GzipReader resumed(rest, first[0]);
  resumed.CapturePoints(20000, [&](InflatePoint p) { second.push_back(std::move(p)); });
  EXPECT_EQ(ReadOut(resumed, 4096).text, whole.substr(first[0].inflated));
  ASSERT_FALSE(second.empty());
  for (const InflatePoint& p : second) {
    MemorySource tail(AsBytes(std::string_view(gz).substr(GzipReader::ResumeOffset(p))));
    GzipReader again(tail, p);
    EXPECT_EQ(ReadOut(again, 4096).text, whole.substr(p.inflated));
  }
}

TEST(GzipTest, SourceErrorsAreErrors) {
  class Failing final : public ByteSource {
    Result<std::size_t> Read(std::span<std::uint8_t>) override { return Error{Errc::kIo, "disk on fire"}; }
  } source;
  GzipReader reader(source);
  std::uint8_t byte;
  auto n = reader.Read({&byte, 1});
  ASSERT_FALSE(n.ok());
  EXPECT_EQ(n.error().code, Errc::kIo);
  EXPECT_FALSE(reader.damage());
}

}  // namespace
}  // namespace bulwark::formats
