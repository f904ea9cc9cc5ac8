#pragma once
// For the runner: programs too large to be held are searched in parts (analyze.cc).

#include <string_view>

#include "catalog/cataloger.h"
#include "catalog/go_build_info.h"

namespace bulwark::catalog {

inline constexpr std::string_view kGoCataloger = "go";  // its row name

Facts GoFacts(const GoBuildInfo& info, std::string_view path);

}  // namespace bulwark::catalog
