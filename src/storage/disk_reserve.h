#pragma once
// Space that is given back when others have filled the disk: with none left at all nobody could log in, delete and
// collect, for each of these is written down first.

#include <cstdint>
#include <string>

#include "base/limits.h"
#include "base/result.h"

namespace bulwark::storage {

// What pushes leave free: for the database's log, which may grow to kDatabaseLogBytes and a transaction more, and for
// what it is copied into.
inline constexpr std::uint64_t kDatabaseLogBytes = 32 * limits::kMiB;
inline constexpr std::uint64_t kDiskReserve = 64 * limits::kMiB;  // given back at the end
inline constexpr std::uint64_t kDiskLeftByPushes = 128 * limits::kMiB;
static_assert(kDiskReserve >= 2 * kDatabaseLogBytes && kDiskLeftByPushes >= 4 * kDatabaseLogBytes);

class DiskReserve {
 public:
  explicit DiskReserve(std::string directory);
  // To be called at start, before the database is opened, and every few seconds: makes the file where there is plenty of
  // space, removes it where there is none. One thread.
  Status Keep();

 private:
  const std::string directory_, path_;
};

}  // namespace bulwark::storage
