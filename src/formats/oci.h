#pragma once
// OCI image manifests and indexes (image-spec 1.1, manifest.md and image-index.md), Docker schema 2 manifests and
// lists, image configs and in-toto statements. Strict: what two readers could read differently is refused
// (DESIGN 2.19).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace bulwark::formats {

inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kInTotoMediaType = "application/vnd.in-toto+json";

struct Platform {
  std::string os, architecture, variant;
  std::string str() const;  // "linux/arm64/v8"; empty if nothing is known
};

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::string artifact_type;
  bool has_urls = false;             // content may live elsewhere
  std::optional<Platform> platform;  // index children
};

enum class DocumentKind : std::uint8_t { kManifest, kIndex };

struct OciDocument {
  DocumentKind kind = DocumentKind::kManifest;
  std::string media_type;  // one of the four above
  std::string artifact_type;
  std::optional<Descriptor> config;  // manifests only, always set there
  std::vector<Descriptor> layers;
  std::vector<Descriptor> manifests;
  std::optional<Descriptor> subject;
  std::string annotations;  // a JSON object, or empty
};

// `content_type`: of the request, parameters and case ignored, empty if there was none. kInvalid: no such document,
// ambiguous, or the header and `mediaType` differ; kUnsupported: Docker schema 1; kLimit: limits::kManifestBytes,
// kManifestDescriptors.
Result<OciDocument> ParseOciDocument(std::string_view content_type, std::string_view bytes);

// Media type without parameters, in lower case: " Application/JSON; charset=utf-8" -> "application/json".
std::string NormalizeMediaType(std::string_view text);
bool IsImageConfigType(std::string_view media_type);

// What of an image config decides anything. Foreign and often odd: what cannot be read becomes a problem, never an
// error.
struct ImageConfig {
  Platform platform;
  bool has_rootfs = false;            // rootfs.diff_ids is an array: a runtime would unpack what refers to this config
  std::vector<Digest> diff_ids;       // sha256 or sha512 each
  std::vector<std::string> problems;  // one sentence each
};
ImageConfig ParseImageConfig(std::string_view bytes);

// An in-toto statement (in-toto attestation v0.1 and v1). Subjects without a sha256 or sha512 digest are left out.
struct Statement {
  std::string predicate_type;
  std::vector<Digest> subjects;
};
// kInvalid: not a statement; kLimit above limits::kStatementBytes.
Result<Statement> ParseStatement(std::string_view bytes);

}  // namespace bulwark::formats
