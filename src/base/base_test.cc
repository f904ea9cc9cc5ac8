#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>

#include <unistd.h>

#include "base/byte_source.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/result.h"
#include "base/strings.h"

namespace bulwark {
namespace {

Result<int> Half(int n) {
  if (n % 2) return Error{Errc::kInvalid, "odd"};
  return n / 2;
}
Result<int> Quarter(int n) {
  BW_TRY(int half, Half(n));
  BW_CHECK(Half(half));
  return half / 2;
}

TEST(Result, TryPassesValuesAndErrors) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error().message, "odd");
  EXPECT_EQ(Quarter(6).error().Wrap("quarter of 6").message, "quarter of 6: odd");
}

TEST(Digest, ParsesOnlyTheCanonicalForm) {
  std::string hex(64, 'a');
  EXPECT_EQ(Digest::Parse("sha256:" + hex)->str(), "sha256:" + hex);
  EXPECT_EQ(Digest::Parse("sha512:" + std::string(128, '0'))->algorithm(), DigestAlgorithm::kSha512);
  for (std::string bad : {"sha256:" + std::string(63, 'a'), "sha256:" + std::string(65, 'a'), "sha256:" + std::string(64, 'A'),
                          "sha512:" + hex, "md5:" + hex, "sha256:../" + std::string(61, 'a'), std::string("sha256"), std::string(),
                          "sha256:" + std::string(63, 'a') + std::string(1, '\0'), "SHA256:" + hex, " sha256:" + hex})
    EXPECT_FALSE(Digest::Parse(bad).ok()) << bad;
}

TEST(Clock, ReadsAndWritesRfc3339) {
  auto t = ParseTime("2026-11-24T05:33:06.250+02:00");
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(FormatTime(*t), "2026-11-24T03:33:06.250Z");
  EXPECT_EQ(FormatTime(*ParseTime("2024-02-29")), "2024-02-29T00:00:00Z");
  EXPECT_EQ(FormatDate(*ParseTime("0001-01-01T00:00:00Z")), "0001-01-01");
  for (const char* bad : {"2023-02-29", "2024-13-01", "2024-1-1", "2024-01-01T25:00:00Z", "2024-01-01T00:00:00", "", "x", "2024-01-01T00:00:00.Z"})
    EXPECT_FALSE(ParseTime(bad).ok()) << bad;
  EXPECT_EQ(ParseDuration("7d")->count(), 7LL * 86400 * 1000);
  EXPECT_FALSE(ParseDuration("7").ok());
  EXPECT_FALSE(ParseDuration("-7d").ok());
  EXPECT_EQ(FormatDuration(*ParseDuration("48h")), "2d");
}

TEST(Strings, Base64IsStrict) {
  for (std::string s : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) EXPECT_EQ(*Base64Decode(Base64Encode(s)), s);
  EXPECT_EQ(Base64Encode("fooba"), "Zm9vYmE=");  // RFC 4648 section 10
  for (const char* bad : {"Z", "Zg", "Zg=", "Zh==", "Zg= =", "Zm9vYmF=", "====", "Z===", "Zg==Zg=="}) EXPECT_FALSE(Base64Decode(bad)) << bad;
}

TEST(Strings, GlobKeepsToComponents) {
  struct { const char* pattern; const char* text; bool want; } rows[] = {
      {"team-a/**", "team-a/x", true},   {"team-a/**", "team-a/x/y", true}, {"team-a/**", "team-ab/x", false},
      {"team-a/**", "team-a", false},    {"team-a/**", "xteam-a/y", false}, {"team-a/**", "TEAM-A/y", false},
      {"**", "a/b/c", true},             {"**", "", true},                  {"*", "a/b", false},
      {"*/app", "a/app", true},          {"*/app", "a/b/app", false},       {"**/app", "a/b/app", true},
      {"v1*", "v1.2", true},             {"v1*", "ev1", false},             {"v?", "v1", true},
      {"v?", "v/", false},               {"a*b*c", "aXbYc", true},          {"a*b*c", "aXbY", false},
      {"a**z", "a/b/z", true},           {"**/x/*", "a/x/b", true},         {"**/x/*", "a/x/b/c", false},
      {"", "", true},                    {"", "a", false},                  {"a", "", false},
      {"*", "", true},                   {"prod/*/web*", "prod/eu/web-1", true}, {"prod/*/web*", "prod/eu/x/web", false},
      {"**a", "aa", true},               {"*a", "aa", true},                {"**/b", "a/a/b/b", true}};
  for (auto& r : rows) EXPECT_EQ(GlobMatch(r.pattern, r.text), r.want) << r.pattern << " on " << r.text;
}

TEST(Strings, NumbersAndText) {
  EXPECT_EQ(ParseUint("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "-1", "+1", "01", "1 ", "0x1", "18446744073709551616"}) EXPECT_FALSE(ParseUint(bad)) << bad;
  EXPECT_TRUE(IsUtf8("Grüße €"));
  EXPECT_FALSE(IsUtf8("\xc0\xaf"));
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));
  EXPECT_EQ(ToHex(*FromHex("00ff")), "00ff");
  EXPECT_EQ(Trim(" \ta b\r\n"), "a b");
}

TEST(Log, PrintableDefusesTerminals) {
  EXPECT_EQ(Printable("a\x1b[2Kb"), "a\\u001b[2Kb");
  EXPECT_EQ(Printable("line\nline"), "line\\u000aline");
  EXPECT_EQ(Printable("\xc2\x9b" "1m"), "\\u009b1m");
  EXPECT_EQ(Printable("\xff"), "\\xff");
  EXPECT_EQ(Printable("\xe2\x80\xae"), "\\u202e");
  EXPECT_EQ(Printable("Grüße"), "Grüße");
}

TEST(ByteSource, ReadsMemoryAndRefusesTheEnd) {
  MemorySource source(AsBytes("hello"));
  std::uint8_t buf[3];
  EXPECT_TRUE(source.ReadAt(2, buf).ok());
  EXPECT_EQ(source.ReadAt(3, buf).error().code, Errc::kRange);
  EXPECT_EQ(ReadAll(source, 4).error().code, Errc::kLimit);
}

// Through no link, at the path or beside it, and with the mode that was asked for.
TEST(WriteFileAtomically, ReplacesWhatIsThere) {
  namespace fs = std::filesystem;
  std::string folder = fs::temp_directory_path() / "bulwark-base-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/file", victim = folder + "/victim";
  ASSERT_TRUE(WriteFileAtomically(victim, "precious").ok());
  fs::create_symlink("victim", path);
  fs::create_symlink("victim", path + ".tmp." + std::to_string(::getpid()));
  ASSERT_TRUE(WriteFileAtomically(path, "new", 0600).ok());
  EXPECT_EQ(*ReadFile(victim, 100), "precious");
  EXPECT_EQ(*ReadFile(path, 100), "new");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(path)));
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 3);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace bulwark
