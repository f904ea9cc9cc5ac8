#pragma once
// For the runner: which files are programs by their first bytes, and what a program too large to be held says.

#include <string_view>

#include "catalog/cataloger.h"
#include "catalog/go_build_info.h"

namespace bulwark::catalog {

inline constexpr std::string_view kGoCataloger = "go";  // its row name

// Whether the first bytes (image::LayerVisitor::kStartBytes) are those of an ELF program, whatever its mode: an executable bit
// is soon set, and a container may be started through its loader. Object files are none. Of files that are called shared
// libraries only those that Go has linked count: the thousands of others would all be read for nothing.
bool StartsProgram(std::string_view path, ByteSpan start);

Facts GoFacts(const GoBuildInfo& info, std::string_view path);

}  // namespace bulwark::catalog
