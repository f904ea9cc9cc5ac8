#pragma once
// Ids of rows that other folders refer to. Never re-used, never shown as a right: every look-up also names who asks.

#include <cstdint>

namespace bulwark::storage {

enum class ProjectId : std::int64_t {};
enum class RepositoryId : std::int64_t {};
enum class ManifestId : std::int64_t {};
enum class PrincipalId : std::int64_t {};  // rows of auth; 0 is the system itself

}  // namespace bulwark::storage
