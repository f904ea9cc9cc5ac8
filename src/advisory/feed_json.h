#pragma once
// Reading feeds with simdjson: they are bulk data, and no decision rests on a single key (DESIGN 2.19).

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <simdjson.h>

#include "advisory/documents.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/strings.h"

namespace bulwark::advisory {

namespace dom = simdjson::dom;

inline Error Malformed(std::string_view why) { return Error{Errc::kInvalid, std::string(why)}; }

// The document as one JSON object or array; it lives in `parser`.
inline Result<dom::element> ParseFeedJson(dom::parser& parser, std::string_view text) {
  if (text.size() > limits::kFeedDocumentBytes) return Error{Errc::kLimit, "a document is too large"};
  dom::element root;
  const auto error = parser.parse(text.data(), text.size()).get(root);
  if (error) return Malformed(fmt::format("not JSON: {}", simdjson::error_message(error)));
  return root;
}

// nullopt: absent or null. kInvalid: not a string.
inline Result<std::optional<std::string_view>> OptionalText(dom::element object, std::string_view key) {
  dom::element value;
  if (object[key].get(value) || value.is_null()) return std::optional<std::string_view>{};
  std::string_view text;
  if (value.get(text)) return Malformed(fmt::format("{} is not a string", key));
  return std::optional(text);
}

inline Result<std::string_view> RequiredText(dom::element object, std::string_view key) {
  BW_TRY(const auto text, OptionalText(object, key));
  if (!text || text->empty()) return Malformed(fmt::format("{} is missing", key));
  return *text;
}

// nullopt: absent or null. kInvalid: not an array.
inline Result<std::optional<dom::array>> OptionalArray(dom::element object, std::string_view key) {
  dom::element value;
  if (object[key].get(value) || value.is_null()) return std::optional<dom::array>{};
  dom::array array;
  if (value.get(array)) return Malformed(fmt::format("{} is not an array", key));
  return std::optional(array);
}

}  // namespace bulwark::advisory
