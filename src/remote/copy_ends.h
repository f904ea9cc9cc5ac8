#pragma once
// The two ends of a copy: a registry, a layout, an archive. Each thread of a copy has ends of its own.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "formats/oci.h"
#include "remote/image_files.h"
#include "remote/registry_client.h"

namespace bulwark::remote {

// What a manifest is to the copy.
enum class Role : std::uint8_t {
  kTop,       // what was asked for, or a tag that belongs to it
  kChild,     // reached through an index
  kReferrer,  // reached through its subject
};

struct CopiedManifest {
  FetchedManifest manifest;
  formats::OciDocument document;
  Role role = Role::kTop;
  std::string tag;                            // empty: under its digest
  std::optional<formats::Platform> platform;  // what the index says of it
};

// A blob's verified bytes.
struct BlobBytes {
  OpenedFile file;
  bool spooled = false;  // in the file that the target's Spool made
};
using Spool = std::function<Result<UniqueFd>()>;

class CopySource {
 public:
  virtual ~CopySource() = default;
  // By tag or digest, verified. An empty one: the only image there is. kNotFound, kDenied with the registry's sentence.
  virtual Result<FetchedManifest> Manifest(const std::string& reference) = 0;
  // What names `subject` as its subject, by the API or the fallback tag; claims of the other side, to be checked.
  virtual Result<std::vector<formats::Descriptor>> Referrers(const Digest& subject) = 0;
  // kDigest if the bytes are not those of the descriptor.
  virtual Result<BlobBytes> Blob(const formats::Descriptor& blob, const Spool& spool, const Moved& moved) = 0;
};

class CopyTarget {
 public:
  virtual ~CopyTarget() = default;
  virtual Result<bool> HasBlob(const formats::Descriptor& blob) = 0;
  // True: it is there now, without bytes from here.
  virtual Result<bool> MountBlob(const formats::Descriptor& blob) = 0;
  virtual Result<UniqueFd> MakeSpool() = 0;
  virtual Status PutBlob(const formats::Descriptor& blob, BlobBytes bytes, const Moved& moved) = 0;
  virtual Result<bool> HasManifest(const formats::Descriptor& manifest) = 0;
  // Everything it refers to is there. Returns the warning of the other side, if any.
  virtual Result<std::string> PutManifest(const CopiedManifest& manifest) = 0;
  // After the last manifest but the one that carries the tag asked for: what refers to others can be found from now on.
  virtual Status PutReferrers() = 0;
  // After everything.
  virtual Status Finish() = 0;
};

// `client` outlives it.
std::unique_ptr<CopySource> RegistrySource(RegistryClient& client, std::string host);
std::unique_ptr<CopyTarget> RegistryTarget(RegistryClient& client, bool may_mount);
// An OCI layout, as a directory or archive; `files` outlives it.
std::unique_ptr<CopySource> LayoutSource(const ImageFiles& files);
// A directory, made if it is not there; what it holds already is kept.
std::unique_ptr<CopyTarget> LayoutTarget(std::string path);
// `docker save` of one image: gets an OCI manifest made of its config and layers, which are hashed here. kNotFound: no such archive.
Result<std::unique_ptr<CopySource>> DockerArchiveSource(const ImageFiles& files);

// The fallback tag of referrers, "sha256-<hex>" (distribution-spec 1.1, "Referrers Tag Schema"); cosign adds ".sig" and others.
std::string FallbackTag(const Digest& subject);
// A descriptor of `manifest` as referrers lists have it: artifactType and annotations of the manifest. JSON.
std::string ReferrerJson(const CopiedManifest& manifest);
// Hashes `file` and compares; kDigest.
Status VerifyFile(const formats::Descriptor& blob, const OpenedFile& file);

}  // namespace bulwark::remote
