#pragma once
// What changed between two advisory files: the packages whose images must be matched again (DESIGN 2.11).

#include <vector>

#include "advisory/index.h"
#include "base/result.h"

namespace bulwark::advisory {

// Keys that were added, removed or say something else, sorted. kUnsupported if an index cannot list its keys: then
// everything is to be matched again. Linear in the number of keys.
Result<std::vector<versions::PackageKey>> ChangedKeys(const Index& before, const Index& after);

}  // namespace bulwark::advisory
