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
  kTop,       // what was asked for
  kChild,     // reached through an index
  kReferrer,  // reached through its subject
  kAttached,  // reached through a tag that belongs to another manifest, as cosign writes them
};

struct CopiedManifest {
  FetchedManifest manifest;
  formats::OciDocument document;              // in a plan without its layers and children, which are planned themselves
  Role role = Role::kTop;
  std::string tag;                            // empty: under its digest
  std::optional<formats::Platform> platform;  // what the index says of it
};

// A blob's bytes.
struct BlobBytes {
  OpenedFile file;
  bool spooled = false;   // in the file that the target's Spool made
  bool verified = false;  // else it is the target that has to do it
};
using Spool = std::function<Result<UniqueFd>()>;

// What a source lists as referring to a manifest; claims of the other side, to be checked.
struct ReferrerList {
  std::vector<Digest> digests;
  std::vector<std::string> notes;  // sentences for a person: what could not be looked at
};

class CopySource {
 public:
  virtual ~CopySource() = default;
  // By tag or digest, verified. An empty one: the only image there is. kNotFound, kDenied with the registry's sentence.
  virtual Result<FetchedManifest> Manifest(const std::string& reference) = 0;
  // The name that what `reference` finds has here, as it is written here; empty for what is found by its digest or has none.
  virtual Result<std::string> NameOf(const std::string& reference) = 0;
  // By the API or the fallback tag. kLimit: more than `most`, or pages of them.
  virtual Result<ReferrerList> Referrers(const Digest& subject, std::uint64_t most) = 0;
  // kDigest if the bytes are not those of the descriptor.
  virtual Result<BlobBytes> Blob(const formats::Descriptor& blob, const Spool& spool, const Moved& moved) = 0;
};

class CopyTarget {
 public:
  virtual ~CopyTarget() = default;
  // What it has under a tag of its own; nullopt: nothing.
  virtual Result<std::optional<FetchedManifest>> Tagged(const std::string& tag) = 0;
  // Before the first byte moves: what can be known to fail later fails here.
  virtual Status Expect(const std::vector<CopiedManifest>& manifests) = 0;
  virtual Result<bool> HasBlob(const formats::Descriptor& blob) = 0;
  // True: it is there now, without bytes from here.
  virtual Result<bool> MountBlob(const formats::Descriptor& blob) = 0;
  virtual Result<UniqueFd> MakeSpool() = 0;
  // kDigest: `bytes` were not verified, and are others.
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
// A directory, made if it is not there. Links inside of it are not followed. What index.json lists stays; a name moves.
std::unique_ptr<CopyTarget> LayoutTarget(std::string path);
// `docker save` of one image: gets an OCI manifest made of its config and layers, which are hashed here. kNotFound: no such archive.
Result<std::unique_ptr<CopySource>> DockerArchiveSource(const ImageFiles& files);

// The fallback tag of referrers, "sha256-<hex>" (distribution-spec 1.1, "Referrers Tag Schema"); cosign adds ".sig" and others.
std::string FallbackTag(const Digest& subject);
// A descriptor of `manifest` as referrers lists have it: artifactType and annotations of the manifest. JSON.
std::string ReferrerJson(const CopiedManifest& manifest);
// Hashes `file` and compares; kDigest.
Status VerifyFile(const formats::Descriptor& blob, const OpenedFile& file);
// The same while the bytes are written to `to`.
Status CopyVerified(const formats::Descriptor& blob, const OpenedFile& from, int to, const Moved& moved);

}  // namespace bulwark::remote
