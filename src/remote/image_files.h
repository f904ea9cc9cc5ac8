#pragma once
// The named files of an image that lies on disk: an OCI layout directory, or a docker or OCI archive (a tar file).

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark::remote {

struct OpenedFile {
  UniqueFd fd;             // plain file, its bytes are exactly the named file's
  std::uint64_t size = 0;
};

class ImageFiles {
 public:
  virtual ~ImageFiles() = default;
  // kNotFound if there is no such file, kInvalid for a name that leaves the image. Any thread.
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
