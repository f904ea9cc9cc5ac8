#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulwark {

// Lower-case hexadecimal of the bytes.
std::string ToHex(std::span<const std::uint8_t> bytes);
// Bytes of lower-case hexadecimal text of even length; nullopt for anything else (upper case included).
std::optional<std::vector<std::uint8_t>> FromHex(std::string_view text);

}  // namespace bulwark
