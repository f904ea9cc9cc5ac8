// The model itself: what a power cut keeps and drops.

#include "storage/faulty_file_system.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "storage/test_directory.h"

namespace bulwark::storage {
namespace {

using Call = FaultyFileSystem::Call;
using Fault = FaultyFileSystem::Fault;
using Unsynced = FaultyFileSystem::Unsynced;

class FaultyFileSystemTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }
  // "name=content …" of the files that a power cut now would leave.
  std::string After(Unsynced unsynced = Unsynced::kDropped, std::uint64_t seed = 0) {
    TestDirectory to;
    EXPECT_TRUE(files_.PowerCut(files_.operations(), unsynced, seed, to.path()));
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(to.path()))
      if (entry.is_regular_file()) found[entry.path().lexically_relative(to.path())] = *ReadFile(entry.path(), 1 << 20);
    std::string out;
    for (const auto& [name, content] : found) out += name + "=" + content + " ";
    return out;
  }

  TestDirectory dir_;
  FaultyFileSystem files_{dir_.path()};
};

TEST_F(FaultyFileSystemTest, BytesNeedSyncDataAndNamesNeedSyncDirectory) {
  auto file = *files_.Open(Path("a"), OpenMode::kCreate);
  ASSERT_TRUE(file->WriteAt(0, AsBytes("abc")));
  EXPECT_EQ(After(), "");
  ASSERT_TRUE(file->SyncData());
  EXPECT_EQ(After(), "");
  ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  EXPECT_EQ(After(), "a=abc ");
  ASSERT_TRUE(file->WriteAt(1, AsBytes("XYZ")));
  EXPECT_EQ(After(), "a=abc ");
  ASSERT_TRUE(file->Truncate(2));
  EXPECT_EQ(After(), "a=abc ");
  ASSERT_TRUE(file->SyncData());
  EXPECT_EQ(After(), "a=aX ");
}

TEST_F(FaultyFileSystemTest, RenameAndRemove) {
  ASSERT_TRUE(files_.MakeDirectory(Path("d/e")));
  auto file = *files_.Open(Path("a"), OpenMode::kCreate);
  ASSERT_TRUE(file->WriteAt(0, AsBytes("1")));
  ASSERT_TRUE(file->SyncData());
  ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  ASSERT_TRUE(files_.Rename(Path("a"), Path("d/e/b")));
  EXPECT_EQ(After(), "a=1 ");
  ASSERT_TRUE(files_.SyncDirectory(Path("d/e")));
  EXPECT_EQ(After(), "a=1 d/e/b=1 ") << "the old name goes only when its own directory is synced";
  ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  EXPECT_EQ(After(), "d/e/b=1 ");
  ASSERT_TRUE(files_.Remove(Path("d/e/b")));
  EXPECT_EQ(After(), "d/e/b=1 ");
  ASSERT_TRUE(files_.SyncDirectory(Path("d/e")));
  EXPECT_EQ(After(), "");
}

TEST_F(FaultyFileSystemTest, StartsFromWhatIsThere) {
  std::filesystem::create_directories(Path("x/y"));
  std::ofstream(Path("x/y/z")) << "old";
  FaultyFileSystem later(dir_.path());
  auto file = *later.Open(Path("x/y/z"), OpenMode::kReadWrite);
  ASSERT_TRUE(file->WriteAt(0, AsBytes("new")));
  TestDirectory to;
  ASSERT_TRUE(later.PowerCut(later.operations(), Unsynced::kDropped, 0, to.path()));
  EXPECT_EQ(*ReadFile(to.path() + "/x/y/z", 100), "old");
}

TEST_F(FaultyFileSystemTest, RandomSpillIsRepeatableAndDiffers) {
  auto file = *files_.Open(Path("a"), OpenMode::kCreate);
  ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(file->WriteAt(static_cast<std::uint64_t>(i), AsBytes("x")));
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(After(Unsynced::kRandom, seed), After(Unsynced::kRandom, seed));
    seen.insert(After(Unsynced::kRandom, seed));
  }
  EXPECT_GT(seen.size(), 5u);
}

TEST_F(FaultyFileSystemTest, WithoutFsyncNothingIsDurable) {
  FaultyFileSystem lazy(dir_.path(), FaultyFileSystem::Sync::kIgnored);
  auto file = *lazy.Open(Path("a"), OpenMode::kCreate);
  ASSERT_TRUE(file->WriteAt(0, AsBytes("abc")));
  ASSERT_TRUE(file->SyncData());
  ASSERT_TRUE(lazy.SyncDirectory(dir_.path()));
  TestDirectory to;
  ASSERT_TRUE(lazy.PowerCut(lazy.operations(), Unsynced::kDropped, 0, to.path()));
  EXPECT_TRUE(std::filesystem::is_empty(to.path()));
}

TEST_F(FaultyFileSystemTest, FailsTheNthCallOfAKind) {
  auto file = *files_.Open(Path("a"), OpenMode::kCreate);
  files_.FailNth(2, Fault::kShortWrite, [](Call call) { return call == Call::kWrite; });
  EXPECT_TRUE(file->WriteAt(0, AsBytes("abcd")));
  EXPECT_TRUE(file->SyncData());
  EXPECT_FALSE(files_.failed());
  EXPECT_EQ(file->WriteAt(4, AsBytes("efgh")).error().code, Errc::kIo);
  EXPECT_TRUE(files_.failed());
  EXPECT_EQ(*file->Size(), 6u);
  EXPECT_TRUE(file->WriteAt(4, AsBytes("efgh"))) << "one fault is one failure";
}

TEST_F(FaultyFileSystemTest, FailedSyncLosesWhatItShouldHaveWritten) {
  auto file = *files_.Open(Path("a"), OpenMode::kCreate);
  ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  ASSERT_TRUE(file->WriteAt(0, AsBytes("abc")));
  files_.FailNth(1, Fault::kIo);
  EXPECT_FALSE(file->SyncData());
  EXPECT_TRUE(file->SyncData());
  EXPECT_EQ(After(), "a= ");
}

}  // namespace
}  // namespace bulwark::storage
