// Archives are built here byte by byte. Oracles: APPNOTE 6.3.10 and what java.util.zip, JarInputStream and python's
// zipfile take from the same bytes.
#include "formats/zip.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "formats/raw_inflate.h"

namespace bulwark::formats {
namespace {

std::string Le(std::uint64_t value, int width) {
  std::string out;
  for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// A member as one of the two kinds of header tells it. Deflate by stored blocks, so that the bytes are known.
struct Member {
  std::string name, content;
  int method = 0;
  unsigned flags = 0;
  std::string data() const {
    if (method != 8) return content;
    std::string out;
    std::size_t size = content.size();
    out += '\x01';
    out += Le(size, 2) + Le(~size & 0xffff, 2) + content;
    return out;
  }
  std::uint32_t crc() const { return Crc32(AsBytes(content)); }
};

std::string Local(const Member& m) {
  bool later = m.flags & 8;
  std::string out = "PK\x03\x04" + Le(20, 2) + Le(m.flags, 2) + Le(m.method, 2) + Le(0, 4) + Le(later ? 0 : m.crc(), 4) +
                    Le(later ? 0 : m.data().size(), 4) + Le(later ? 0 : m.content.size(), 4) + Le(m.name.size(), 2) + Le(0, 2) +
                    m.name + m.data();
  if (later) out += "PK\x07\x08" + Le(m.crc(), 4) + Le(m.data().size(), 4) + Le(m.content.size(), 4);
  return out;
}

std::string Central(const Member& m, std::uint64_t header, std::uint64_t stored) {
  return "PK\x01\x02" + Le(20, 2) + Le(20, 2) + Le(m.flags, 2) + Le(m.method, 2) + Le(0, 4) + Le(m.crc(), 4) + Le(stored, 4) +
         Le(m.content.size(), 4) + Le(m.name.size(), 2) + Le(0, 2) + Le(0, 2) + Le(0, 2) + Le(0, 2) + Le(0, 4) + Le(header, 4) + m.name;
}
std::string Central(const Member& m, std::uint64_t header) { return Central(m, header, m.data().size()); }

std::string End(std::uint64_t count, std::uint64_t size, std::uint64_t offset, const std::string& comment = "") {
  return "PK\x05\x06" + Le(0, 4) + Le(count, 2) + Le(count, 2) + Le(size, 4) + Le(offset, 4) + Le(comment.size(), 2) + comment;
}

std::string Archive(const std::vector<Member>& members, const std::string& comment = "") {
  std::string bodies, directory;
  for (const Member& m : members) {
    directory += Central(m, bodies.size());
    bodies += Local(m);
  }
  return bodies + directory + End(members.size(), directory.size(), bodies.size(), comment);
}

std::string Text(const std::string& archive, const ZipEntry& entry) {
  auto bytes = ReadZipEntry(AsBytes(archive), entry, 1 << 20);
  return bytes.ok() ? std::string(AsText(*bytes)) : "error: " + bytes.error().message;
}

std::string Names(const Zip& zip) {
  std::string out;
  for (const ZipEntry& entry : zip.entries) out += std::string(entry.in_directory ? "" : "?") + std::string(entry.name) + " ";
  return out;
}

bool HasOddity(const Zip& zip, std::string_view part) {
  for (const std::string& oddity : zip.oddities) {
    if (oddity.find(part) != std::string::npos) return true;
  }
  return false;
}

TEST(Zip, ReadsStoredAndDeflated) {
  std::string archive = Archive({{"a", "stored"}, {"d/b", "deflated", 8}, {"c", "later", 8, 8}});
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok()) << zip.error().message;
  EXPECT_EQ(Names(*zip), "a d/b c ");
  EXPECT_TRUE(zip->oddities.empty()) << zip->oddities[0];
  EXPECT_EQ(Text(archive, zip->entries[0]), "stored");
  EXPECT_EQ(Text(archive, zip->entries[1]), "deflated");
  EXPECT_EQ(Text(archive, zip->entries[2]), "later");
}

TEST(Zip, EmptyArchiveAndNoArchive) {
  std::string empty = End(0, 0, 0);
  auto zip = ReadZip(AsBytes(empty));
  ASSERT_TRUE(zip.ok());
  EXPECT_TRUE(zip->entries.empty() && zip->oddities.empty());
  EXPECT_EQ(ReadZip(AsBytes("no zip at all, but long enough for an end record")).error().code, Errc::kCorrupt);
  EXPECT_EQ(ReadZip({}).error().code, Errc::kCorrupt);
}

TEST(Zip, DataBeforeTheArchive) {
  std::string archive = "#!/bin/sh\nexec java -jar $0\n" + Archive({{"a", "x"}});
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(Names(*zip), "a ");
  EXPECT_TRUE(zip->oddities.empty()) << zip->oddities[0];
  EXPECT_EQ(Text(archive, zip->entries[0]), "x");
}

// A reader of local headers sees "evil", one of the directory does not.
TEST(Zip, EntryOnlyInLocalHeaders) {
  Member evil{"META-INF/maven/g/a/pom.properties", "version=1", 8}, good{"good", "g"};
  std::string bodies = Local(evil) + Local(good);
  std::string directory = Central(good, Local(evil).size());
  std::string archive = bodies + directory + End(1, directory.size(), bodies.size());
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(Names(*zip), "good ?META-INF/maven/g/a/pom.properties ");
  EXPECT_TRUE(HasOddity(*zip, "does not name"));
  EXPECT_EQ(Text(archive, zip->entries[1]), "version=1");
}

// The directory gives "cover" a length that swallows the entry behind it; a sequential reader stops where deflate ends.
TEST(Zip, EntryHiddenInAnothersLength) {
  Member cover{"cover", "c", 8, 8}, evil{"evil", "e", 8};
  std::string bodies = Local(cover) + Local(evil);
  std::uint64_t swallowed = bodies.size() - 30 - 5;
  std::string directory = Central(cover, 0, swallowed);
  std::string archive = bodies + directory + End(1, directory.size(), bodies.size());
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(Names(*zip), "cover ?evil ");
  EXPECT_TRUE(HasOddity(*zip, "shorter than"));
}

TEST(Zip, LocalHeaderWithAnotherName) {
  Member shown{"harmless", "x"}, real{"log4j.jar", "x"};
  std::string directory = Central(shown, 0);
  std::string archive = Local(real) + directory + End(1, directory.size(), Local(real).size());
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(Names(*zip), "harmless ?log4j.jar ");
  EXPECT_TRUE(HasOddity(*zip, "another name"));
}

TEST(Zip, EndRecordInTheComment) {
  Member hidden{"hidden", "h"}, shown{"shown", "s"};
  std::string bodies = Local(hidden) + Local(shown);
  std::string first = Central(hidden, 0), second = Central(shown, Local(hidden).size());
  // The outer record lists "hidden"; its comment holds a directory and an end record that list "shown".
  std::uint64_t at = bodies.size() + first.size() + 22;
  std::string comment = second + End(1, second.size(), at);
  std::string archive = bodies + first + End(1, first.size(), bodies.size(), comment);
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_TRUE(HasOddity(*zip, "more than one end record"));
  EXPECT_EQ(Names(*zip), "shown hidden ");  // Java takes the last one, others the first: both views
}

TEST(Zip, StoredArchiveInsideIsNoSecondEnd) {
  std::string archive = Archive({{"inner.jar", Archive({{"x", "y"}})}});
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(Names(*zip), "inner.jar ");
  EXPECT_TRUE(zip->oddities.empty()) << zip->oddities[0];
}

TEST(Zip, BytesBehindTheArchive) {
  std::string archive = Archive({{"a", "x"}}) + "signature";
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(Names(*zip), "a ");
  EXPECT_EQ(Text(archive, zip->entries[0]), "x");
}

TEST(Zip, SameNameTwiceGivesBoth) {
  std::string archive = Archive({{"a", "1"}, {"a", "2"}});
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(Names(*zip), "a a ");
  EXPECT_EQ(Text(archive, zip->entries[1]), "2");
}

TEST(Zip, Zip64) {
  Member m{"a", "wide"};
  std::string body = Local(m);
  std::string extra = Le(1, 2) + Le(24, 2) + Le(4, 8) + Le(4, 8) + Le(0, 8);
  std::string directory = "PK\x01\x02" + Le(45, 2) + Le(45, 2) + Le(0, 2) + Le(0, 2) + Le(0, 4) + Le(m.crc(), 4) + Le(0xffffffff, 4) +
                          Le(0xffffffff, 4) + Le(1, 2) + Le(extra.size(), 2) + Le(0, 2) + Le(0, 2) + Le(0, 2) + Le(0, 4) +
                          Le(0xffffffff, 4) + "a" + extra;
  std::string record = "PK\x06\x06" + Le(44, 8) + Le(45, 2) + Le(45, 2) + Le(0, 4) + Le(0, 4) + Le(1, 8) + Le(1, 8) +
                       Le(directory.size(), 8) + Le(body.size(), 8);
  std::string locator = "PK\x06\x07" + Le(0, 4) + Le(body.size() + directory.size(), 8) + Le(1, 4);
  std::string archive = body + directory + record + locator + End(0xffff, 0xffffffff, 0xffffffff);
  for (const std::string& prefix : {std::string(), std::string("launcher")}) {
    std::string bytes = prefix + archive;
    auto zip = ReadZip(AsBytes(bytes));
    ASSERT_TRUE(zip.ok());
    ASSERT_EQ(Names(*zip), "a ") << prefix;
    EXPECT_EQ(Text(bytes, zip->entries[0]), "wide");
    EXPECT_TRUE(zip->oddities.empty()) << zip->oddities[0];
  }
}

TEST(Zip, Zip64SizesThatLie) {
  Member m{"a", "x"};
  std::string extra = Le(1, 2) + Le(24, 2) + Le(~0ull, 8) + Le(~0ull, 8) + Le(~0ull, 8);
  std::string directory = "PK\x01\x02" + Le(45, 2) + Le(45, 2) + Le(0, 2) + Le(0, 2) + Le(0, 4) + Le(m.crc(), 4) + Le(0xffffffff, 4) +
                          Le(0xffffffff, 4) + Le(1, 2) + Le(extra.size(), 2) + Le(0, 2) + Le(0, 2) + Le(0, 2) + Le(0, 4) +
                          Le(0xffffffff, 4) + "a" + extra;
  std::string archive = Local(m) + directory + End(1, directory.size(), Local(m).size());
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_TRUE(HasOddity(*zip, "points outside"));
  EXPECT_EQ(Names(*zip), "?a ");  // the local header still shows it
}

// The quoted-overlap construction: many names, one body.
TEST(Zip, OverlappingEntriesAreFlagged) {
  Member m{"a", "body"};
  std::string directory;
  for (int i = 0; i < 100; ++i) directory += Central(m, 0);
  std::string archive = Local(m) + directory + End(100, directory.size(), Local(m).size());
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_TRUE(HasOddity(*zip, "overlap"));
  EXPECT_EQ(zip->entries.size(), 100u);
}

TEST(Zip, EncryptedAndOddMethods) {
  std::string archive = Archive({{"a", "x", 0, 1}, {"b", "x", 14}});
  auto zip = ReadZip(AsBytes(archive));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(ReadZipEntry(AsBytes(archive), zip->entries[0], 10).error().code, Errc::kUnsupported);
  EXPECT_EQ(ReadZipEntry(AsBytes(archive), zip->entries[1], 10).error().code, Errc::kUnsupported);
}

TEST(Zip, WrongChecksumAndLimit) {
  std::string archive = Archive({{"a", "content", 8}});
  std::string damaged = archive;
  damaged[30 + 1 + 5] ^= 1;
  auto zip = ReadZip(AsBytes(damaged));
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(ReadZipEntry(AsBytes(damaged), zip->entries[0], 100).error().code, Errc::kCorrupt);
  EXPECT_EQ(ReadZipEntry(AsBytes(archive), zip->entries[0], 6).error().code, Errc::kLimit);
  EXPECT_TRUE(ReadZipEntry(AsBytes(archive), zip->entries[0], 7).ok());
}

TEST(Zip, TooManyEntries) {
  Member m{"a", ""};
  std::string directory;
  for (std::uint64_t i = 0; i <= limits::kArchiveEntries; ++i) directory += Central(m, 0);
  std::string archive = Local(m) + directory + End(1, directory.size(), Local(m).size());
  EXPECT_EQ(ReadZip(AsBytes(archive)).error().code, Errc::kLimit);
  EXPECT_TRUE(ReadZip(AsBytes(archive), limits::kArchiveEntries + 1).ok());
}

TEST(Zip, CutAnywhere) {
  std::string archive = Archive({{"a", "stored"}, {"b", "deflated", 8, 8}});
  for (std::size_t n = 0; n < archive.size(); ++n) {
    std::string cut = archive.substr(0, n);
    auto zip = ReadZip(AsBytes(cut));
    if (!zip.ok()) continue;
    EXPECT_FALSE(zip->oddities.empty()) << n;
    for (const ZipEntry& entry : zip->entries) (void)Text(cut, entry);
  }
}

TEST(RawInflate, EndsWhereTheStreamEnds) {
  Member m{"a", "content", 8};
  std::string data = m.data() + "more";
  std::uint64_t consumed = 0;
  auto bytes = InflateRaw(AsBytes(data), 100, &consumed);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(AsText(*bytes), "content");
  EXPECT_EQ(consumed, m.data().size());
  EXPECT_EQ(InflateRaw(AsBytes(std::string_view(data).substr(0, 6)), 100).error().code, Errc::kCorrupt);
  EXPECT_EQ(InflateRaw({}, 100).error().code, Errc::kCorrupt);
}

}  // namespace
}  // namespace bulwark::formats
