// JSON Schema of bulwark.yaml from the table of keys.

#include "base/strings.h"
#include "config/keys.h"
#include "formats/json.h"

namespace bulwark::config {
namespace {

using formats::JsonWriter;

void WriteCount(JsonWriter& out, const Key& key) {
  std::size_t dots = key.range.find("..");
  out.Field("type", "integer");
  out.Field("minimum", *ParseUint(key.range.substr(0, dots))).Field("maximum", *ParseUint(key.range.substr(dots + 2)));
  if (!key.fallback.empty()) out.Field("default", *ParseUint(key.fallback));
}

void WriteKey(JsonWriter& out, const Key& key) {
  out.BeginObject().Field("description", key.about);
  switch (key.type) {
    case KeyType::kCount: WriteCount(out, key); break;
    case KeyType::kPolicies:
      out.Field("type", "array").Key("items").BeginObject().Field("type", "object").Key("required");
      out.BeginArray().String("policy").EndArray().EndObject();
      break;
    case KeyType::kTexts:
      out.Field("type", "array").Field("minItems", 1).Field("maxItems", 32);
      out.Key("items").BeginObject().Field("type", "string").Field("minLength", 1).EndObject();
      break;
    case KeyType::kDuration: out.Field("type", "string").Field("pattern", "^[0-9]+[smhd]$"); break;
    case KeyType::kChoice:
      out.Key("enum").BeginArray();
      for (std::string_view word : Split(key.range, '|')) out.String(word);
      out.EndArray();
      break;
    case KeyType::kText:
    case KeyType::kPath: out.Field("type", "string").Field("minLength", 1); break;
  }
  if (key.type != KeyType::kCount && !key.fallback.empty()) out.Field("default", key.fallback);
  out.EndObject();
}

// The object with the keys that begin with `prefix`; one property for each next part, in the order of the table.
void WriteObject(JsonWriter& out, const std::string& prefix) {
  out.Field("type", "object").Field("additionalProperties", false).Key("properties").BeginObject();
  std::string_view last;
  for (const Key& key : Keys()) {
    if (!key.path.starts_with(prefix)) continue;
    std::string_view rest = key.path.substr(prefix.size());
    std::string_view part = rest.substr(0, rest.find_first_of(".["));
    if (part == last) continue;  // the keys of one object stand together
    last = part;
    out.Key(part);
    if (part == rest) {
      WriteKey(out, key);
      continue;
    }
    bool list = rest[part.size()] == '[';
    out.BeginObject();
    if (list) out.Field("type", "array").Field("minItems", 1).Field("maxItems", 64).Key("items").BeginObject();
    WriteObject(out, prefix + std::string(part) + (list ? "[]." : "."));
    if (list) out.EndObject();
    out.EndObject();
  }
  out.EndObject();
}

}  // namespace

std::string ConfigSchema() {
  JsonWriter out(JsonWriter::Layout::kIndented);
  out.BeginObject().Field("$schema", "https://json-schema.org/draft/2020-12/schema").Field("title", "bulwark.yaml");
  out.Field("description", "Made from src/config/keys.cc; a test keeps both together.");
  WriteObject(out, "");
  out.EndObject();
  return out.Take() + "\n";
}

}  // namespace bulwark::config
