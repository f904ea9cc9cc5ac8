#pragma once
// What a registry answered, for a terminal.

#include <string>
#include <string_view>

#include "formats/json.h"

namespace bulwark::cli {

// Printable; "" where there is no such text.
std::string Text(const formats::json::object& from, std::string_view key);

}  // namespace bulwark::cli
