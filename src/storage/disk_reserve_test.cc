#include "storage/disk_reserve.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "storage/file_system.h"
#include "storage/test_directory.h"

namespace bulwark::storage {
namespace {

// The full disk itself: tests/e2e/fault_test.py, SmallDisk.
TEST(DiskReserveTest, IsMadeAndGrowsToItsSize) {
  TestDirectory dir;
  if (PosixFileSystem().FreeBytes(dir.path()).value() < 4 * kDiskLeftByPushes) GTEST_SKIP() << "this disk is too full";
  const std::string path = dir.path() + "/reserve";
  std::ofstream(path) << "of an older version";
  DiskReserve reserve(dir.path());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(reserve.Keep());
    EXPECT_EQ(std::filesystem::file_size(path), kDiskReserve);
  }
  std::filesystem::remove(path);
  ASSERT_TRUE(reserve.Keep());
  EXPECT_EQ(std::filesystem::file_size(path), kDiskReserve);
}

}  // namespace
}  // namespace bulwark::storage
