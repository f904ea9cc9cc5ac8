#include "base/byte_source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/unique_fd.h"

namespace bulwark {
namespace {

Result<std::size_t> Pread(int fd, std::uint64_t offset, std::span<std::uint8_t> into) {
  for (;;) {
    ssize_t n = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return ErrnoError("read");
  }
}

}  // namespace

Result<std::size_t> MemorySource::Read(std::span<std::uint8_t> into) {
  std::size_t n = std::min(into.size(), bytes_.size() - next_);
  if (n) std::memcpy(into.data(), bytes_.data() + next_, n);
  next_ += n;
  return n;
}

Status MemorySource::ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const {
  if (offset > bytes_.size() || into.size() > bytes_.size() - offset)
    return Error{Errc::kRange, "read past the end of the data"};
  if (!into.empty()) std::memcpy(into.data(), bytes_.data() + offset, into.size());
  return {};
}

Result<std::size_t> FileSource::Read(std::span<std::uint8_t> into) {
  std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - std::min(size_, next_)));
  if (want == 0) return std::size_t{0};
  BW_TRY(std::size_t n, Pread(fd_, next_, into.first(want)));
  next_ += n;
  return n;
}

Status FileSource::ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const {
  if (offset > size_ || into.size() > size_ - offset) return Error{Errc::kRange, "read past the end of the file"};
  while (!into.empty()) {
    BW_TRY(std::size_t n, Pread(fd_, offset, into));
    if (n == 0) return Error{Errc::kRange, "the file is shorter than it was"};
    offset += n;
    into = into.subspan(n);
  }
  return {};
}

Result<Bytes> ReadAll(ByteSource& source, std::uint64_t limit) {
  Bytes out;
  std::size_t used = 0;
  for (;;) {
    if (used == out.size()) out.resize(std::max<std::size_t>(16384, out.size() * 2));
    BW_TRY(std::size_t n, source.Read(std::span(out).subspan(used)));
    if (n == 0) break;
    used += n;
    if (used > limit) return Error{Errc::kLimit, "more than " + std::to_string(limit) + " bytes"};
  }
  out.resize(used);
  return out;
}

Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("write");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::string> ReadFile(const std::string& path, std::uint64_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("open " + path);
  std::string out;
  char buf[65536];
  for (;;) {
    ssize_t n = ::read(fd.get(), buf, sizeof buf);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("read " + path);
    if (n == 0) return out;
    out.append(buf, static_cast<std::size_t>(n));
    if (out.size() > limit) return Error{Errc::kLimit, path + " is larger than " + std::to_string(limit) + " bytes"};
  }
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes, unsigned mode) {
  // A name that nobody can have laid a link under before, nor left with a wider mode.
  std::array<std::uint8_t, 8> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) return ErrnoError("random bytes");
  std::string temporary = path + ".tmp." + ToHex(random);
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return ErrnoError("create " + temporary);
  auto abandon = [&](Error e) {
    ::unlink(temporary.c_str());
    return e;
  };
  if (auto r = WriteAll(fd.get(), bytes); !r) return abandon(r.error().Wrap(path));
  if (::fsync(fd.get()) != 0) return abandon(ErrnoError("sync " + temporary));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return abandon(ErrnoError("rename " + temporary));
  auto slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  UniqueFd dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || ::fsync(dir.get()) != 0) return ErrnoError("sync " + folder);
  return {};
}

}  // namespace bulwark
