#include "formats/json.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace bulwark::formats {
namespace {

std::string ErrorOf(std::string_view text, const JsonLimits& limits = {}) {
  auto value = ParseJson(text, limits);
  return value.ok() ? "" : value.error().message;
}

bool Accepts(std::string_view text) { return ParseJson(text).ok(); }

json::value Parsed(std::string_view text) {
  auto value = ParseJson(text);
  EXPECT_TRUE(value.ok()) << text << ": " << (value.ok() ? "" : value.error().message);
  return value.ok() ? *value : json::value();
}

// RFC 8259 decides.
TEST(Json, AcceptsWhatTheRfcAccepts) {
  for (const char* text : {"{}", "[]", "null", "true", "0", "-1", "1.5e-3", "\"\"", " [1 , 2]\n", R"({"a":{"b":[]}})",
                           R"("\ud83d\ude00\u0000\/")", "9223372036854775807", "18446744073709551615"}) {
    EXPECT_TRUE(Accepts(text)) << text;
  }
}

TEST(Json, RefusesWhatTheRfcRefuses) {
  for (const char* text :
       {"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "{'a':1}", "nul", "01", "+1", ".5", "1.", "1e", "0x10", "NaN",
        "Infinity", "-", "\"\t\"", "\"\\x\"", "\"\\ud800\"", "\"\\ud800\\ud800\"", "\"\\udc00\"", "\"\xff\"",
        "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "{} {}", "1 2", "[1] x", "/**/1", "\xef\xbb\xbf{}", "{\"a\"}", "[1 2]"}) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
  EXPECT_FALSE(Accepts(std::string_view("[1]\0", 4)));
}

// specs/attacks.md, jwt-time-and-duplicates and json-case-fold.
TEST(Json, RefusesRepeatedAndCaseTwinKeys) {
  EXPECT_EQ(ErrorOf(R"({"sub":"alice","sub":"admin"})"), "JSON at byte 19: key \"sub\" is repeated");
  EXPECT_NE(ErrorOf(R"({"sub":1,"\u0073ub":2})").find("repeated"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"layers":[],"Layers":[]})").find("\"layers\" and \"Layers\" differ only in case"),
            std::string::npos);
  EXPECT_FALSE(Accepts(R"({"manifests":[],"manife\u017fts":[]})"));
  EXPECT_FALSE(Accepts("{\"config\":1,\"conf\u0131g\":2}"));
  EXPECT_FALSE(Accepts("{\"key\":1,\"\u212aey\":2}"));
  EXPECT_FALSE(Accepts(R"([{"a":{"x":1,"X":2}}])"));
  EXPECT_TRUE(Accepts(R"({"a":{"x":1},"b":{"X":1},"c":[{"x":1},{"x":2}]})"));
  EXPECT_FALSE(Accepts(R"({"":1,"":2})"));
}

TEST(Json, FreeTextKeysMayDifferInCase) {
  EXPECT_TRUE(Accepts(R"({"annotations":{"Maintainer":"a","maintainer":"b"}})"));
  EXPECT_TRUE(Accepts(R"({"config":{"Labels":{"A":"1","a":"2"}}})"));
  EXPECT_FALSE(Accepts(R"({"annotations":{"a":"1","a":"2"}})"));
  EXPECT_FALSE(Accepts(R"({"annotations":{"x":{"a":1,"A":2}}})"));       // direct keys only
  EXPECT_FALSE(Accepts(R"({"annotations":[{"a":1,"A":2}]})"));
  EXPECT_FALSE(Accepts(R"({"annotations":1,"x":[{"a":1,"A":2}]})"));
  EXPECT_FALSE(Accepts(R"({"annotations":{"a":1},"Annotations":{}})"));  // the map's own name is no free text
  JsonLimits allow{.case_twins = CaseTwins::kAllow};
  EXPECT_TRUE(ParseJson(R"({"FOO":1,"foo":2})", allow).ok());
  EXPECT_FALSE(ParseJson(R"({"foo":1,"foo":2})", allow).ok());
}

// specs/attacks.md, json-numbers.
TEST(Json, NumbersKeepTheirType) {
  EXPECT_NE(ErrorOf("[1e400]").find("double"), std::string::npos);
  EXPECT_NE(ErrorOf("[-1e400]").find("double"), std::string::npos);
  EXPECT_NE(ErrorOf("18446744073709551616").find("64 bits"), std::string::npos);
  EXPECT_NE(ErrorOf("-9223372036854775809").find("64 bits"), std::string::npos);
  EXPECT_EQ(Parsed("1e-400").get_double(), 0.0);
  EXPECT_EQ(Parsed("0.1").get_double(), 0.1);
  EXPECT_EQ(Parsed("123456789.123456789e-5").get_double(), 123456789.123456789e-5);
  for (const char* size : {"-1", "1.5", "1e3", "-0", "9223372036854775808", "\"12\"", "null", "true", "[1]"}) {
    json::value v = Parsed(std::string("{\"size\":") + size + "}");
    EXPECT_FALSE(JsonUint(v.get_object(), "size").ok()) << size;
  }
  json::value v = Parsed(R"({"size":9007199254740993,"max":9223372036854775807,"zero":0})");
  EXPECT_EQ(*JsonUint(v.get_object(), "size"), 9007199254740993u);
  EXPECT_EQ(*JsonUint(v.get_object(), "max"), 9223372036854775807u);
  EXPECT_EQ(*JsonUint(v.get_object(), "zero"), 0u);
}

TEST(Json, Limits) {
  EXPECT_TRUE(Accepts(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(Accepts(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(Accepts(std::string(1'000'000, '[')));
  auto large = ParseJson("[1,2,3]", {.bytes = 6});
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code, Errc::kLimit);
  std::string many = "{";  // 10^5 keys take well under a second
  for (int i = 0; i < 100'000; ++i) many += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(Accepts(many + "\"end\":1}"));
}

TEST(Json, EveryTruncationIsRefused) {
  std::string text = R"({"a":[1,2.5e3,"x\u00e9\n",true,null],"b":{"c":"d"}})";
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(Accepts(text.substr(0, n))) << n;
  EXPECT_TRUE(Accepts(text));
}

TEST(Json, Fields) {
  json::value v = Parsed(R"({"s":"x","n":null,"b":true,"a":[1],"o":{"k":1}})");
  const json::object& o = v.get_object();
  EXPECT_EQ(*JsonString(o, "s"), "x");
  EXPECT_EQ(JsonString(o, "q").error().message, "\"q\" is missing");
  EXPECT_EQ(JsonString(o, "b").error().message, "\"b\" must be a string");
  EXPECT_EQ(**JsonOptionalString(o, "s"), "x");
  EXPECT_EQ(*JsonOptionalString(o, "q"), std::nullopt);
  EXPECT_EQ(*JsonOptionalString(o, "n"), std::nullopt);
  EXPECT_FALSE(JsonString(o, "n").ok());
  EXPECT_FALSE(JsonOptionalString(o, "a").ok());
  EXPECT_EQ(*JsonOptionalBool(o, "b"), true);
  EXPECT_FALSE(JsonOptionalBool(o, "s").ok());
  EXPECT_EQ((*JsonArray(o, "a"))->size(), 1u);
  EXPECT_FALSE(JsonArray(o, "n").ok());
  EXPECT_EQ(*JsonOptionalArray(o, "q"), nullptr);
  EXPECT_EQ((*JsonObject(o, "o"))->size(), 1u);
  EXPECT_FALSE(JsonObject(o, "a").ok());
  EXPECT_EQ(*JsonOptionalObject(o, "n"), nullptr);
  EXPECT_TRUE(OnlyKeys(o, {"s", "n", "b", "a", "o"}).ok());
  EXPECT_EQ(OnlyKeys(o, {"s", "n", "b", "a"}).error().message, "unknown key \"o\"");
  EXPECT_EQ(CaseFoldedTwin(o, "S"), "s");
  EXPECT_EQ(CaseFoldedTwin(o, "s"), std::nullopt);
}

TEST(JsonWriter, WritesInOrder) {
  JsonWriter w;
  w.BeginObject().Field("s", "a\"b\\\n\x01").Field("i", -1).Field("u", 1u).Field("t", true).Key("d").Number(0.1);
  w.Key("n").Null().Key("a").BeginArray().Int(1).BeginArray().EndArray().String("x").EndArray();
  w.Key("o").BeginObject().EndObject().Key("r").Raw("{}").EndObject();
  EXPECT_EQ(w.Take(), R"({"s":"a\"b\\\n\u0001","i":-1,"u":1,"t":true,"d":0.1,"n":null,"a":[1,[],"x"],"o":{},"r":{}})");
}

TEST(JsonWriter, Indents) {
  JsonWriter w(JsonWriter::Layout::kIndented);
  w.BeginObject().Key("a").BeginArray().Int(1).Int(2).EndArray().Key("e").BeginArray().EndArray().EndObject();
  EXPECT_EQ(w.Take(), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"e\": []\n}");
}

TEST(JsonWriter, QuotesForeignText) {
  EXPECT_EQ(JsonQuote("\x1b[2K\x7f"), "\"\\u001b[2K\\u007f\"");
  EXPECT_EQ(JsonQuote("\xff" "a\xe2\x82"), "\"\xef\xbf\xbd" "a\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(JsonQuote("\xc2\x9b\u2028\u00e9\U0001f600"), "\"\\u009b\\u2028\u00e9\U0001f600\"");
  for (int c = 0; c < 256; ++c) {  // whatever the byte, the literal reads back
    auto back = ParseJson(JsonQuote(std::string(1, static_cast<char>(c))));
    ASSERT_TRUE(back.ok()) << c;
    if (c < 128) {
      EXPECT_EQ(back->get_string(), std::string(1, static_cast<char>(c)));
    }
  }
}

TEST(JsonWriterDeathTest, MisuseAborts) {
  EXPECT_DEATH(JsonWriter().BeginObject().Int(1), "");
  EXPECT_DEATH(JsonWriter().BeginArray().Key("a"), "");
  EXPECT_DEATH(JsonWriter().BeginArray().EndObject(), "");
  EXPECT_DEATH(JsonWriter().BeginArray().Take(), "");
  EXPECT_DEATH(JsonWriter().Int(1).Int(2), "");
}

}  // namespace
}  // namespace bulwark::formats
