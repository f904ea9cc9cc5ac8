#include "storage/directory_lock.h"

#include <cerrno>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "storage/file_system.h"

namespace bulwark::storage {
namespace {

// What the holder wrote; empty if it has not written yet.
std::string HolderOf(int fd) {
  char text[32];
  ssize_t n = ::pread(fd, text, sizeof text, 0);
  return n > 0 ? Printable(Trim(std::string_view(text, static_cast<std::size_t>(n)))) : std::string();
}

// A server that was killed while it started a worker: the child holds the lock until it has become that worker, or died.
constexpr std::chrono::milliseconds kPatience{2000}, kPause{20};

// 0, or the errno.
int LockSoon(int fd) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    if (why != EWOULDBLOCK || std::chrono::steady_clock::now() >= end) return why;
    std::this_thread::sleep_for(kPause);
  }
  return 0;
}

}  // namespace

Result<DirectoryLock> DirectoryLock::Take(const std::string& directory) {
  BW_CHECK(PosixFileSystem().MakeDirectory(directory));
  const std::string path = directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return ErrnoError("open " + path);
  if (const int failed = LockSoon(fd.get()); failed != 0) {
    errno = failed;
    if (failed != EWOULDBLOCK) return ErrnoError("lock " + path);
    std::string holder = HolderOf(fd.get());
    return Error{Errc::kConflict, "the data directory " + directory + " is in use by another process" +
                                      (holder.empty() ? "" : " (pid " + holder + ")")};
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0)
    return ErrnoError("write " + path);
  return DirectoryLock(std::move(fd));
}

}  // namespace bulwark::storage
