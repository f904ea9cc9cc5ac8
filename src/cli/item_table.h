#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark::cli {

// A page of the product API ({"items": […]}) as aligned columns of the named fields; fields that are no scalar are left empty.
Result<std::string> ItemTable(std::string_view json, const std::vector<std::string_view>& columns);

}  // namespace bulwark::cli
