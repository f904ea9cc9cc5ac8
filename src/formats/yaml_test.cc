#include "formats/yaml.h"

#include <gtest/gtest.h>

#include <chrono>

namespace bulwark::formats {
namespace {

YamlNode Parsed(std::string_view text) {
  auto node = ParseYaml(text);
  EXPECT_TRUE(node.ok()) << text << ": " << (node.ok() ? "" : node.error().message);
  return node.ok() ? *std::move(node) : YamlNode();
}

std::string ErrorOf(std::string_view text, const YamlLimits& limits = {}) {
  auto node = ParseYaml(text, limits);
  return node.ok() ? "" : node.error().message;
}

TEST(Yaml, BuildsATreeWithLines) {
  YamlNode n = Parsed("# comment\na: 1\nb:\n  - x\n  - 'y z'\nc: {d: \"e\", f: []}\n");
  ASSERT_EQ(n.members.size(), 3u);
  EXPECT_EQ(n.Find("a")->text, "1");
  EXPECT_EQ(n.Find("a")->line, 2u);
  EXPECT_EQ(n.Find("b")->items[1].text, "y z");
  EXPECT_EQ(n.Find("b")->items[1].line, 5u);
  EXPECT_FALSE(n.Find("b")->items[1].plain);
  EXPECT_EQ(n.Find("c")->Find("d")->text, "e");
  EXPECT_EQ(n.Find("q"), nullptr);
  EXPECT_TRUE(Parsed("a:\n").Find("a")->null());
  EXPECT_FALSE(Parsed("a: ''\n").Find("a")->null());
}

TEST(Yaml, ReadsJson) {
  YamlNode n = Parsed(R"({"a":[1,{"b":"c"}],"d":true})");
  EXPECT_EQ(n.Find("a")->items[1].Find("b")->text, "c");
}

TEST(Yaml, RefusesWithTheLine) {
  EXPECT_EQ(ErrorOf("a: 1\nb: 2\na: 3\n"), "line 3: key a is repeated");
  EXPECT_EQ(ErrorOf("a: &x 1\n"), "line 1: anchors (&name) are not accepted");
  EXPECT_EQ(ErrorOf("a: 1\nb: *x\n"), "line 2: aliases (*name) are not accepted");
  EXPECT_EQ(ErrorOf("a: !!python/object x\n"), "line 1: tags (!name) are not accepted");
  EXPECT_EQ(ErrorOf("a: ! x\n"), "line 1: tags (!name) are not accepted");
  EXPECT_EQ(ErrorOf("? [a]\n: b\n"), "line 1: a key must be text");
  EXPECT_EQ(ErrorOf("a: 1\n---\nb: 2\n"), "line 3: a second document; only one is accepted");
  EXPECT_EQ(ErrorOf(""), "line 1: the document is empty");
  EXPECT_EQ(ErrorOf("# only a comment\n"), "line 1: the document is empty");
  EXPECT_NE(ErrorOf("a: 1\n\tb: 2\n").find("line 2"), std::string::npos);
  EXPECT_NE(ErrorOf("a: [1, 2\n").find("line "), std::string::npos);
  EXPECT_FALSE(ErrorOf("a: \xff\n").empty());
  EXPECT_FALSE(ErrorOf(std::string_view("a: b\0c\n", 7)).empty());
  EXPECT_FALSE(ErrorOf(std::string_view("\xff\xfe" "a\0:\0 \0b\0", 10)).empty());  // UTF-16
}

TEST(Yaml, Documents) {
  auto docs = ParseYamlDocuments("a: 1\n---\nb: 2\n...\n---\n- c\n");
  ASSERT_TRUE(docs.ok());
  ASSERT_EQ(docs->size(), 3u);
  EXPECT_EQ((*docs)[2].items[0].text, "c");
}

// specs/attacks.md, lockfile-bombs: CVE-2019-11253 shape, depth, node count; bounded time.
TEST(Yaml, Limits) {
  std::string bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
  EXPECT_EQ(ErrorOf(bomb), "line 1: anchors (&name) are not accepted");
  EXPECT_NE(ErrorOf(std::string(33, '[') + std::string(33, ']')).find("nested deeper"), std::string::npos);
  EXPECT_EQ(ErrorOf(std::string(32, '[') + std::string(32, ']')), "");
  auto many = ParseYaml("[" + std::string(200'000, ',') + "]", {.bytes = 1 << 20, .nodes = 10});
  EXPECT_FALSE(many.ok());
  std::string items = "[";
  for (int i = 0; i < 20; ++i) items += "x,";
  auto nodes = ParseYaml(items + "x]", {.nodes = 10});
  ASSERT_FALSE(nodes.ok());
  EXPECT_EQ(nodes.error().code, Errc::kLimit);
  auto large = ParseYaml("abcdef", {.bytes = 5});
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code, Errc::kLimit);
  auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(ParseYaml(std::string(1 << 20, '[')).ok());
  EXPECT_FALSE(ParseYaml(std::string(1 << 20, '{')).ok());
  std::string dashes;
  for (int i = 0; i < 1 << 19; ++i) dashes += "- ";
  EXPECT_FALSE(ParseYaml(dashes).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));  // generous: sanitizers, busy machines
}

TEST(Yaml, TypedReads) {
  YamlNode n = Parsed("t: true\nq: 'true'\nyes: yes\nu: 12\nneg: -1\nf: 9.8\nd: 7d\ndate: 2026-01-31\ne: ''\nl: [a, b]\nm: {}");
  EXPECT_TRUE(*YamlBool(*n.Find("t"), "t"));
  EXPECT_EQ(YamlBool(*n.Find("q"), "q").error().message, "line 2: q must be true or false");
  EXPECT_FALSE(YamlBool(*n.Find("yes"), "yes").ok());
  EXPECT_EQ(*YamlUint(*n.Find("u"), "u"), 12u);
  EXPECT_EQ(YamlUint(*n.Find("neg"), "neg").error().message, "line 5: neg must be a whole number");
  EXPECT_EQ(*YamlNumber(*n.Find("f"), "f"), 9.8);
  EXPECT_FALSE(YamlNumber(*n.Find("d"), "d").ok());
  EXPECT_EQ(*YamlDuration(*n.Find("d"), "d"), std::chrono::hours(168));
  EXPECT_FALSE(YamlDuration(*n.Find("u"), "u").ok());
  EXPECT_EQ(FormatDate(*YamlTime(*n.Find("date"), "date")), "2026-01-31");
  EXPECT_FALSE(YamlText(*n.Find("e"), "e").ok());
  EXPECT_FALSE(YamlText(*n.Find("l"), "l").ok());
  EXPECT_EQ(YamlTexts(*n.Find("l"), "l")->size(), 2u);
  EXPECT_EQ(YamlTexts(*n.Find("u"), "u")->at(0), "12");
  EXPECT_FALSE(YamlTexts(*n.Find("m"), "m").ok());
  EXPECT_EQ(*YamlChoice(*n.Find("yes"), "yes", {"no", "yes"}), 1u);
  EXPECT_EQ(YamlChoice(*n.Find("u"), "u", {"no", "yes"}).error().message, "line 4: u must be one of no, yes");
}

TEST(Yaml, OnlyKeysSuggests) {
  YamlNode n = Parsed("mode: enforce\nruls: []\n");
  EXPECT_EQ(YamlOnlyKeys(n, "policy", {"mode", "rules"}).error().message,
            "line 2: policy has no key ruls; did you mean rules?");
  EXPECT_TRUE(YamlOnlyKeys(n, "policy", {"mode", "ruls"}).ok());
  EXPECT_EQ(YamlOnlyKeys(*n.Find("ruls"), "rules", {}).error().message, "line 2: rules must be a mapping (key: value)");
}

TEST(Yaml, CanonicalFormIgnoresLayout) {
  EXPECT_EQ(YamlCanonical(Parsed("b: [1, 2]\na: x\n")), YamlCanonical(Parsed("# c\na:   x\nb:\n- 1\n- 2\n")));
  EXPECT_NE(YamlCanonical(Parsed("a: true")), YamlCanonical(Parsed("a: 'true'")));
  EXPECT_NE(YamlCanonical(Parsed("[a, b]")), YamlCanonical(Parsed("[b, a]")));
}

TEST(Yaml, TruncationsAnswer) {
  std::string text = "policy: p\nrules:\n  - id: \"a\"\n    deny: {kev: true, ids: ['x', y]}\nnote: |\n  text\n";
  for (std::size_t n = 0; n < text.size(); ++n) (void)ParseYaml(text.substr(0, n)).ok();
  EXPECT_EQ(ErrorOf(text), "");
}

}  // namespace
}  // namespace bulwark::formats
