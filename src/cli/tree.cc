#include "cli/tree.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "catalog/cataloger.h"

namespace bulwark::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr int kDepth = 200;

// Writes ustar entries; names and links that do not fit become GNU 'L' and 'K' entries.
class TarWriter {
 public:
  explicit TarWriter(int fd) : fd_(fd) { buffer_.reserve(kFlush * 2); }

  Status Add(char type, const std::string& name, const std::string& link, unsigned mode, std::uint64_t size) {
    if (link.size() > 100) BW_CHECK(AddLong('K', link));
    if (name.size() > 100) BW_CHECK(AddLong('L', name));
    return Header(type, name, link, mode, size);
  }
  Status Data(ByteSpan bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return buffer_.size() >= kFlush ? Flush() : Status();
  }
  Status Pad(std::uint64_t size) {
    buffer_.resize(buffer_.size() + (kBlock - size % kBlock) % kBlock);
    return {};
  }
  Result<std::uint64_t> Finish() {
    buffer_.resize(buffer_.size() + 2 * kBlock);
    BW_CHECK(Flush());
    return written_;
  }

 private:
  static constexpr std::size_t kFlush = 1 << 20;

  Status AddLong(char type, const std::string& text) {
    BW_CHECK(Header(type, "././@LongLink", "", 0, text.size() + 1));
    BW_CHECK(Data(AsBytes(std::string_view(text.c_str(), text.size() + 1))));
    return Pad(text.size() + 1);
  }

  Status Header(char type, const std::string& name, const std::string& link, unsigned mode, std::uint64_t size) {
    char block[kBlock] = {};
    std::memcpy(block, name.data(), std::min<std::size_t>(name.size(), 100));
    std::snprintf(block + 100, 8, "%07o", mode & 07777);
    std::snprintf(block + 108, 8, "%07o", 0);
    std::snprintf(block + 116, 8, "%07o", 0);
    std::snprintf(block + 124, 12, "%011llo", static_cast<unsigned long long>(size));
    std::snprintf(block + 136, 12, "%011o", 0);
    std::memset(block + 148, ' ', 8);
    block[156] = type;
    std::memcpy(block + 157, link.data(), std::min<std::size_t>(link.size(), 100));
    std::memcpy(block + 257, "ustar  ", 8);
    unsigned sum = 0;
    for (char c : block) sum += static_cast<unsigned char>(c);
    std::snprintf(block + 148, 8, "%06o", sum);
    return Data(AsBytes(std::string_view(block, kBlock)));
  }

  Status Flush() {
    for (std::size_t done = 0; done < buffer_.size();) {
      ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoError("write a temporary file");
      done += static_cast<std::size_t>(n);
    }
    written_ += buffer_.size();
    buffer_.clear();
    return {};
  }

  int fd_;
  Bytes buffer_;
  std::uint64_t written_ = 0;
};

bool Wanted(const std::string& path, unsigned mode) {
  for (const auto& cataloger : catalog::Catalogers())
    if (cataloger.wants(path, mode)) return true;
  return false;
}

class Packer {
 public:
  Packer(TarWriter& out, dev_t device) : out_(out), device_(device) {}

  Status Directory(UniqueFd fd, const std::string& prefix, int depth) {
    if (depth > kDepth) return Error{Errc::kLimit, prefix + " is nested deeper than " + std::to_string(kDepth) + " directories"};
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), ::closedir);
    if (!dir) return ErrnoError("list " + prefix);
    int handle = fd.Release();  // closedir closes it
    std::vector<std::string> names;
    while (dirent* entry = ::readdir(dir.get()))
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) names.emplace_back(entry->d_name);
    for (const auto& name : names) BW_CHECK(Entry(handle, name, prefix.empty() ? name : prefix + "/" + name, depth));
    return {};
  }

  Status File(int fd, const std::string& path, unsigned mode, std::uint64_t size) {
    BW_CHECK(out_.Add('0', path, "", mode, size));
    FileSource source(fd, size);
    Bytes buffer(1 << 16);
    for (std::uint64_t done = 0; done < size;) {
      BW_TRY(std::size_t n, source.Read(buffer));
      if (n == 0) return Error{Errc::kIo, path + " changed while it was read"};
      BW_CHECK(out_.Data(ByteSpan(buffer).first(n)));
      done += n;
    }
    return out_.Pad(size);
  }

 private:
  Status Entry(int parent, const std::string& name, const std::string& path, int depth) {
    struct stat info {};
    if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return ErrnoError("stat " + path);
    if (++entries_ > limits::kLayerEntries) return Error{Errc::kLimit, "more than " + std::to_string(limits::kLayerEntries) + " files"};
    if (S_ISLNK(info.st_mode)) {
      std::string link(4096, '\0');
      ssize_t n = ::readlinkat(parent, name.c_str(), link.data(), link.size());
      if (n < 0) return ErrnoError("read link " + path);
      link.resize(static_cast<std::size_t>(n));
      return out_.Add('2', path, link, info.st_mode, 0);
    }
    if (S_ISDIR(info.st_mode)) {
      BW_CHECK(out_.Add('5', path + "/", "", info.st_mode, 0));
      if (info.st_dev != device_) return {};  // another file system: /proc, /sys, a volume
      UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!fd) return ErrnoError("open " + path);
      return Directory(std::move(fd), path, depth + 1);
    }
    if (!S_ISREG(info.st_mode)) return {};
    if (!Wanted(path, info.st_mode & 07777)) return out_.Add('0', path, "", info.st_mode, 0);
    UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return ErrnoError("open " + path);
    return File(fd.get(), path, info.st_mode, static_cast<std::uint64_t>(info.st_size));
  }

  TarWriter& out_;
  dev_t device_;
  std::uint64_t entries_ = 0;
};

}  // namespace

Result<remote::OpenedFile> PackTree(const std::string& root) {
  UniqueFd dir(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return ErrnoError("open " + root);
  struct stat info {};
  if (::fstat(dir.get(), &info) != 0) return ErrnoError("stat " + root);
  remote::OpenedFile out;
  BW_TRY(out.fd, remote::TemporaryFile());
  TarWriter tar(out.fd.get());
  BW_CHECK(Packer(tar, info.st_dev).Directory(std::move(dir), "", 0));
  BW_TRY(out.size, tar.Finish());
  return out;
}

Result<remote::OpenedFile> PackFile(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("open " + path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return ErrnoError("stat " + path);
  if (!S_ISREG(info.st_mode)) return Error{Errc::kInvalid, path + " is neither a plain file nor a directory"};
  remote::OpenedFile out;
  BW_TRY(out.fd, remote::TemporaryFile());
  TarWriter tar(out.fd.get());
  std::string name = path.substr(path.rfind('/') + 1);
  BW_CHECK(Packer(tar, info.st_dev).File(fd.get(), name, 0755, static_cast<std::uint64_t>(info.st_size)));
  BW_TRY(out.size, tar.Finish());
  return out;
}

}  // namespace bulwark::cli
