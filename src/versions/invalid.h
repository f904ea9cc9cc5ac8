#pragma once
// What every comparator says of text that is no version.

#include <string_view>

#include "base/result.h"

namespace bulwark::versions {

// kInvalid: "not a <kind> version: <text>: <why>", the text made printable and short.
Error NotAVersion(std::string_view kind, std::string_view text, std::string_view why);

// Refuses what no ecosystem's version is: empty, or longer than limits::kVersionBytes.
Status CheckLength(std::string_view kind, std::string_view text);

}  // namespace bulwark::versions
