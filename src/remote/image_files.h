#pragma once
// The named files of an image that lies on disk: an OCI layout directory, or a docker or OCI archive (a tar file).

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/byte_source.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark::remote {

struct OpenedFile {
  UniqueFd fd;             // plain file, its bytes are exactly the named file's
  std::uint64_t size = 0;
};

// Where the bytes of a named file lie: in a file of their own, or inside of the archive.
struct FilePart {
  UniqueFd own;            // of a file of its own
  int fd = -1;
  std::uint64_t offset = 0, size = 0;
  // kIo. The same for all names of one file: what was read under one need not be read under another.
  Result<std::string> Identity() const;
  // All bytes in order, without a copy of them; the sink's error.
  Status Stream(const std::function<Status(ByteSpan)>& sink) const;
};

class ImageFiles {
 public:
  virtual ~ImageFiles() = default;
  // kNotFound if there is no such file, kInvalid for a name that leaves the image. Any thread; lives as long as this object.
  virtual Result<FilePart> Find(const std::string& name) const = 0;
  // The same as a file by itself: of an archive, a copy.
  Result<OpenedFile> Open(const std::string& name) const { return Open(name, UINT64_MAX); }
  // kLimit for a file of more than `most` bytes, before any of them is copied.
  virtual Result<OpenedFile> Open(const std::string& name, std::uint64_t most) const = 0;
  // A whole small file; kLimit above `limit`.
  Result<std::string> Read(const std::string& name, std::uint64_t limit) const;
};

std::unique_ptr<ImageFiles> DirectoryFiles(const std::string& path);
// Walks the archive once; later files of the same name win. Members are copied to unnamed temporary files when opened.
Result<std::unique_ptr<ImageFiles>> ArchiveFiles(UniqueFd archive);

// An unnamed temporary file in $TMPDIR (or /var/tmp).
Result<UniqueFd> TemporaryFile();

}  // namespace bulwark::remote
