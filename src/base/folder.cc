#include "base/folder.h"

#include <array>
#include <cerrno>
#include <memory>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/byte_source.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/strings.h"

namespace bulwark {
namespace {

constexpr std::size_t kRandomBytes = 8;   // of a name made by RandomName
constexpr int kRaces = 16;              // openat2 gives up when something in the folder is renamed meanwhile
constexpr int kEntriesLookedAt = 10'000;  // for files that were left over

bool IsName(const std::string& name) {
  if (name.empty() || name.find('\0') != std::string::npos) return false;
  for (auto part : Split(name, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

Error LeadsAway(const std::string& name) { return {Errc::kInvalid, Printable(name, 300) + " is, or lies behind, a link that is not followed"}; }

Error OpenError(const std::string& name) {
  if (errno == ELOOP || errno == EXDEV) return LeadsAway(name);
  return ErrnoError("open " + Printable(name, 300));
}

bool IsPlain(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

Result<UniqueFd> folder_detail::OpenByWalking(int folder, const std::string& name, int flags, unsigned mode) {
  auto parts = Split(name, '/');
  UniqueFd at;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    UniqueFd next(::openat(at ? at.get() : folder, std::string(parts[i]).c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next && errno == ENOTDIR) return LeadsAway(name);  // a link, or no directory at all
    if (!next) return OpenError(name);
    at = std::move(next);
  }
  UniqueFd out(::openat(at ? at.get() : folder, std::string(parts.back()).c_str(), flags | O_NOFOLLOW, mode));
  if (!out) return OpenError(name);
  return out;
}

Result<Folder> Folder::Open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return ErrnoError("open the directory " + Printable(path, 300));
  return Folder(std::move(fd), path);
}

Result<Folder> Folder::Make(const std::string& path) {
  for (std::size_t at = 0; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST && errno != EISDIR) return ErrnoError("make the directory " + Printable(part, 300));
  }
  return Open(path);
}

Result<UniqueFd> Folder::OpenAt(const std::string& name, int flags, unsigned mode, Links links) const {
  if (!IsName(name)) return Error{Errc::kInvalid, "'" + Printable(name, 300) + "' is no name inside of a directory"};
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (links == Links::kRefuse ? RESOLVE_NO_SYMLINKS : 0);
  for (int tried = 0; tried < kRaces; ++tried) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, fd_.get(), name.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  if (errno == ENOSYS || errno == EPERM) return folder_detail::OpenByWalking(fd_.get(), name, flags | O_CLOEXEC, mode);
  return OpenError(name);
}

Result<UniqueFd> Folder::OpenPlain(const std::string& name, Links links) const {
  BW_TRY(UniqueFd fd, OpenAt(name, O_RDONLY | O_NONBLOCK, 0, links));  // a pipe must not be waited for
  if (!IsPlain(fd.get())) return Error{Errc::kInvalid, Printable(name, 300) + " is not a plain file"};
  return fd;
}

Result<std::string> Folder::Read(const std::string& name, std::uint64_t limit) const {
  BW_TRY(UniqueFd fd, OpenPlain(name));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return ErrnoError("stat " + name);
  FileSource source(fd.get(), static_cast<std::uint64_t>(info.st_size));
  auto bytes = ReadAll(source, limit);
  if (!bytes) return bytes.error().Wrap(path_ + "/" + name);
  return std::string(AsText(*bytes));
}

Result<Folder> Folder::Below(const std::string& name) const {
  BW_TRY(UniqueFd fd, OpenAt(name, O_RDONLY | O_DIRECTORY));
  return Folder(std::move(fd), path_ + "/" + name);
}

Result<Folder> Folder::MakeBelow(const std::string& name) const {
  if (!IsName(name) || name.find('/') != std::string::npos) return Error{Errc::kInvalid, "'" + Printable(name, 300) + "' is no name of a directory"};
  if (::mkdirat(fd_.get(), name.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoError("make the directory " + path_ + "/" + name);
  return Below(name);
}

Result<UniqueFd> Folder::MakeTemporary(const std::string& prefix, std::string& name) const {
  for (int tried = 0; tried < kRaces; ++tried) {
    BW_TRY(name, RandomName(prefix));
    BW_TRY(UniqueFd fd, OpenAt(name, O_RDWR | O_CREAT | O_EXCL, 0644));
    // Between the two calls another process may have taken it for one that was left over.
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) continue;
    struct stat info {};
    if (::fstat(fd.get(), &info) == 0 && info.st_nlink > 0) return fd;
  }
  return Error{Errc::kConflict, "no temporary file stays in " + path_};
}

namespace {

// As RandomName makes them: whatever else begins like that is somebody's.
bool IsRandomName(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) && name.size() == prefix.size() + 2 * kRandomBytes &&
         name.find_first_not_of("0123456789abcdef", prefix.size()) == name.npos;
}

}  // namespace

void Folder::RemoveLeft(const std::string& prefix) const {
  UniqueFd copy(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::unique_ptr<DIR, int (*)(DIR*)> entries(copy ? ::fdopendir(copy.get()) : nullptr, ::closedir);
  if (!entries) return;
  (void)copy.Release();  // closed with `entries`
  for (int i = 0; i < kEntriesLookedAt; ++i) {
    const dirent* entry = ::readdir(entries.get());
    if (!entry) return;
    const std::string name = entry->d_name;
    if (!IsRandomName(name, prefix)) continue;
    auto file = OpenPlain(name);
    if (file && ::flock(file->get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(fd_.get(), name.c_str(), 0);
  }
}

Status Folder::Replace(const std::string& name, std::string_view bytes) const {
  std::string temporary;
  BW_TRY(UniqueFd fd, MakeTemporary(".bulwark-", temporary));
  Status done = WriteAll(fd.get(), bytes);
  if (done && ::fsync(fd.get()) != 0) done = ErrnoError("sync " + path_ + "/" + name);
  if (done && ::renameat(fd_.get(), temporary.c_str(), fd_.get(), name.c_str()) != 0) done = ErrnoError("rename to " + path_ + "/" + name);
  if (!done) {
    ::unlinkat(fd_.get(), temporary.c_str(), 0);
    return done.error().Wrap("write " + path_ + "/" + name);
  }
  return Sync();
}

Status Folder::Sync() const {
  if (::fsync(fd_.get()) != 0) return ErrnoError("sync " + path_);
  return {};
}

Result<std::string> RandomName(const std::string& prefix) {
  std::array<std::uint8_t, kRandomBytes> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) return ErrnoError("random bytes");
  return prefix + ToHex(random);
}

Status LockFile(int fd, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return ErrnoError("lock");
    if (std::chrono::steady_clock::now() >= end) return {Errc::kConflict, "another process holds the lock"};
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

}  // namespace bulwark
