#pragma once
// Whether a version lies in a range, and ranges from OSV events.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisory/model.h"
#include "base/result.h"
#include "versions/ecosystem.h"

namespace bulwark::advisory {

inline bool IsFirst(std::string_view introduced) { return introduced.empty() || introduced == "0"; }

// kInvalid or kUnsupported where the answer depends on bounds that cannot be compared with the version.
Result<bool> Contains(versions::Ecosystem ecosystem, const Range& range, std::string_view version);

// One event of an OSV range (OSV schema, "affected[].ranges[].events").
struct Event {
  enum class Kind { kIntroduced, kFixed, kLastAffected, kLimit } kind = Kind::kIntroduced;
  std::string version;
};

// Ranges of the events of one OSV range: sorted by version, not paired by position; by position only where a version
// cannot be compared (or the ecosystem has no order here). A range that only ends has begun with the first version. A
// limit ends a range without being a fix; as Range has no exclusive end without a fix, the limit itself counts as affected.
std::vector<Range> RangesOfEvents(std::optional<versions::Ecosystem> ecosystem, std::vector<Event> events);

}  // namespace bulwark::advisory
