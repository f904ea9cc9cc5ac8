#pragma once
// What a copy consists of, in the order in which it is written.

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "remote/copy.h"

namespace bulwark::remote {

struct CopyPlan {
  std::vector<CopiedManifest> manifests;  // each after its children and its referrers; the one asked for last, if it comes along
  std::vector<formats::Descriptor> blobs; // each once, the largest first
  bool whole = true;                      // false: some platforms of an index, which stays behind
};

// Reads manifests only. `has`: whether the target holds a manifest already; `note`: sentences for a person.
Result<CopyPlan> PlanCopy(CopySource& source, const std::string& from, const std::string& tag, const CopyOptions& options,
                          const std::function<Result<bool>(const formats::Descriptor&)>& has, const std::function<void(std::string_view)>& note);

}  // namespace bulwark::remote
