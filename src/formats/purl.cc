// Package URLs: https://github.com/package-url/purl-spec (how-to-parse, how-to-build, types). Where the specification
// and its own test suite disagree (upper-case qualifier keys, a slash after the name), the specification counts. Of the
// suite of August 2026 577 of 586 cases agree; the rest are those, and five of the draft type "git".

#include "formats/purl.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "formats/purl_types.h"

namespace bulwark::formats {
namespace {

bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsAlnum(char c) { return IsAlpha(c) || (c >= '0' && c <= '9'); }

Error Invalid(std::string_view why) { return Error{Errc::kInvalid, fmt::format("not a package URL: {}", why)}; }

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

Result<std::string> PercentDecode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? HexDigit(text[i + 1]) : std::nullopt;
    const auto low = high ? HexDigit(text[i + 2]) : std::nullopt;
    if (!low) return Invalid(fmt::format("bad escape in \"{}\"", Printable(text, 80)));
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  if (!IsUtf8(out)) return Invalid("a part is not UTF-8");
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (IsAlnum(c) || c == '.' || c == '-' || c == '_' || c == '~' || c == ':') {
      out += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string_view StripSlashes(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

enum class Dots { kKept, kDropped };

// Decodes the segments of a namespace or subpath; empty ones (and "." and ".." of a subpath) do not count. A decoded
// segment with a slash in it would be read back as two.
Result<std::string> DecodeSegments(std::string_view text, Dots dots) {
  std::string out;
  for (std::string_view part : Split(text, '/')) {
    BW_TRY(std::string segment, PercentDecode(part));
    if (segment.empty() || (dots == Dots::kDropped && (segment == "." || segment == ".."))) continue;
    if (segment.find('/') != std::string::npos) return Invalid("an escaped slash inside a segment");
    if (!out.empty()) out += '/';
    out += segment;
  }
  return out;
}

std::string EncodeSegments(std::string_view text) {
  std::string out;
  for (std::string_view segment : Split(text, '/')) {
    if (!out.empty()) out += '/';
    out += PercentEncode(segment);
  }
  return out;
}

bool IsType(std::string_view type) {
  return !type.empty() && IsAlpha(type[0]) &&
         std::all_of(type.begin(), type.end(), [](char c) { return IsAlnum(c) || c == '.' || c == '-'; });
}

bool IsQualifierKey(std::string_view key) {
  return !key.empty() && IsAlpha(key[0]) && std::all_of(key.begin(), key.end(), [](char c) {
    return IsAlnum(c) || c == '.' || c == '-' || c == '_';
  });
}

using Qualifiers = std::vector<std::pair<std::string, std::string>>;

Result<Qualifiers> ParseQualifiers(std::string_view text) {
  Qualifiers out;
  for (std::string_view pair : Split(text, '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) return Invalid("a qualifier without \"=\"");
    BW_TRY(std::string value, PercentDecode(pair.substr(equals + 1)));
    out.emplace_back(pair.substr(0, equals), std::move(value));
    if (out.size() > limits::kPurlQualifiers) return Error{Errc::kLimit, "package URL with too many qualifiers"};
  }
  return out;
}

// Lowers and sorts keys, drops empty values, refuses what is no key and keys that occur twice.
Status NormalizeQualifiers(Qualifiers& qualifiers) {
  for (auto& [key, value] : qualifiers) {
    if (!IsQualifierKey(key)) return Invalid(fmt::format("bad qualifier key \"{}\"", Printable(key, 80)));
    if (!IsUtf8(value)) return Invalid("a qualifier is not UTF-8");
    key = ToLower(key);
  }
  std::sort(qualifiers.begin(), qualifiers.end());
  for (std::size_t i = 1; i < qualifiers.size(); ++i) {
    if (qualifiers[i].first == qualifiers[i - 1].first) return Invalid("a qualifier occurs twice");
  }
  std::erase_if(qualifiers, [](const auto& q) { return q.second.empty(); });
  return {};
}

// Type, parts and what the type asks of them. From here on equal packages have equal parts.
Result<Purl> Normalize(Purl p) {
  if (!IsType(p.type)) return Invalid("the type is missing or has characters that are not allowed");
  p.type = ToLower(p.type);
  if (!IsUtf8(p.name_space) || !IsUtf8(p.name) || !IsUtf8(p.version) || !IsUtf8(p.subpath)) {
    return Invalid("a part is not UTF-8");
  }
  BW_CHECK(NormalizeQualifiers(p.qualifiers));
  p.name = std::string(StripSlashes(p.name));  // also escaped ones: they are not part of a name's ends
  BW_CHECK(ApplyTypeRules(p));
  if (p.name.empty()) return Invalid("the name is missing");
  return p;
}

// Takes `separator` and what follows its last occurrence off `text`.
std::string_view TakeAfterLast(std::string_view& text, char separator, std::size_t not_before = 0) {
  const auto at = text.rfind(separator);
  if (at == std::string_view::npos || at < not_before) return {};
  const std::string_view right = text.substr(at + 1);
  text = text.substr(0, at);
  return right;
}

std::string CleanSegments(std::string_view text, Dots dots) {
  std::string out;
  for (std::string_view segment : Split(text, '/')) {
    if (segment.empty() || (dots == Dots::kDropped && (segment == "." || segment == ".."))) continue;
    if (!out.empty()) out += '/';
    out += segment;
  }
  return out;
}

}  // namespace

Result<Purl> ParsePurl(std::string_view text) {
  if (text.size() > limits::kPurlBytes) return Error{Errc::kLimit, "package URL is too long"};
  std::string_view rest = text;
  Purl p;
  BW_TRY(p.subpath, DecodeSegments(TakeAfterLast(rest, '#'), Dots::kDropped));
  BW_TRY(p.qualifiers, ParseQualifiers(TakeAfterLast(rest, '?')));
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos || !EqualsIgnoreCase(rest.substr(0, colon), "pkg")) {
    return Invalid("it does not start with \"pkg:\"");
  }
  rest.remove_prefix(colon + 1);
  while (rest.starts_with('/')) rest.remove_prefix(1);
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return Invalid("the type or the name is missing");
  p.type = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  // An "@" before the last "/" belongs to a namespace written without escape ("pkg:npm/@babel/core").
  const auto last = rest.rfind('/');
  BW_TRY(p.version, PercentDecode(TakeAfterLast(rest, '@', last == std::string_view::npos ? 0 : last + 1)));
  rest = StripSlashes(rest);
  const auto name_at = rest.rfind('/');
  BW_TRY(p.name, PercentDecode(name_at == std::string_view::npos ? rest : rest.substr(name_at + 1)));
  if (name_at != std::string_view::npos) {
    BW_TRY(p.name_space, DecodeSegments(rest.substr(0, name_at), Dots::kKept));
  }
  return Normalize(std::move(p));
}

Result<std::string> BuildPurl(Purl parts) {
  parts.name_space = CleanSegments(parts.name_space, Dots::kKept);
  parts.subpath = CleanSegments(parts.subpath, Dots::kDropped);
  BW_TRY(const Purl p, Normalize(std::move(parts)));
  std::string out = "pkg:" + p.type + "/";
  if (!p.name_space.empty()) out += EncodeSegments(p.name_space) + "/";
  out += PercentEncode(p.name);
  if (!p.version.empty()) out += "@" + PercentEncode(p.version);
  char separator = '?';
  for (const auto& [key, value] : p.qualifiers) {
    out += separator + key + "=" + PercentEncode(value);
    separator = '&';
  }
  if (!p.subpath.empty()) out += "#" + EncodeSegments(p.subpath);
  if (out.size() > limits::kPurlBytes) return Error{Errc::kLimit, "package URL is too long"};
  return out;
}

}  // namespace bulwark::formats
