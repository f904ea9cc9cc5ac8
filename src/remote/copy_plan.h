#pragma once
// What a copy consists of, in the order in which it is written.

#include <cstdint>
#include <functional>
#include <optional>
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

// What planning asks the target.
struct TargetView {
  std::function<Result<bool>(const formats::Descriptor&)> has;  // whether it holds a manifest already
  std::function<Result<std::optional<FetchedManifest>>(const std::string& tag)> tagged;
};

// Reads manifests only. A signature's tag which at the target has something that would be lost is left as it is. `note`:
// sentences for a person. kLimit: limits::kCopyManifests and those beside it.
Result<CopyPlan> PlanCopy(CopySource& source, const std::string& from, const std::string& tag, const CopyOptions& options,
                          const TargetView& target, const std::function<void(std::string_view)>& note);

}  // namespace bulwark::remote
