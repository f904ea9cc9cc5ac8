// Oracles: deb822(5), Debian policy 5.1, and what python's email.parser makes of METADATA files.
#include "formats/deb822.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace bulwark::formats {
namespace {

TEST(Deb822, ReadsStanzasApartByEmptyLines) {
  Deb822 reader("\n\nPackage: a\nVersion:  1:2-3 \nDescription: one\n two\n .\n three\n\n\nPackage: b\n");
  auto a = reader.Next();
  ASSERT_TRUE(a && a->ok());
  EXPECT_EQ((*a)->Get("package"), "a");
  EXPECT_EQ((*a)->Get("Version"), "1:2-3");
  EXPECT_EQ((*a)->Get("Description"), "one\n two\n .\n three");
  EXPECT_EQ(Unfold((*a)->Get("Description")), "one two . three");
  EXPECT_EQ((*a)->line(), 3u);
  EXPECT_FALSE((*a)->Find("Status"));
  auto b = reader.Next();
  ASSERT_TRUE(b && b->ok());
  EXPECT_EQ((*b)->Get("Package"), "b");
  EXPECT_FALSE(reader.Next());
}

TEST(Deb822, GoesOnAfterAMalformedStanza) {
  Deb822 reader("Package: a\nno field here\nVersion: 1\n\nPackage: b\n");
  auto a = reader.Next();
  ASSERT_TRUE(a && !a->ok());
  EXPECT_EQ(a->error().code, Errc::kCorrupt);
  EXPECT_NE(a->error().message.find("line 2"), std::string::npos);
  auto b = reader.Next();
  ASSERT_TRUE(b && b->ok());
  EXPECT_EQ((*b)->Get("Package"), "b");
}

TEST(Deb822, RefusesWhatIsNoFieldName) {
  for (std::string_view text : {" starts with a space\n", "# comment\n", "-x: 1\n", ": empty\n", "a b: 1\n", "\x01: 1\n"}) {
    auto next = Deb822(text).Next();
    ASSERT_TRUE(next) << text;
    EXPECT_FALSE(next->ok()) << text;
  }
}

TEST(Deb822, HeadersEndAtTheBody) {
  Deb822 reader("Metadata-Version: 2.1\r\nName: x\r\nClassifier: A\r\nClassifier: B\r\n\r\nName: body\r\n", Deb822::Syntax::kHeaders);
  auto headers = reader.Next();
  ASSERT_TRUE(headers && headers->ok());
  EXPECT_EQ((*headers)->Get("Name"), "x");
  EXPECT_TRUE((*headers)->Repeats("classifier"));
  EXPECT_FALSE((*headers)->Repeats("Name"));
  EXPECT_FALSE(reader.Next());
}

TEST(Deb822, HeadersEndAtALineThatIsNone) {
  auto headers = Deb822("Name: x\nfree text\nVersion: 9\n", Deb822::Syntax::kHeaders).Next();
  ASSERT_TRUE(headers && headers->ok());
  EXPECT_EQ((*headers)->fields().size(), 1u);
  EXPECT_FALSE(Deb822("free text", Deb822::Syntax::kHeaders).Next());
}

TEST(Deb822, LimitsFields) {
  std::string text;
  for (std::uint64_t i = 0; i <= limits::kStanzaFields; ++i) text += "a" + std::to_string(i) + ": 1\n";
  text += "\nPackage: b\n";
  Deb822 reader(text);
  auto a = reader.Next();
  ASSERT_TRUE(a && !a->ok());
  EXPECT_EQ(a->error().code, Errc::kLimit);
  auto b = reader.Next();
  ASSERT_TRUE(b && b->ok());
  EXPECT_EQ((*b)->Get("Package"), "b");
}

TEST(Deb822, EveryPrefixIsReadWithoutHarm) {
  std::string text = "Package: a\r\nVersion: 1\n more\n\nbroken\n\nPackage: b";
  for (std::size_t n = 0; n <= text.size(); ++n) {
    std::string cut = text.substr(0, n);
    Deb822 reader(cut);
    int stanzas = 0;
    while (reader.Next()) ASSERT_LT(++stanzas, 5);
  }
}

}  // namespace
}  // namespace bulwark::formats
