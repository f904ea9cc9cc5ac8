#pragma once
// An image archive as a plain file that is read back and forth.

#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark::cli {

// An archive as it is, or what a compressed one ("docker save | gzip") holds.
struct Archive {
  UniqueFd fd;
  bool is_archive = false;  // compressed, or a tar by its first header: not a single file to be looked at
};
// Inflates gzip and zstd into an unnamed temporary file, up to limits::kLayerBytes. kInvalid: no plain file; kCorrupt,
// kLimit, kIo.
Result<Archive> OpenArchive(UniqueFd fd);
// A pipe into an unnamed temporary file. kIo.
Result<UniqueFd> Spool(int pipe);

}  // namespace bulwark::cli
