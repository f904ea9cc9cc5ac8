#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulwark {

// Parts between separators; "" gives one empty part. Views into `text`.
std::vector<std::string_view> Split(std::string_view text, char separator);
std::string_view Trim(std::string_view text);  // ASCII space, tab, CR, LF off both ends
std::string ToLower(std::string_view text);    // ASCII only
bool EqualsIgnoreCase(std::string_view a, std::string_view b);  // ASCII only
// Decimal digits only (no sign, no space, no leading zero unless "0"); nullopt on overflow.
std::optional<std::uint64_t> ParseUint(std::string_view text);
bool IsUtf8(std::string_view text);
// RFC 4648 section 4, padded. Decode refuses anything else (white space included).
std::string Base64Encode(std::string_view bytes);
std::optional<std::string> Base64Decode(std::string_view text);
// "*" matches within a path component, "**" across components, "?" one character; anchored at both ends.
bool GlobMatch(std::string_view pattern, std::string_view text);
// 1536 -> "1.5 KiB".
std::string FormatBytes(std::uint64_t n);

}  // namespace bulwark
