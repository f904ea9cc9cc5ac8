#pragma once
// The order of versions, per ecosystem. What cannot be ordered is an error (kInvalid with the reason), never a guess.

#include <compare>
#include <string_view>

#include "base/result.h"
#include "versions/ecosystem.h"

namespace bulwark::versions {

using Order = std::strong_ordering;

Result<Order> Compare(Ecosystem ecosystem, std::string_view a, std::string_view b);  // kUnsupported: no order known

Result<Order> CompareDeb(std::string_view a, std::string_view b);     // Debian policy 5.6.12, deb-version(7)
Result<Order> CompareApk(std::string_view a, std::string_view b);     // apk-tools 3; two versions may have an order where one alone is malformed
Result<Order> CompareSemver(std::string_view a, std::string_view b);  // SemVer 2.0.0 section 11, as npm reads it
Result<Order> CompareGo(std::string_view a, std::string_view b);      // golang.org/ref/mod#versions; "v" and "go" prefixes
Result<Order> ComparePep440(std::string_view a, std::string_view b);  // PEP 440
Result<Order> CompareMaven(std::string_view a, std::string_view b);   // Maven POM reference, "Version Order Specification"

}  // namespace bulwark::versions
