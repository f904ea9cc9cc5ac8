#pragma once
// The one strict JSON reader for everything that a decision rests on (DESIGN 2.19), on Boost.JSON's parser, and the one
// deterministic writer. Bulk data without decisions in it (feeds, lock files) may use simdjson.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"

namespace bulwark::formats {

namespace json = boost::json;

// kInvalid, with the byte offset, for: syntax, invalid UTF-8, depth above `depth`, text after the value, an object that
// repeats a key or has two keys that differ only in case (Unicode simple folding of the letters that fold to ASCII:
// U+017F, U+0131 and U+212A included), numbers that do not fit their type (1e400, 2^64). kLimit above `bytes`.
// Doubles are read exactly (nearest even); "-0" is the double -0.0, so no integer field takes it.
enum class CaseTwins : std::uint8_t {
  kRefuse,  // except directly inside the objects under "annotations", "labels" and "Labels": their keys are free text
  kAllow,   // keys are data: only exact repetitions are refused
};
struct JsonLimits {
  std::uint64_t bytes = 4 << 20;
  std::uint32_t depth = 64;
  CaseTwins case_twins = CaseTwins::kRefuse;
};
Result<json::value> ParseJson(std::string_view text, const JsonLimits& limits = {});

// Fields of an object. The optional forms give nullopt when the key is absent or its value is null (as Go's reader
// takes it); a value of another type is kInvalid naming the key. Views live as long as the object.
Result<std::string_view> JsonString(const json::object& object, std::string_view key);
Result<std::optional<std::string_view>> JsonOptionalString(const json::object& object, std::string_view key);
Result<std::uint64_t> JsonUint(const json::object& object, std::string_view key);  // a plain integer 0 .. 2^63-1
Result<std::optional<bool>> JsonOptionalBool(const json::object& object, std::string_view key);
Result<const json::array*> JsonArray(const json::object& object, std::string_view key);          // kInvalid if absent
Result<const json::array*> JsonOptionalArray(const json::object& object, std::string_view key);  // nullptr if absent
Result<const json::object*> JsonObject(const json::object& object, std::string_view key);
Result<const json::object*> JsonOptionalObject(const json::object& object, std::string_view key);  // nullptr if absent
// kInvalid naming the first key that is not in `known`; for API bodies and configuration.
Status OnlyKeys(const json::object& object, std::initializer_list<std::string_view> known);
// The key of `object` that case-folds to `known` without being it, if there is one (attacks: json-case-fold).
std::optional<std::string> CaseFoldedTwin(const json::object& object, std::string_view known);

// A JSON string literal with quotes; control characters and invalid UTF-8 escaped (U+FFFD for bytes that are none).
std::string JsonQuote(std::string_view text);

// Writes JSON in the order of the calls. Misuse (a value without a key inside an object) aborts: it is a bug.
class JsonWriter {
 public:
  enum class Layout { kCompact, kIndented };
  explicit JsonWriter(Layout layout = Layout::kCompact) : layout_(layout) {}
  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view key);
  JsonWriter& String(std::string_view value);
  JsonWriter& Int(std::int64_t value);
  JsonWriter& Uint(std::uint64_t value);
  JsonWriter& Number(double value);  // shortest text that reads back equal; not finite aborts
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  JsonWriter& Raw(std::string_view json);  // already JSON
  // Key and value in one.
  JsonWriter& Field(std::string_view key, std::string_view value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, const char* value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, const std::string& value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, bool value) { return Key(key).Bool(value); }
  JsonWriter& Field(std::string_view key, std::int64_t value) { return Key(key).Int(value); }
  JsonWriter& Field(std::string_view key, std::uint64_t value) { return Key(key).Uint(value); }
  JsonWriter& Field(std::string_view key, int value) { return Key(key).Int(value); }
  JsonWriter& Field(std::string_view key, unsigned value) { return Key(key).Uint(value); }
  std::string Take();  // the text; the writer is spent

 private:
  void BeforeValue();
  void NewLine();
  Layout layout_;
  std::string out_;
  struct Level { bool array; bool empty; };
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace bulwark::formats
