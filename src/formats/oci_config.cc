// Image configs (image-spec 1.1, config.md) and in-toto statements.

#include <array>

#include "base/limits.h"
#include "formats/json.h"
#include "formats/oci.h"

namespace bulwark::formats {
namespace {

std::string TextOr(const json::object& object, std::string_view key, std::vector<std::string>& problems) {
  auto text = JsonOptionalString(object, key);
  if (!text) {
    problems.push_back("image config: " + text.error().message);
    return {};
  }
  return std::string(text->value_or(""));
}

void NoteLookAlikes(const json::object& object, std::initializer_list<std::string_view> known,
                    std::vector<std::string>& problems) {
  for (std::string_view key : known) {
    if (auto twin = CaseFoldedTwin(object, key))
      problems.push_back("image config: key " + JsonQuote(*twin) + " looks like \"" + std::string(key) + "\"");
  }
}

void ReadRootfs(const json::object& root, ImageConfig& out) {
  const json::value* value = root.if_contains("rootfs");
  const json::object* rootfs = value ? value->if_object() : nullptr;
  if (!rootfs) return;
  NoteLookAlikes(*rootfs, {"type", "diff_ids"}, out.problems);
  const json::value* ids = rootfs->if_contains("diff_ids");
  const json::array* array = ids ? ids->if_array() : nullptr;
  if (!array) return;
  out.has_rootfs = true;
  if (array->size() > limits::kManifestDescriptors) {
    out.problems.push_back("image config: too many diff_ids");
    return;
  }
  for (const json::value& id : *array) {
    auto digest =
        id.is_string() ? Digest::Parse(std::string_view(id.get_string())) : Result<Digest>(Errc::kInvalid, "no string");
    if (!digest) {
      out.problems.push_back("image config: diff_ids holds something that is no digest");
      return;
    }
    out.diff_ids.push_back(*digest);
  }
}

// The statement's digest sets may hold algorithms we do not know; one known digest names the subject.
std::optional<Digest> SubjectDigest(const json::value& subject) {
  const json::object* object = subject.if_object();
  const json::value* digests = object ? object->if_contains("digest") : nullptr;
  const json::object* set = digests ? digests->if_object() : nullptr;
  if (!set) return std::nullopt;
  for (std::string_view algorithm : {"sha256", "sha512"}) {
    const json::value* hex = set->if_contains(algorithm);
    if (!hex || !hex->is_string()) continue;
    auto digest = Digest::Parse(std::string(algorithm) + ":" + std::string(hex->get_string()));
    if (digest) return *digest;
  }
  return std::nullopt;
}

}  // namespace

ImageConfig ParseImageConfig(std::string_view bytes) {
  ImageConfig out;
  JsonLimits json_limits;
  json_limits.bytes = limits::kConfigBytes;
  json_limits.case_twins =
      CaseTwins::kAllow;  // volumes, ports and the like are free maps; known keys are checked below
  auto value = ParseJson(bytes, json_limits);
  const json::object* root = value ? value->if_object() : nullptr;
  if (!root) {
    out.problems.push_back("image config: " + (value ? "no JSON object" : value.error().message));
    return out;
  }
  NoteLookAlikes(*root, {"architecture", "os", "variant", "rootfs", "config"}, out.problems);
  out.platform.architecture = TextOr(*root, "architecture", out.problems);
  out.platform.os = TextOr(*root, "os", out.problems);
  out.platform.variant = TextOr(*root, "variant", out.problems);
  ReadRootfs(*root, out);
  return out;
}

Result<Statement> ParseStatement(std::string_view bytes) {
  JsonLimits json_limits;
  json_limits.bytes = limits::kStatementBytes;
  json_limits.depth = limits::kJsonDepth * 4;  // predicates are other people's documents
  json_limits.case_twins = CaseTwins::kAllow;  // and their keys are free; the statement's own are checked below
  BW_TRY(json::value value, ParseJson(bytes, json_limits));
  const json::object* root = value.if_object();
  if (!root) return {Errc::kInvalid, "statement: no JSON object"};
  for (std::string_view key : {"_type", "subject", "predicateType", "predicate"}) {
    if (auto twin = CaseFoldedTwin(*root, key))
      return {Errc::kInvalid, "statement: key " + JsonQuote(*twin) + " looks like " + std::string(key)};
  }
  BW_TRY(std::string_view type, JsonString(*root, "_type"));
  if (type != "https://in-toto.io/Statement/v0.1" && type != "https://in-toto.io/Statement/v1")
    return {Errc::kInvalid, "statement: _type is not in-toto's"};
  Statement out;
  BW_TRY(std::string_view predicate, JsonString(*root, "predicateType"));
  out.predicate_type = predicate;
  BW_TRY(const json::array* subjects, JsonArray(*root, "subject"));
  if (subjects->size() > limits::kManifestDescriptors) return {Errc::kLimit, "statement: too many subjects"};
  for (const json::value& subject : *subjects) {
    if (const json::object* object = subject.if_object(); object && CaseFoldedTwin(*object, "digest"))
      return {Errc::kInvalid, "statement: a subject's key looks like digest"};
    if (auto digest = SubjectDigest(subject)) out.subjects.push_back(*digest);
  }
  return out;
}

}  // namespace bulwark::formats
