#pragma once
// Every change that storage makes to files goes through this, so that tests can fail the n-th call and simulate power
// cuts (faulty_file_system.h). SQLite reaches it by a VFS of ours. Any thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark::storage {

enum class OpenMode { kRead, kReadWrite, kCreate, kCreateNew };

// An open file.
class File {
 public:
  virtual ~File() = default;
  virtual Status WriteAt(std::uint64_t offset, ByteSpan bytes) = 0;
  virtual Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const = 0;  // kRange past the end
  virtual Result<std::uint64_t> Size() const = 0;
  virtual Status Truncate(std::uint64_t size) = 0;
  virtual Status SyncData() = 0;  // fdatasync
  // Lets the kernel begin to write this part, so that a later SyncData has less to wait for. Promises nothing.
  virtual void StartSync(std::uint64_t /*offset*/, std::uint64_t /*size*/) {}
  virtual int fd() const = 0;     // for sendfile and workers; read-only use
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;  // kNotFound
  virtual Status MakeDirectory(
      const std::string& path) = 0;  // parents included; existing is fine; entries made durable
  virtual Status SyncDirectory(const std::string& path) = 0;
  // What ordinary users may still write there.
  virtual Result<std::uint64_t> FreeBytes(const std::string& directory) const = 0;
  virtual Status Each(const std::string& directory, const std::function<void(const std::string& name)>& each) const = 0;
};

FileSystem& PosixFileSystem();  // stateless

}  // namespace bulwark::storage
