#pragma once
// Which images another advisory file can change (DESIGN 2.11).

#include <cstdint>
#include <optional>
#include <vector>

#include "advisory/index.h"
#include "base/result.h"
#include "storage/db/database.h"

namespace bulwark::service {

// Numbers (HashKey) of the package keys whose records differ; nullopt: everything may differ.
std::optional<std::vector<std::int64_t>> AffectedKeys(const advisory::Index& before, const advisory::Index& after);

// Marks the verdicts of images with such packages, and those that rest on the age of the data.
Status MarkAffected(storage::Tx& tx, const std::optional<std::vector<std::int64_t>>& keys);

}  // namespace bulwark::service
