// One strict pass: parse, refuse keys that another reader would take for a known one, decide what the document is from
// header, `mediaType` and structure together, then read descriptors.

#include "formats/oci.h"

#include <array>
#include <initializer_list>
#include <span>

#include <boost/json/serialize.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "formats/json.h"

namespace bulwark::formats {
namespace {

constexpr std::string_view kSchema1[] = {"application/vnd.docker.distribution.manifest.v1+json",
                                         "application/vnd.docker.distribution.manifest.v1+prettyjws",
                                         "application/vnd.docker.container.image.v1+prettyjws"};

constexpr std::array kDocumentKeys = {"schemaVersion", "mediaType",    "config",      "layers",   "manifests",
                                      "subject",       "artifactType", "annotations", "fsLayers", "signatures"};
constexpr std::array kDescriptorKeys = {"mediaType",   "digest", "size",         "urls",
                                        "annotations", "data",   "artifactType", "platform"};
constexpr std::array kPlatformKeys = {"architecture", "os", "os.version", "os.features", "variant", "features"};

// A reader that matches keys without case would take such a key for a known one (attacks: json-case-fold).
Status RefuseLookAlikes(const json::object& object, std::span<const char* const> known, std::string_view where) {
  for (std::string_view key : known) {
    if (auto twin = CaseFoldedTwin(object, key))
      return {Errc::kInvalid,
              std::string(where) + ": key " + JsonQuote(*twin) + " looks like \"" + std::string(key) + "\""};
  }
  return {};
}

Result<std::string> Annotations(const json::object& object, std::string_view where) {
  BW_TRY(const json::object* map, JsonOptionalObject(object, "annotations"));
  if (!map) return std::string();
  for (const auto& [key, value] : *map) {
    if (!value.is_string())
      return {Errc::kInvalid, std::string(where) + ": annotation " + JsonQuote(key) + " is no string"};
  }
  return json::serialize(*map);
}

Result<std::string> OptionalText(const json::object& object, std::string_view key) {
  BW_TRY(auto text, JsonOptionalString(object, key));
  return std::string(text.value_or(""));
}

Result<Platform> ReadPlatform(const json::object& object) {
  BW_CHECK(RefuseLookAlikes(object, kPlatformKeys, "platform"));
  Platform platform;
  BW_TRY(platform.os, OptionalText(object, "os"));
  BW_TRY(platform.architecture, OptionalText(object, "architecture"));
  BW_TRY(platform.variant, OptionalText(object, "variant"));
  return platform;
}

Result<bool> HasUrls(const json::object& object) {
  BW_TRY(const json::array* urls, JsonOptionalArray(object, "urls"));
  if (!urls) return false;
  for (const json::value& url : *urls) {
    if (!url.is_string()) return {Errc::kInvalid, "urls: an element is no string"};
  }
  return !urls->empty();
}

Status CheckInlineData(const json::object& object, std::uint64_t size) {
  BW_TRY(auto data, JsonOptionalString(object, "data"));
  if (!data) return {};
  auto decoded = Base64Decode(*data);
  if (!decoded || decoded->size() != size) return {Errc::kInvalid, "data: not base64 of `size` bytes"};
  return {};
}

Result<Descriptor> ReadDescriptor(const json::value& value) {
  const json::object* object = value.if_object();
  if (!object) return {Errc::kInvalid, "not an object"};
  BW_CHECK(RefuseLookAlikes(*object, kDescriptorKeys, "descriptor"));
  Descriptor out;
  BW_TRY(std::string_view media_type, JsonString(*object, "mediaType"));
  out.media_type = NormalizeMediaType(media_type);
  if (out.media_type.empty()) return {Errc::kInvalid, "mediaType is empty"};
  BW_TRY(std::string_view digest, JsonString(*object, "digest"));
  BW_TRY(out.digest, Digest::Parse(digest));
  BW_TRY(out.size, JsonUint(*object, "size"));
  BW_TRY(out.artifact_type, OptionalText(*object, "artifactType"));
  BW_TRY(out.has_urls, HasUrls(*object));
  BW_CHECK(Annotations(*object, "descriptor"));
  BW_CHECK(CheckInlineData(*object, out.size));
  BW_TRY(const json::object* platform, JsonOptionalObject(*object, "platform"));
  if (platform) { BW_TRY(out.platform, ReadPlatform(*platform)); }
  return out;
}

Result<Descriptor> ReadDescriptorAt(const json::value& value, std::string_view where) {
  auto descriptor = ReadDescriptor(value);
  if (!descriptor) return descriptor.error().Wrap(where);
  return descriptor;
}

Result<std::vector<Descriptor>> ReadDescriptors(const json::object& object, std::string_view key) {
  BW_TRY(const json::array* array, JsonArray(object, key));
  if (array->size() > limits::kManifestDescriptors)
    return {Errc::kLimit,
            std::string(key) + ": more than " + std::to_string(limits::kManifestDescriptors) + " descriptors"};
  std::vector<Descriptor> out;
  out.reserve(array->size());
  for (const json::value& value : *array) {
    BW_TRY(Descriptor descriptor, ReadDescriptorAt(value, std::string(key) + "[" + std::to_string(out.size()) + "]"));
    out.push_back(std::move(descriptor));
  }
  return out;
}

bool IsSchema1(std::string_view type) {
  for (std::string_view known : kSchema1) {
    if (type == known) return true;
  }
  return false;
}

std::optional<DocumentKind> KindOf(std::string_view type) {
  if (type == kOciManifest || type == kDockerManifest) return DocumentKind::kManifest;
  if (type == kOciIndex || type == kDockerList) return DocumentKind::kIndex;
  return std::nullopt;
}

// Header and field must agree; one alone decides (attacks: media-type-mismatch).
Result<std::string> DecideMediaType(std::string_view content_type, const json::object& root) {
  BW_TRY(auto field, JsonOptionalString(root, "mediaType"));
  std::string header = NormalizeMediaType(content_type), inside = NormalizeMediaType(field.value_or(""));
  if (field && inside.empty()) return {Errc::kInvalid, "mediaType is empty"};
  if (IsSchema1(header) || IsSchema1(inside))
    return {Errc::kUnsupported, "Docker manifest schema 1 is not supported: push schema 2 or OCI"};
  if (header.empty() && inside.empty())
    return {Errc::kInvalid, "neither a Content-Type nor a mediaType says what this document is"};
  if (!header.empty() && !inside.empty() && header != inside)
    return {Errc::kInvalid, "Content-Type " + Printable(header, 128) + " but mediaType " + Printable(inside, 128)};
  std::string type = header.empty() ? inside : header;
  if (!KindOf(type)) return {Errc::kInvalid, "media type " + Printable(type, 128) + " is no manifest or index"};
  return type;
}

// A document that could be taken for both kinds is refused whatever its type says (CVE-2021-41190).
Status CheckStructure(const json::object& root, DocumentKind kind) {
  for (std::string_view foreign : {"fsLayers", "signatures"}) {
    if (root.contains(foreign))
      return {Errc::kInvalid, "key \"" + std::string(foreign) + "\" belongs to another kind of document"};
  }
  bool index_keys = root.contains("manifests");
  bool manifest_keys = root.contains("layers") || root.contains("config");
  if (kind == DocumentKind::kManifest ? index_keys : manifest_keys)
    return {Errc::kInvalid,
            "a manifest has `config` and `layers`, an index has `manifests`: this document is ambiguous"};
  return {};
}

Status CheckVersion(const json::object& root) {
  BW_TRY(std::uint64_t version, JsonUint(root, "schemaVersion"));
  if (version == 1) return {Errc::kUnsupported, "Docker manifest schema 1 is not supported: push schema 2 or OCI"};
  if (version != 2) return {Errc::kInvalid, "schemaVersion is not 2"};
  return {};
}

Status ReadBody(const json::object& root, OciDocument& out) {
  if (out.kind == DocumentKind::kIndex) {
    BW_TRY(out.manifests, ReadDescriptors(root, "manifests"));
  } else {
    const json::value* config = root.if_contains("config");
    if (!config) return {Errc::kInvalid, "config is missing"};
    BW_TRY(out.config, ReadDescriptorAt(*config, "config"));
    BW_TRY(out.layers, ReadDescriptors(root, "layers"));
  }
  const json::value* subject = root.if_contains("subject");
  if (subject && !subject->is_null()) { BW_TRY(out.subject, ReadDescriptorAt(*subject, "subject")); }
  BW_TRY(out.artifact_type, OptionalText(root, "artifactType"));
  BW_TRY(out.annotations, Annotations(root, "manifest"));
  return {};
}

}  // namespace

std::string Platform::str() const {
  if (os.empty() && architecture.empty()) return {};
  std::string out = os + "/" + architecture;
  if (!variant.empty()) out += "/" + variant;
  return out;
}

std::string NormalizeMediaType(std::string_view text) { return ToLower(Trim(text.substr(0, text.find(';')))); }

bool IsImageConfigType(std::string_view media_type) { return media_type == kOciConfig || media_type == kDockerConfig; }

Result<OciDocument> ParseOciDocument(std::string_view content_type, std::string_view bytes) {
  JsonLimits json_limits;
  json_limits.bytes = limits::kManifestBytes;
  json_limits.depth = limits::kJsonDepth;
  BW_TRY(json::value value, ParseJson(bytes, json_limits));
  const json::object* root = value.if_object();
  if (!root) return {Errc::kInvalid, "the document is no JSON object"};
  BW_CHECK(RefuseLookAlikes(*root, kDocumentKeys, "manifest"));
  OciDocument out;
  BW_CHECK(CheckVersion(*root));
  BW_TRY(out.media_type, DecideMediaType(content_type, *root));
  out.kind = *KindOf(out.media_type);
  BW_CHECK(CheckStructure(*root, out.kind));
  BW_CHECK(ReadBody(*root, out));
  return out;
}

}  // namespace bulwark::formats
