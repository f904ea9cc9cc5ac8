// bulwark purl parse, bulwark purl build

#include <boost/json/object.hpp>

#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"
#include "formats/purl.h"

namespace bulwark::cli {
namespace {

std::string ToJson(const formats::Purl& purl) {
  formats::JsonWriter out(formats::JsonWriter::Layout::kIndented);
  auto optional = [&](std::string_view key, const std::string& value) { value.empty() ? out.Key(key).Null() : out.Key(key).String(value); };
  out.BeginObject().Field("type", purl.type);
  optional("namespace", purl.name_space);
  out.Field("name", purl.name);
  optional("version", purl.version);
  out.Key("qualifiers").BeginObject();
  for (const auto& [key, value] : purl.qualifiers) out.Field(key, value);
  out.EndObject();
  optional("subpath", purl.subpath);
  return out.EndObject().Take() + "\n";
}

// A field that is absent or null is empty.
Result<std::string> Part(const formats::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (!value || value->is_null()) return std::string();
  if (!value->is_string()) return Error{Errc::kInvalid, std::string(key) + " is not text"};
  return std::string(value->as_string());
}

Result<formats::Purl> FromJson(std::string_view text) {
  BW_TRY(auto value, formats::ParseJson(text));
  const auto* object = value.if_object();
  if (!object) return Error{Errc::kInvalid, "the parts are not a JSON object"};
  BW_CHECK(formats::OnlyKeys(*object, {"type", "namespace", "name", "version", "qualifiers", "subpath"}));
  formats::Purl out;
  BW_TRY(out.type, Part(*object, "type"));
  BW_TRY(out.name_space, Part(*object, "namespace"));
  BW_TRY(out.name, Part(*object, "name"));
  BW_TRY(out.version, Part(*object, "version"));
  BW_TRY(out.subpath, Part(*object, "subpath"));
  const auto* qualifiers = object->if_contains("qualifiers");
  if (!qualifiers || qualifiers->is_null()) return out;
  if (!qualifiers->is_object()) return Error{Errc::kInvalid, "qualifiers is not an object"};
  for (const auto& [key, entry] : qualifiers->get_object()) {
    if (!entry.is_string()) return Error{Errc::kInvalid, "a qualifier is not text"};
    out.qualifiers.emplace_back(key, entry.get_string());
  }
  return out;
}

Result<std::string> Answer(const PurlArguments& a) {
  if (a.verb == PurlArguments::Verb::kParse) {
    BW_TRY(auto purl, formats::ParsePurl(a.text));
    return ToJson(purl);
  }
  BW_TRY(auto parts, FromJson(a.text));
  BW_TRY(auto text, formats::BuildPurl(std::move(parts)));
  return text + "\n";
}

}  // namespace

int RunPurl(const PurlArguments& a) {
  auto answer = Answer(a);
  if (!answer) return FailUsage(answer.error());
  auto written = WriteOutput("", *answer);
  return written ? kPass : Fail(written.error());
}

}  // namespace bulwark::cli
