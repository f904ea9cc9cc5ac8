#pragma once
// Facts as people write them in policy test cases (docs/policy.md, "Testing a policy").

#include "policy/facts.h"

namespace bulwark::formats {
struct YamlNode;
}

namespace bulwark::policy {

// kInvalid with the line for unknown keys and wrong types. What is left out: repository "library/app", a scanned image
// without gaps, findings that are affected and high, a digest made from nothing.
Result<Facts> ReadFacts(const formats::YamlNode& node);

}  // namespace bulwark::policy
