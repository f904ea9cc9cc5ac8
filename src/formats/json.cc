// Strict JSON: Boost.JSON's event parser drives one pass that checks what its DOM parser lets through (repeated keys,
// keys that a case-insensitive reader would confuse, 1e400, 2^64) and builds the value (RFC 8259; DESIGN 2.19).

#include "formats/json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <fmt/format.h>

namespace bulwark::formats {
namespace {

using json::error_code;
using json::string_view;

std::string Shown(std::string_view key) { return JsonQuote(key.substr(0, 64)); }

// Lower case of what a case-insensitive reader takes for an ASCII letter (Go: unicode.SimpleFold).
std::string Fold(std::string_view key) {
  std::string out;
  out.reserve(key.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    std::string_view rest = key.substr(i);
    if (rest.starts_with("\u017f")) {  // long s
      out += 's';
      i += 1;
    } else if (rest.starts_with("\u0131")) {  // dotless i
      out += 'i';
      i += 1;
    } else if (rest.starts_with("\u212a")) {  // kelvin sign
      out += 'k';
      i += 2;
    } else {
      out += key[i] >= 'A' && key[i] <= 'Z' ? static_cast<char>(key[i] - 'A' + 'a') : key[i];
    }
  }
  return out;
}

bool KeysAreFreeText(std::string_view key) { return key == "annotations" || key == "labels" || key == "Labels"; }

// Receives the parser's events; every error of its own is left in `problem` and stops the parser.
class Handler {
 public:
  static constexpr std::size_t max_array_size = -1;
  static constexpr std::size_t max_object_size = -1;
  static constexpr std::size_t max_string_size = -1;
  static constexpr std::size_t max_key_size = -1;

  explicit Handler(CaseTwins twins) : twins_(twins) { stack_.reset(); }

  std::string problem;
  json::value Release() { return stack_.release(); }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    bool free_text = twins_ == CaseTwins::kAllow || KeysAreFreeText(under_);
    levels_.push_back({free_text, {}});
    under_.clear();
    return true;
  }
  bool on_object_end(std::size_t n, error_code&) {
    levels_.pop_back();
    stack_.push_object(n);
    return true;
  }
  bool on_array_begin(error_code&) {
    under_.clear();
    return true;
  }
  bool on_array_end(std::size_t n, error_code&) {
    stack_.push_array(n);
    return true;
  }
  bool on_key_part(string_view s, std::size_t, error_code&) {
    key_.append(s.data(), s.size());
    stack_.push_chars(s);
    return true;
  }
  bool on_key(string_view s, std::size_t, error_code& ec) {
    key_.append(s.data(), s.size());
    stack_.push_key(s);
    Level& level = levels_.back();
    auto [twin, fresh] = level.keys.emplace(level.free_text ? key_ : Fold(key_), key_);
    if (!fresh) {
      return Fail(ec, twin->second == key_ ? fmt::format("key {} is repeated", Shown(key_))
                                           : fmt::format("keys {} and {} differ only in case", Shown(twin->second),
                                                         Shown(key_)));
    }
    under_ = std::exchange(key_, {});
    return true;
  }
  bool on_string_part(string_view s, std::size_t, error_code&) {
    stack_.push_chars(s);
    return true;
  }
  bool on_string(string_view s, std::size_t, error_code&) {
    stack_.push_string(s);
    return Scalar();
  }
  bool on_number_part(string_view s, error_code&) {
    number_.append(s.data(), s.size());
    return true;
  }
  bool on_int64(std::int64_t value, string_view s, error_code&) {
    number_.append(s.data(), s.size());
    if (value == 0 && number_.starts_with('-')) {
      stack_.push_double(-0.0);
    } else {
      stack_.push_int64(value);
    }
    number_.clear();
    return Scalar();
  }
  bool on_uint64(std::uint64_t value, string_view, error_code&) {
    number_.clear();
    stack_.push_uint64(value);
    return Scalar();
  }
  bool on_double(double, string_view s, error_code& ec) {
    number_.append(s.data(), s.size());
    std::string text = std::exchange(number_, {});
    if (text.find_first_of(".eE") == std::string::npos) return Fail(ec, "an integer does not fit 64 bits");
    double exact = 0;  // Boost's own conversion may be off by a unit in the last place
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exact);
    // Too small a number is reported as out of range as well; it reads as zero.
    if (error == std::errc::result_out_of_range) exact = std::strtod(text.c_str(), nullptr);
    if (end != text.data() + text.size() || !std::isfinite(exact)) return Fail(ec, "a number does not fit a double");
    stack_.push_double(exact);
    return Scalar();
  }
  bool on_bool(bool value, error_code&) {
    stack_.push_bool(value);
    return Scalar();
  }
  bool on_null(error_code&) {
    stack_.push_null();
    return Scalar();
  }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

 private:
  struct Level {
    bool free_text;
    std::map<std::string, std::string, std::less<>> keys;  // as compared -> as written; ordered: no hash flooding
  };

  bool Scalar() {
    under_.clear();
    return true;
  }
  bool Fail(error_code& ec, std::string message) {
    problem = std::move(message);
    ec = json::error::exception;
    return false;
  }

  CaseTwins twins_;
  json::value_stack stack_;
  std::vector<Level> levels_;
  std::string key_, number_;
  std::string under_;  // the key whose value comes next
};

Error Mismatch(std::string_view key, std::string_view wanted) {
  return {Errc::kInvalid, fmt::format("{} must be {}", Shown(key), wanted)};
}

Error Missing(std::string_view key) { return {Errc::kInvalid, fmt::format("{} is missing", Shown(key))}; }

// nullptr when absent or null.
const json::value* Present(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

}  // namespace

Result<json::value> ParseJson(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    return {Errc::kLimit, fmt::format("JSON of {} bytes is larger than {}", text.size(), limits.bytes)};
  }
  json::parse_options options;
  options.max_depth = limits.depth;
  json::basic_parser<Handler> parser(options, limits.case_twins);
  error_code ec;
  std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
  if (!ec && read < text.size()) ec = json::error::extra_data;
  if (ec) {
    const std::string& problem = parser.handler().problem;
    return {Errc::kInvalid, fmt::format("JSON at byte {}: {}", read, problem.empty() ? ec.message() : problem)};
  }
  return parser.handler().Release();
}

Result<std::string_view> JsonString(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return Missing(key);
  if (!value->is_string()) return Mismatch(key, "a string");
  const json::string& text = value->get_string();
  return std::string_view(text.data(), text.size());
}

Result<std::optional<std::string_view>> JsonOptionalString(const json::object& object, std::string_view key) {
  if (Present(object, key) == nullptr) return std::optional<std::string_view>();
  BW_TRY(std::string_view text, JsonString(object, key));
  return std::optional<std::string_view>(text);
}

Result<std::uint64_t> JsonUint(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return Missing(key);
  // The parser gives int64 to every integer up to 2^63-1.
  if (!value->is_int64() || value->get_int64() < 0) return Mismatch(key, "an integer from 0 to 2^63-1");
  return static_cast<std::uint64_t>(value->get_int64());
}

Result<std::optional<bool>> JsonOptionalBool(const json::object& object, std::string_view key) {
  const json::value* value = Present(object, key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_bool()) return Mismatch(key, "true or false");
  return std::optional<bool>(value->get_bool());
}

Result<const json::array*> JsonOptionalArray(const json::object& object, std::string_view key) {
  const json::value* value = Present(object, key);
  if (value == nullptr) return static_cast<const json::array*>(nullptr);
  if (!value->is_array()) return Mismatch(key, "an array");
  return &value->get_array();
}

Result<const json::array*> JsonArray(const json::object& object, std::string_view key) {
  BW_TRY(const json::array* array, JsonOptionalArray(object, key));
  if (array == nullptr) return object.contains(key) ? Mismatch(key, "an array") : Missing(key);
  return array;
}

Result<const json::object*> JsonOptionalObject(const json::object& object, std::string_view key) {
  const json::value* value = Present(object, key);
  if (value == nullptr) return static_cast<const json::object*>(nullptr);
  if (!value->is_object()) return Mismatch(key, "an object");
  return &value->get_object();
}

Result<const json::object*> JsonObject(const json::object& object, std::string_view key) {
  BW_TRY(const json::object* found, JsonOptionalObject(object, key));
  if (found == nullptr) return object.contains(key) ? Mismatch(key, "an object") : Missing(key);
  return found;
}

Status OnlyKeys(const json::object& object, std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    std::string_view key(member.key().data(), member.key().size());
    bool found = false;
    for (std::string_view k : known) found = found || k == key;
    if (!found) return {Errc::kInvalid, fmt::format("unknown key {}", Shown(key))};
  }
  return {};
}

std::optional<std::string> CaseFoldedTwin(const json::object& object, std::string_view known) {
  std::string folded = Fold(known);
  for (const auto& member : object) {
    std::string_view key(member.key().data(), member.key().size());
    if (key != known && Fold(key) == folded) return std::string(key);
  }
  return std::nullopt;
}

}  // namespace bulwark::formats
