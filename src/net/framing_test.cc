#include "net/framing.h"

#include <gtest/gtest.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/strings.h"
#include "net/chunked.h"
#include "net/test_text.h"

namespace bulwark::net {
namespace {

std::string ParseStatus(std::string_view bytes, RequestHead& head) {
  HeadScanner scanner;
  if (scanner.Scan(bytes) == HeadScanner::State::kRefused) return std::to_string(scanner.refusal().status);
  if (scanner.Scan(bytes) == HeadScanner::State::kMore) return "more";
  auto refusal = ParseRequestHead(bytes.substr(0, scanner.length()), head);
  return refusal ? std::to_string(refusal->status) : "ok";
}

TEST(Framing, AnswersTheTable) {
  for (const TextCase& c : ReadCases("src/net/testdata/framing.txt")) {
    RequestHead head;
    EXPECT_EQ(ParseStatus(Unescape(c.input), head), c.want) << c.input;
  }
}

TEST(Framing, RefusesAsSoonAsItCanBeSeen) {
  for (std::string_view start : {"\r", "GET / HTTP/1.1\n", "GET /\r\n", "GET / HTTP/3.0\r\n", "\x16\x03", "GET / HTTP/1.1\r\nA: \x01"}) {
    HeadScanner scanner;
    const std::string bytes = std::string(start) + (start == "\r" ? "\n" : "");
    EXPECT_EQ(scanner.Scan(bytes), HeadScanner::State::kRefused) << start;
  }
}

TEST(Framing, TellsWhatTheRequestIs) {
  RequestHead head;
  ASSERT_FALSE(ParseRequestHead("PATCH /u?x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\nExpect: 100-continue\r\n"
                                "connection: foo , close\r\n\r\n", head));
  EXPECT_EQ(head.method, "PATCH");
  EXPECT_EQ(head.target, "/u?x");
  EXPECT_EQ(head.framing, BodyFraming::kChunked);
  EXPECT_TRUE(head.expect_continue);
  EXPECT_FALSE(head.keep_alive);
  ASSERT_FALSE(ParseRequestHead("GET / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: x\r\n\r\n", head));
  EXPECT_FALSE(head.keep_alive);
  EXPECT_FALSE(head.expect_continue);
  ASSERT_FALSE(ParseRequestHead("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n", head));
  EXPECT_EQ(head.content_length, 9223372036854775807u);
}

TEST(Framing, LimitsSizes) {
  RequestHead head;
  const std::string host = " HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(ParseStatus("GET /" + std::string(limits::kTargetBytes - 1, 'a') + host + "\r\n", head), "ok");
  EXPECT_EQ(ParseStatus("GET /" + std::string(limits::kTargetBytes, 'a') + host + "\r\n", head), "414");
  EXPECT_EQ(ParseStatus("GET /" + std::string(64 << 10, 'a'), head), "414");
  std::string fields;
  for (int i = 0; i < 99; ++i) fields += "A: b\r\n";
  EXPECT_EQ(ParseStatus("GET /" + host + fields + "\r\n", head), "ok");
  EXPECT_EQ(ParseStatus("GET /" + host + fields + "A: b\r\n\r\n", head), "431");
  EXPECT_EQ(ParseStatus("GET /" + host + "A: " + std::string(limits::kHeaderBytes, 'a'), head), "431");
}

std::string Decode(std::string_view bytes, std::size_t in_step, std::size_t out_step) {
  ChunkedDecoder decoder;
  std::string body;
  std::vector<std::uint8_t> out(out_step);
  std::size_t at = 0;
  for (;;) {
    const auto progress = decoder.Decode(AsBytes(bytes.substr(at, in_step)), out);
    at += progress.consumed;
    body += AsText({out.data(), progress.produced});
    if (decoder.failed()) return "refused";
    if (decoder.done()) return at == bytes.size() ? body : "left over";
    if (progress.consumed == 0 && progress.produced == 0) return "more";
  }
}

TEST(Chunked, AnswersTheTableHoweverItIsCut) {
  for (const TextCase& c : ReadCases("src/net/testdata/chunked.txt"))
    for (std::size_t step : {1, 2, 5, 1000})
      EXPECT_EQ(Decode(Unescape(c.input), step, step + 1), c.want) << c.input << " in steps of " << step;
}

TEST(Chunked, LimitsExtensionsOverTheWholeBody) {
  std::string body;
  for (std::size_t i = 0; i + 1 < limits::kChunkExtensionBytes / 16; ++i) body += "1;" + std::string(16, 'e') + "\r\nx\r\n";
  EXPECT_NE(Decode(body + "0\r\n\r\n", 1000, 1000), "refused");
  EXPECT_EQ(Decode(body + "1;" + std::string(17, 'e') + "\r\nx\r\n0\r\n\r\n", 1000, 1000), "refused");
  EXPECT_EQ(Decode("0\r\nX: " + std::string(limits::kChunkExtensionBytes, 'e'), 1000, 1000), "refused");
}

TEST(Chunked, StopsAtItsEnd) {
  ChunkedDecoder decoder;
  std::vector<std::uint8_t> out(100);
  const auto progress = decoder.Decode(AsBytes("1\r\nx\r\n0\r\n\r\nGET /"), out);
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(progress.consumed, 11u);
}

TEST(Path, HasOneSpelling) {
  for (const TextCase& c : ReadCases("src/net/testdata/paths.txt")) {
    const Path path = ParsePath(c.want);  // the file's first column is the input
    std::string joined;
    for (std::size_t i = 0; i < path.segments.size(); ++i) joined += (i ? "|" : "") + path.segments[i];
    EXPECT_EQ(path.canonical ? joined : "odd", c.input) << c.want;
  }
}

TEST(Query, DecodesStrictlyAndShowsRepetitions) {
  auto q = QueryParameters::Parse("a=1&b=x%2Fy+z&a=2&&c&=d&e==f%3d");
  ASSERT_TRUE(q.ok());
  EXPECT_FALSE(q->One("a").ok());
  EXPECT_EQ(q->All("a").size(), 2u);
  EXPECT_EQ(*q->One("b"), "x/y z");
  EXPECT_EQ(*q->One("c"), "");
  EXPECT_EQ(*q->One("e"), "=f=");
  EXPECT_EQ(*q->One("zz"), std::nullopt);
  for (std::string_view bad : {"a=%", "a=%1", "a=%zz", "%=1"}) EXPECT_FALSE(QueryParameters::Parse(bad).ok()) << bad;
}

}  // namespace
}  // namespace bulwark::net
