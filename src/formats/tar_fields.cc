#include "formats/tar_fields.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace bulwark::formats::tar {
namespace {

bool IsBlank(std::uint8_t c) { return c == ' ' || c == 0; }

std::optional<std::int64_t> Base256(std::span<const std::uint8_t> field) {
  std::uint8_t invert = field[0] & 0x40 ? 0xff : 0;
  std::uint64_t x = 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    std::uint8_t c = field[i] ^ invert;
    if (i == 0) c &= 0x7f;
    if (x >> 56) return std::nullopt;
    x = x << 8 | c;
  }
  if (x >> 63) return std::nullopt;
  return static_cast<std::int64_t>(invert ? ~x : x);
}

}  // namespace

std::string_view FieldText(std::span<const std::uint8_t> field) {
  auto end = std::find(field.begin(), field.end(), 0);
  return {reinterpret_cast<const char*>(field.data()), static_cast<std::size_t>(end - field.begin())};
}

std::optional<std::int64_t> FieldOctal(std::span<const std::uint8_t> field) {
  while (!field.empty() && IsBlank(field.front())) field = field.subspan(1);
  while (!field.empty() && IsBlank(field.back())) field = field.first(field.size() - 1);
  if (field.empty()) return 0;
  std::string_view digits = FieldText(field);
  std::uint64_t x = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), x, 8);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return static_cast<std::int64_t>(x);  // negative above 63 bits, which callers refuse as Go does
}

std::optional<std::int64_t> FieldNumber(std::span<const std::uint8_t> field) {
  return !field.empty() && field[0] & 0x80 ? Base256(field) : FieldOctal(field);
}

std::optional<std::int64_t> Decimal(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  std::int64_t x = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x, 10);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return x;
}

bool IsPaxTime(std::string_view text) {
  std::size_t dot = text.find('.');
  if (!Decimal(text.substr(0, dot))) return false;
  if (dot == std::string_view::npos) return true;
  return text.find_first_not_of("0123456789", dot + 1) == std::string_view::npos;
}

std::optional<PaxRecord> TakePaxRecord(std::string_view& text) {
  std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto length = Decimal(text.substr(0, space));
  if (!length || *length < 5 || static_cast<std::uint64_t>(*length) > text.size()) return std::nullopt;
  auto end = static_cast<std::size_t>(*length);
  if (end <= space + 1 || text[end - 1] != '\n') return std::nullopt;
  std::string_view record = text.substr(space + 1, end - space - 2);
  std::size_t equals = record.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  PaxRecord out{record.substr(0, equals), record.substr(equals + 1)};
  bool is_text = out.key == "path" || out.key == "linkpath" || out.key == "uname" || out.key == "gname";
  if ((is_text ? out.value : out.key).find('\0') != std::string_view::npos) return std::nullopt;
  text.remove_prefix(end);
  return out;
}

bool ChecksumFits(std::span<const std::uint8_t, 512> block) {
  auto want = FieldOctal(block.subspan(148, 8));
  std::int64_t as_unsigned = 0, as_signed = 0;
  for (std::size_t i = 0; i < 512; ++i) {
    std::uint8_t c = i >= 148 && i < 156 ? ' ' : block[i];
    as_unsigned += c;
    as_signed += static_cast<std::int8_t>(c);
  }
  return want && (*want == as_unsigned || *want == as_signed);
}

Dialect DialectOf(std::span<const std::uint8_t, 512> block) {
  const char* magic = reinterpret_cast<const char*>(block.data()) + 257;
  if (std::memcmp(magic, "ustar\0", 6) == 0)
    return std::memcmp(block.data() + 508, "tar\0", 4) == 0 ? Dialect::kStar : Dialect::kUstar;
  return std::memcmp(magic, "ustar  \0", 8) == 0 ? Dialect::kGnu : Dialect::kV7;
}

}  // namespace bulwark::formats::tar
