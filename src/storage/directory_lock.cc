#include "storage/directory_lock.h"

#include <cerrno>

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

}  // namespace

Result<DirectoryLock> DirectoryLock::Take(const std::string& directory) {
  BW_CHECK(PosixFileSystem().MakeDirectory(directory));
  const std::string path = directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return ErrnoError("open " + path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoError("lock " + path);
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
