#include "formats/tar.h"

#include <algorithm>
#include <cstdio>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "base/strings.h"
#include "formats/gzip.h"
#include "formats/tar_fields.h"

namespace bulwark::formats {
namespace {

std::string Data(const std::string& name) { return std::string(BW_SOURCE_DIR) + "/src/formats/testdata/tar/" + name; }

std::string Inflated(const std::string& path) {
  std::string gz = ReadFile(path, 1 << 22).value_or("");
  MemorySource source(AsBytes(gz));
  GzipReader reader(source);
  auto bytes = ReadAll(reader, 16 << 20);
  EXPECT_TRUE(bytes.ok() && !reader.damage()) << path;
  return bytes.ok() ? std::string(AsText(*bytes)) : "";
}

class Chunks final : public ChunkSource {
 public:
  Chunks(std::string_view text, std::size_t piece) : text_(text), piece_(piece) {}
  Result<ByteSpan> Next() override {
    auto chunk = text_.substr(0, piece_);
    text_.remove_prefix(chunk.size());
    return AsBytes(chunk);
  }

 private:
  std::string_view text_;
  std::size_t piece_;
};

std::uint32_t Crc32(ByteSpan bytes) {
  std::uint32_t crc = ~0u;
  for (std::uint8_t b : bytes) {
    crc ^= b;
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

std::string Quote(std::string_view text) {
  std::string out = "'";
  char hex[8];
  for (char c : text) {
    if (c > 0x20 && c < 0x7f && c != '\\') {
      out += c;
    } else {
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
      out += hex;
    }
  }
  return out + "'";
}

// One line an entry, in the form of want.txt: type, name, link, mode, size, CRC-32 of the data; then "end" or "error".
std::string Listing(std::string_view bytes, std::size_t piece, bool read_data) {
  Chunks chunks(bytes, piece);
  TarReader tar(chunks);
  TarHeader header;
  Bytes scratch;
  std::string out;
  for (;;) {
    auto more = tar.Next(header);
    if (!more) return out + "error\n";
    if (!*more) return out + "end\n";
    if (header.type == 'g') {
      out += "g\n";
      continue;
    }
    char line[64];
    std::snprintf(line, sizeof line, " %o %llu ", header.mode, static_cast<unsigned long long>(header.size));
    out += header.type + (" " + Quote(header.name)) + " " + Quote(header.link) + line;
    if (!read_data || header.size >= 4 << 20) {
      out += "-\n";
      continue;
    }
    auto data = tar.Data(scratch);
    if (!data) return out + "unreadable\nerror\n";
    EXPECT_EQ(data->size(), header.size);
    std::snprintf(line, sizeof line, "%08x\n", Crc32(*data));
    out += line;
  }
}

// want.txt is what Go 1.26's archive/tar says of these archives, which Python's tarfile, GNU tar and a generator of
// odd headers wrote. A row that begins "error" ends where Go's reader fails.
TEST(TarTest, ListsAsGo) {
  std::string want = ReadFile(Data("want.txt"), 1 << 20).value_or("");
  int cases = 0;
  for (std::size_t at = want.find("# "); at != std::string::npos; ++cases) {
    std::size_t line_end = want.find('\n', at), next = want.find("\n# ", at);
    std::string name = want.substr(at + 2, line_end - at - 2);
    std::string expected = want.substr(line_end + 1, next == std::string::npos ? next : next - line_end);
    std::string bytes = Inflated(Data(name + ".tar.gz"));
    for (std::size_t piece : {bytes.size() + 1, std::size_t{512}, std::size_t{100}})
      EXPECT_EQ(Listing(bytes, piece, true), expected) << name;
    at = next == std::string::npos ? next : next + 1;
  }
  EXPECT_GE(cases, 80);
}

// Skipping finds the same entries as reading, up to damage that only reading meets.
TEST(TarTest, SkippingFindsTheSame) {
  for (std::string name : {"plain", "gnutar-sparse-gnu", "gnutar-sparse-pax-1.0", "python-pax", "sparse-old-ext"}) {
    std::string bytes = Inflated(Data(name + ".tar.gz"));
    auto names = [](const std::string& listing) {
      std::string out;
      for (auto line : Split(listing, '\n')) out += std::string(line.substr(0, line.rfind(' '))) + "\n";
      return out;
    };
    EXPECT_EQ(names(Listing(bytes, 300, false)), names(Listing(bytes, 300, true))) << name;
  }
}

TEST(TarTest, OffsetsLeadBackToEntries) {
  for (std::string name : {"python-pax", "python-gnu", "gnutar-sparse-pax-1.0", "gnu-long", "sparse-old-ext"}) {
    std::string bytes = Inflated(Data(name + ".tar.gz"));
    Chunks chunks(bytes, 999);
    TarReader tar(chunks);
    TarHeader header;
    while (*tar.Next(header)) {
      Chunks again(bytes, 999);
      TarReader jump(again);
      ASSERT_TRUE(jump.SkipTo(header.offset).ok());
      TarHeader same;
      ASSERT_TRUE(*jump.Next(same));
      EXPECT_EQ(same.name, header.name);
      EXPECT_EQ(same.offset, header.offset);
    }
  }
}

TEST(TarTest, DataBehindTheEnd) {
  auto rest = [](const std::string& bytes) {
    Chunks chunks(bytes, 700);
    TarReader tar(chunks);
    TarHeader header;
    while (*tar.Next(header)) {}
    return *tar.RestHasData();
  };
  EXPECT_FALSE(rest(Inflated(Data("plain.tar.gz"))));
  EXPECT_FALSE(rest(Inflated(Data("plain.tar.gz")) + std::string(10000, '\0')));
  EXPECT_TRUE(rest(Inflated(Data("plain.tar.gz")) + std::string(10000, '\0') + "x"));
  EXPECT_TRUE(rest(Inflated(Data("two-tars.tar.gz"))));
  EXPECT_TRUE(rest(Inflated(Data("garbage-after-end.tar.gz"))));
}

TEST(TarTest, EveryCutIsAnErrorOrAnEnd) {
  std::string bytes = Inflated(Data("sparse-1.0.tar.gz")), whole = Listing(bytes, 512, true);
  for (std::size_t n = 0; n < bytes.size(); n += 37) {
    std::string got = Listing(std::string_view(bytes).substr(0, n), 512, true);
    std::size_t tail = got.find("unreadable");
    if (tail == std::string::npos) tail = got.find("error");
    if (tail == std::string::npos) tail = got.find("end\n");
    ASSERT_NE(tail, std::string::npos);
    EXPECT_TRUE(whole.starts_with(got.substr(0, tail))) << n;
  }
}

TEST(TarTest, NumbersAsGo) {
  auto number = [](std::string_view text) { return tar::FieldNumber(AsBytes(text)); };
  EXPECT_EQ(number("0000644"), 0644);
  EXPECT_EQ(number("   644 "), 0644);
  EXPECT_EQ(number(""), 0);
  EXPECT_EQ(number("0008"), std::nullopt);
  EXPECT_EQ(number("-1"), std::nullopt);
  EXPECT_EQ(number("\x80\x01\x02"), 258);
  EXPECT_EQ(number("\xff\xff\xfe"), -2);
  EXPECT_EQ(number("\xff\xff\xff\xff\xff\xff\xff\xff"), -1);
  EXPECT_EQ(number("\x80\x80\xff\xff\xff\xff\xff\xff\xff"), std::nullopt);
  EXPECT_EQ(tar::Decimal("+5"), 5);
  EXPECT_EQ(tar::Decimal("+-5"), std::nullopt);
  EXPECT_EQ(tar::Decimal("9223372036854775808"), std::nullopt);
}

}  // namespace
}  // namespace bulwark::formats
