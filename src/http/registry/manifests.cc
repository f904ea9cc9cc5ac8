#include "http/registry/registry.h"

#include "base/limits.h"
#include "base/strings.h"
#include "http/errors.h"
#include "http/registry/parse.h"

namespace bulwark::http {
namespace {

using net::Response;

constexpr std::size_t kTagsOfOnePush = 32;
constexpr std::size_t kWarningBytes = 4000;  // of all together (distribution-spec 1.1, "Warnings": at most 4096)

Error ManifestError(Error error) {
  return error.code == Errc::kNotFound ? WithOciCode(std::move(error), "MANIFEST_UNKNOWN") : error;
}

Response Describe(const service::ManifestAnswer& manifest) {
  Response response = Response::Empty(200);
  response.Set("Content-Type", manifest.media_type);
  response.Set("Docker-Content-Digest", manifest.digest.str());
  response.Set("ETag", EntityTag(manifest.digest));
  response.Set("Cache-Control", "private, no-cache");
  return response;
}

// Accept is not looked at: bytes are served as pushed or not at all, and Content-Type says what they are.
Result<Response> GetManifest(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  BW_TRY(const auto reference, ManifestReferenceOf(call));
  const bool has_body = call.request.method != net::Method::kHead;
  const std::string_view known = call.Header("If-None-Match");
  // Only bytes that are sent are a pull (DESIGN 2.23).
  const bool pulls = has_body && known.empty();
  auto manifest = pulls ? deps.registry.GetManifest(call.caller, name, reference)
                        : deps.registry.StatManifest(call.caller, name, reference);
  if (!manifest.ok()) return ManifestError(manifest.error());
  const bool not_modified = NoneMatch(known, manifest->digest);
  if (has_body && !pulls && !not_modified) {
    manifest = deps.registry.GetManifest(call.caller, name, service::Reference(manifest->digest));
    if (!manifest.ok()) return ManifestError(manifest.error());
  }
  Response response = Describe(*manifest);
  if (not_modified) {
    response.status = 304;
    return response;
  }
  response.body = std::move(manifest->bytes);
  return response;
}

std::optional<Response> ManifestAtHand(Call& call, RegistryDeps& deps) {
  if (call.request.method != net::Method::kGet || !call.Header("If-None-Match").empty()) return std::nullopt;
  auto name = NameOf(call);
  auto reference = ManifestReferenceOf(call);
  if (!name.ok() || !reference.ok()) return std::nullopt;
  auto manifest = deps.registry.ManifestAtHand(call.caller, *name, *reference);
  if (!manifest) return std::nullopt;
  Response response = Describe(*manifest);
  response.body = std::move(manifest->bytes);
  return response;
}

// A `Warning` header is a quoted string: printable ASCII with the quote and the backslash escaped.
std::string WarningText(std::string_view text, std::size_t room) {
  std::string out = "299 - \"";
  for (char c : text) {
    if (out.size() + 3 > room) break;
    if (c == '"' || c == '\\') out += '\\';
    out += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return out + "\"";
}

void AddWarnings(Response& response, const std::vector<std::string>& warnings) {
  std::size_t room = kWarningBytes;
  for (const std::string& warning : warnings) {
    if (room < 64) return;
    std::string text = WarningText(warning, std::min<std::size_t>(room, 1000));
    room -= text.size();
    response.Add("Warning", std::move(text));
  }
}

Result<std::vector<service::TagName>> ParseTags(const Call& call, const service::Reference& reference) {
  std::vector<service::TagName> tags;
  const auto asked = call.query.All("tag");
  if (!asked.empty() && !std::holds_alternative<Digest>(reference))
    return Error{Errc::kInvalid, "NAME_INVALID: more tags can be given only with a digest"};
  if (asked.size() > kTagsOfOnePush) return Error{Errc::kLimit, "SIZE_INVALID: more than 32 tags at once"};
  for (std::string_view text : asked) {
    auto tag = service::TagName::Parse(text);
    if (!tag.ok()) return WithOciCode(tag.error(), "NAME_INVALID");
    tags.push_back(*std::move(tag));
  }
  return tags;
}

Result<Response> PutManifest(Call& call, std::string body, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  BW_TRY(const auto reference, ManifestReferenceOf(call));
  BW_TRY(const auto tags, ParseTags(call, reference));
  const std::string_view encoding = call.Header("Content-Encoding");
  if (!encoding.empty() && !EqualsIgnoreCase(encoding, "identity"))
    return ErrorResponse(415, "UNSUPPORTED", "a manifest is sent without Content-Encoding", ErrorStyle::kOci);
  auto pushed = deps.registry.PutManifest(call.caller, name, reference, call.Header("Content-Type"), std::move(body), tags);
  if (!pushed.ok()) {
    const Errc code = pushed.error().code;
    const bool malformed = code == Errc::kInvalid || code == Errc::kCorrupt;
    return malformed ? WithOciCode(pushed.error(), "MANIFEST_INVALID") : ManifestError(pushed.error());
  }
  Response response = Response::Empty(201);
  response.Set("Location", "/v2/" + name.str() + "/manifests/" + pushed->digest.str());
  response.Set("Docker-Content-Digest", pushed->digest.str());
  if (pushed->subject) response.Set("OCI-Subject", pushed->subject->str());
  for (const auto& tag : tags) response.Add("OCI-Tag", tag.str());
  AddWarnings(response, pushed->warnings);
  return response;
}

Result<Response> DeleteManifest(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  BW_TRY(const auto reference, ManifestReferenceOf(call));
  const Status deleted = deps.registry.DeleteManifest(call.caller, name, reference);
  if (deleted.ok()) return Response::Empty(202);
  if (deleted.error().code == Errc::kUnsupported) return ErrorResponse(405, "UNSUPPORTED", "deleting is switched off", ErrorStyle::kOci);
  return ManifestError(deleted.error());
}

}  // namespace

std::vector<Route> ManifestRoutes(RegistryDeps& deps) {
  using net::Method;
  return {
      {Method::kGet, "/v2/{name}/manifests/{reference}", Access::kPull, Bind(GetManifest, deps), limits::kApiBodyBytes, Lane::kCommon,
       Bind(ManifestAtHand, deps)},
      {Method::kHead, "/v2/{name}/manifests/{reference}", Access::kPull, Bind(GetManifest, deps)},
      {Method::kPut, "/v2/{name}/manifests/{reference}", Access::kPush, Bind(PutManifest, deps), limits::kManifestBytes, Lane::kSlow},
      {Method::kDelete, "/v2/{name}/manifests/{reference}", Access::kDelete, Bind(DeleteManifest, deps)},
  };
}

}  // namespace bulwark::http
