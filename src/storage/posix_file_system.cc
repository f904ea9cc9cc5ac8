#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/file_system.h"

namespace bulwark::storage {
namespace {

// A full disk is not a broken one: callers answer "try again later" (DESIGN section 8).
Error SystemError(std::string_view doing) {
  const int saved = errno;
  Error error = ErrnoError(doing);
  if (saved == ENOSPC || saved == EDQUOT) error.code = Errc::kUnavailable;
  if (saved == EEXIST) error.code = Errc::kExists;
  return error;
}

class PosixFile final : public File {
 public:
  PosixFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status WriteAt(std::uint64_t offset, ByteSpan bytes) override {
    while (!bytes.empty()) {
      ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError("write " + path_);
      offset += static_cast<std::uint64_t>(n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    while (!into.empty()) {
      ssize_t n = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError("read " + path_);
      if (n == 0) return Error{Errc::kRange, "read past the end of " + path_};
      offset += static_cast<std::uint64_t>(n);
      into = into.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

  Result<std::uint64_t> Size() const override {
    struct stat st;
    if (::fstat(fd_.get(), &st) != 0) return SystemError("stat " + path_);
    return static_cast<std::uint64_t>(st.st_size);
  }

  Status Truncate(std::uint64_t size) override {
    while (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
      if (errno != EINTR) return SystemError("truncate " + path_);
    return {};
  }

  // Never tried again after a failure: the kernel may have dropped the pages and would then report success.
  Status SyncData() override {
    if (::fdatasync(fd_.get()) != 0) return SystemError("sync " + path_);
    return {};
  }

  // Errors are kept by the kernel for SyncData: this flag alone neither waits nor consumes them (sync_file_range(2)).
  void StartSync(std::uint64_t offset, std::uint64_t size) override {
    ::sync_file_range(fd_.get(), static_cast<off64_t>(offset), static_cast<off64_t>(size), SYNC_FILE_RANGE_WRITE);
  }

  int fd() const override { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::string path_;
};

int Flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead: return O_RDONLY;
    case OpenMode::kReadWrite: return O_RDWR;
    case OpenMode::kCreate: return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew: return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

std::string Parent(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

class Posix final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    UniqueFd fd(::open(path.c_str(), Flags(mode) | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return SystemError("open " + path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), path));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return SystemError("rename " + from + " to " + to);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return SystemError("remove " + path);
    return {};
  }

  Status MakeDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) == 0) return SyncDirectory(Parent(path));
    if (errno == EEXIST) return ExistingDirectory(path);
    if (errno != ENOENT) return SystemError("make directory " + path);
    const std::string parent = Parent(path);
    if (parent == path) return SystemError("make directory " + path);
    BW_CHECK(MakeDirectory(parent));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return SystemError("make directory " + path);
    return SyncDirectory(parent);
  }

  Status SyncDirectory(const std::string& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return SystemError("sync directory " + path);
    return {};
  }

  Result<std::uint64_t> FreeBytes(const std::string& directory) const override {
    struct statvfs st;
    if (::statvfs(directory.c_str(), &st) != 0) return SystemError("free space of " + directory);
    return static_cast<std::uint64_t>(st.f_bavail) * st.f_frsize;
  }

  Status Each(const std::string& directory, const std::function<void(const std::string&)>& each) const override {
    DIR* dir = ::opendir(directory.c_str());
    if (!dir) return SystemError("list " + directory);
    errno = 0;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") each(name);
      errno = 0;
    }
    const int failed = errno;
    ::closedir(dir);
    errno = failed;
    if (failed) return SystemError("list " + directory);
    return {};
  }

 private:
  // A process that made it and lost power before syncing its parent would leave it to us: sync again, it is rare.
  Status ExistingDirectory(const std::string& path) {
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) return SystemError("stat " + path);
    if (!S_ISDIR(st.st_mode)) return Error{Errc::kConflict, path + " is there and is no directory"};
    return SyncDirectory(Parent(path));
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static Posix posix;
  return posix;
}

}  // namespace bulwark::storage
