#pragma once
// Where bytes come from. Streams are read once, front to back; random sources can be read anywhere.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;

inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A stream. Not thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills a prefix of `into` (never empty) and returns its length; 0 means the end. May block.
  virtual Result<std::size_t> Read(std::span<std::uint8_t> into) = 0;
};

// Bytes that stay where they are. Const methods may be called from many threads.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual std::uint64_t size() const = 0;
  // Reads exactly into.size() bytes at `offset`; kRange past the end.
  virtual Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const = 0;
};

// Over memory that outlives it.
class MemorySource final : public ByteSource, public RandomSource {
 public:
  explicit MemorySource(ByteSpan bytes) : bytes_(bytes) {}
  Result<std::size_t> Read(std::span<std::uint8_t> into) override;
  std::uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const override;

 private:
  ByteSpan bytes_;
  std::size_t next_ = 0;
};

// Over an open file (pread; the descriptor's own position is not used). The descriptor outlives it.
class FileSource final : public ByteSource, public RandomSource {
 public:
  // `size`: what counts as the file's end.
  FileSource(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  Result<std::size_t> Read(std::span<std::uint8_t> into) override;
  std::uint64_t size() const override { return size_; }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const override;

 private:
  int fd_;
  std::uint64_t size_;
  std::uint64_t next_ = 0;
};

// All bytes of a stream; kLimit if there are more than `limit`.
Result<Bytes> ReadAll(ByteSource& source, std::uint64_t limit);
// All of `bytes`, at the descriptor's own position; kIo.
Status WriteAll(int fd, std::string_view bytes);
// A whole file; kNotFound, kIo, kLimit.
Result<std::string> ReadFile(const std::string& path, std::uint64_t limit);
// Writes a temporary beside `path`, syncs it, renames it over `path`, syncs the folder.
Status WriteFileAtomically(const std::string& path, std::string_view bytes, unsigned mode = 0644);

}  // namespace bulwark
