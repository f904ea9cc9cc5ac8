#pragma once
// Numbers and records inside tar headers, read as Go's archive/tar (strconv.go) reads them. For tar.cc and its tests.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace bulwark::formats::tar {

// Up to the first NUL.
std::string_view FieldText(std::span<const std::uint8_t> field);
// Octal with NULs and blanks around it (blank is 0), or base-256 two's complement. nullopt: malformed or above 63 bits.
std::optional<std::int64_t> FieldNumber(std::span<const std::uint8_t> field);
std::optional<std::int64_t> FieldOctal(std::span<const std::uint8_t> field);
// Decimal with an optional sign, whole text.
std::optional<std::int64_t> Decimal(std::string_view text);
// "seconds" or "seconds.fraction".
bool IsPaxTime(std::string_view text);

struct PaxRecord {
  std::string_view key, value;
};
// Takes one "length key=value\n" record off the front of `text`. nullopt if it is malformed.
std::optional<PaxRecord> TakePaxRecord(std::string_view& text);

// Does the checksum field hold the sum of the block's bytes, taken as unsigned or as signed?
bool ChecksumFits(std::span<const std::uint8_t, 512> block);

enum class Dialect { kV7, kUstar, kStar, kGnu };
Dialect DialectOf(std::span<const std::uint8_t, 512> block);

}  // namespace bulwark::formats::tar
