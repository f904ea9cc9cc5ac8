#include "storage/disk_reserve.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "storage/file_system.h"

namespace bulwark::storage {
namespace {

constexpr std::uint64_t kNone = 4 * limits::kMiB;     // free: the database is about to fail
constexpr std::uint64_t kPlenty = 2 * kDiskLeftByPushes;  // free: so that it does not come and go

}  // namespace

DiskReserve::DiskReserve(std::string directory) : directory_(std::move(directory)), path_(directory_ + "/reserve") {}

Status DiskReserve::Keep() {
  BW_TRY(const std::uint64_t left, PosixFileSystem().FreeBytes(directory_));
  struct stat info {};
  const bool there = ::stat(path_.c_str(), &info) == 0;
  if (there && left < kNone) {
    if (::unlink(path_.c_str()) != 0) return ErrnoError("remove " + path_);
    LogWarning("the disk is full; the last " + FormatBytes(kDiskReserve) + " were freed for deletions and a collection");
    return {};
  }
  const bool whole = there && info.st_size >= static_cast<off_t>(kDiskReserve);  // an older version's is smaller
  if (whole || left < kPlenty) return {};
  UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return ErrnoError("make " + path_);
  if (const int failed = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(kDiskReserve)); failed != 0) {
    errno = failed;
    Error error = ErrnoError("make " + path_);
    ::unlink(path_.c_str());
    return error;
  }
  return {};
}

}  // namespace bulwark::storage
