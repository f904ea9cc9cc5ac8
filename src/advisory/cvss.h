#pragma once
// Base scores of CVSS vectors: v2 (FIRST, CVSS v2 guide 3.2.1) and v3.0/v3.1 (specification section 7.1).

#include <optional>
#include <string_view>

#include "advisory/model.h"

namespace bulwark::advisory {

struct BaseScore {
  double score = 0;  // 0.0 to 10.0, one decimal
  Severity severity = Severity::kUnknown;
};

// nullopt for malformed vectors, and for v4: its scores are a published table that is not in here, so a v4 vector
// alone leaves the severity unknown. Temporal and environmental metrics do not count.
std::optional<BaseScore> ScoreVector(std::string_view vector);

// The word a source uses: "LOW", "moderate", "Important", "negligible", …; kUnknown if it is none.
Severity ParseSeverity(std::string_view word);

}  // namespace bulwark::advisory
