#include "storage/blob/file_driver.h"

#include <filesystem>
#include <fstream>

#include <sys/stat.h>

#include "storage/blob/driver_suite.h"
#include "storage/faulty_file_system.h"
#include "storage/test_directory.h"

namespace bulwark::storage {
namespace {

class FileHarness {
 public:
  FileHarness() { Restart(); }
  BlobDriver& driver() { return *driver_; }
  void Restart() { driver_ = *OpenFileDriver(dir_.path(), PosixFileSystem()); }

 private:
  TestDirectory dir_;
  std::unique_ptr<BlobDriver> driver_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(File, BlobDriverSuite, FileHarness);

class FileDriverTest : public ::testing::Test {
 protected:
  using Call = FaultyFileSystem::Call;
  using Fault = FaultyFileSystem::Fault;

  TestDirectory dir_;
  FaultyFileSystem files_{dir_.path()};
  std::unique_ptr<BlobDriver> driver_ = *OpenFileDriver(dir_.path(), files_);
  const Digest hello_ = crypto::Sha256(AsBytes("hello"));

  std::unique_ptr<BlobWriter> Begin(std::string_view bytes) {
    auto writer = *driver_->Upload("ab");
    EXPECT_TRUE(writer->Append(AsBytes(bytes)));
    return writer;
  }
  void Fail(Call call, Fault fault) {
    files_.FailNth(1, fault, [call](Call c) { return c == call; });
  }
};

TEST_F(FileDriverTest, LayoutAndModes) {
  ASSERT_TRUE(Begin("hello")->Commit(hello_));
  const std::string path = dir_.path() + "/blobs/0/sha256/" + hello_.hex().substr(0, 2) + "/" + hello_.hex();
  struct stat st;
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((dir_.path() + "/blobs").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}

TEST_F(FileDriverTest, ForeignNamesArePassedOver) {
  ASSERT_TRUE(Begin("hello")->Commit(hello_));
  const std::string root = dir_.path() + "/blobs";
  for (const char* name : {"/lost+found", "/0/sha256/zz", "/0/sha256/ab", "/-1/sha256/ab", "/99999999999/sha256/ab"})
    std::filesystem::create_directories(root + name);
  std::ofstream(root + "/0/sha256/ab/abcd") << "short name";
  std::ofstream(dir_.path() + "/uploads/README") << "x";
  int blobs = 0, uploads = 0;
  EXPECT_TRUE(driver_->Each([&](const BlobInfo&) { return ++blobs > 0; }));
  EXPECT_TRUE(driver_->EachUpload([&](const std::string&) { return ++uploads > 0; }));
  EXPECT_EQ(blobs, 1);
  EXPECT_EQ(uploads, 0);
}

TEST_F(FileDriverTest, FailedWriteLeavesWhatWasThere) {
  for (Fault fault : {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite}) {
    auto writer = Begin("hel");
    Fail(Call::kWrite, fault);
    Status failed = writer->Append(AsBytes("XYZW"));
    EXPECT_EQ(failed.error().code, fault == Fault::kNoSpace ? Errc::kUnavailable : Errc::kIo);
    EXPECT_EQ(writer->size(), 3u);
    ASSERT_TRUE(writer->Append(AsBytes("lo")));
    EXPECT_TRUE(writer->Commit(hello_));
    EXPECT_EQ(driver_->Stat({0, hello_})->size, 5u);
    ASSERT_TRUE(driver_->Remove({0, hello_}));
  }
}

TEST_F(FileDriverTest, FailedSyncIsNeverTriedAgain) {
  auto writer = Begin("hello");
  Fail(Call::kSync, Fault::kIo);
  EXPECT_EQ(writer->Commit(hello_).error().code, Errc::kIo);
  EXPECT_EQ(writer->Commit(hello_).error().code, Errc::kConflict);
  EXPECT_EQ(driver_->Stat({0, hello_}).error().code, Errc::kNotFound);
  writer.reset();
  EXPECT_EQ((*driver_->Upload("ab"))->size(), 0u) << "the spool's pages are not to be trusted";
}

TEST_F(FileDriverTest, FailedRenameOrDirectorySyncEndsTheWriter) {
  for (Call call : {Call::kRename, Call::kSyncDirectory, Call::kMakeDirectory}) {
    driver_ = *OpenFileDriver(dir_.path(), files_);
    auto writer = Begin("hello");
    Fail(call, Fault::kIo);
    EXPECT_EQ(writer->Commit(hello_).error().code, Errc::kIo);
    EXPECT_TRUE(files_.failed());
    EXPECT_EQ(writer->Append(AsBytes("!")).error().code, Errc::kConflict) << "it may be the blob's file by now";
  }
  EXPECT_TRUE(Begin("hello")->Commit(hello_)) << "a new upload mends it";
}

TEST_F(FileDriverTest, CommittedBlobSurvivesAPowerCutAtOnce) {
  ASSERT_TRUE(Begin("hello")->Commit(hello_));
  TestDirectory after;
  ASSERT_TRUE(files_.PowerCut(files_.operations(), FaultyFileSystem::Unsynced::kDropped, 0, after.path()));
  auto driver = *OpenFileDriver(after.path(), PosixFileSystem());
  EXPECT_EQ(driver->Stat({0, hello_})->size, 5u);
}

}  // namespace
}  // namespace bulwark::storage
