#pragma once
// Where a copy comes from or goes to, as people write it.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "remote/reference.h"

namespace bulwark::cli {

struct CopyPlace {
  std::optional<remote::ImageReference> image;  // a registry; else
  std::string path;                             // a layout or archive
  std::string tag;                              // as it was written, or "latest" for a source that names neither tag nor digest
};

// "docker://IMAGE", "oci:PATH[:TAG]", "oci-archive:PATH[:TAG]", "docker-archive:PATH" as skopeo has them. Without a scheme: what
// exists here (PATH, PATH:TAG or PATH@DIGEST), else a registry reference. kInvalid.
Result<CopyPlace> ParseCopySource(std::string_view text);
// The same without archives and without digests. Without a scheme: a path if it begins with '/' or '.' or is a directory here, else a registry
// reference with its host: a mistyped path must not become a push to Docker Hub. kInvalid.
Result<CopyPlace> ParseCopyTarget(std::string_view text);

}  // namespace bulwark::cli
