#pragma once
// Finds the image in an OCI layout (image-spec image-layout.md) or a docker archive (`docker save`).

#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "formats/oci.h"
#include "remote/image_files.h"
#include "remote/registry_client.h"

namespace bulwark::remote {

struct LocalLayer {
  std::string file;                  // name in ImageFiles
  std::optional<Digest> digest;      // nullopt in docker archives: they do not name it
};

struct LocalImage {
  std::optional<FetchedManifest> manifest;  // nullopt in docker archives
  std::string name;                  // tag or file name that the archive states; may be empty
  std::string config;                // bytes
  Digest config_digest;
  std::vector<LocalLayer> layers;
};

// Which manifest of an index: the platform asked for, else linux on this machine's architecture, else the only runnable one.
// kInvalid listing what there is.
Result<formats::Descriptor> ChoosePlatform(const std::vector<formats::Descriptor>& manifests, const std::string& platform);

// `name`: that or the digest of a layout's entry, the tag of a docker archive; empty for the only image there is.
// Digests of manifest and config are verified (kDigest); those of layers are the caller's to check.
Result<LocalImage> FindImage(const ImageFiles& files, const std::string& name, const std::string& platform);
// The top document of a layout as it would be pushed: an index or a manifest. kNotFound in docker archives.
Result<FetchedManifest> TopManifest(const ImageFiles& files, const std::string& name);

// "blobs/sha256/<hex>".
std::string BlobFile(const Digest& digest);

}  // namespace bulwark::remote
