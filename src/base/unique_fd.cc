#include "base/unique_fd.h"

#include <cerrno>
#include <cstring>

#include <unistd.h>

namespace bulwark {

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Error ErrnoError(std::string_view doing) {
  int code = errno;
  char buf[128];
  Errc errc = code == ENOENT ? Errc::kNotFound : Errc::kIo;
  return Error{errc, std::string(doing) + ": " + strerror_r(code, buf, sizeof buf)};
}

}  // namespace bulwark
