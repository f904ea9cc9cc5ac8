#pragma once
// What `db update` remembers of each source, beside its last good download: NAME.state, JSON written by rename.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisory/fetch.h"
#include "base/clock.h"
#include "base/result.h"

namespace bulwark::advisory {

struct FeedState {
  std::string name;
  // The last good download; sha256 empty: there is none.
  Validators validators;
  std::string format, sha256;
  std::uint64_t bytes = 0, records = 0;
  Time data_date = kNever;   // the newest that it states
  Time fetched = kNever;     // when it was downloaded
  Time checked = kNever;     // when its server last said that it is the newest
  // Since then.
  std::uint64_t failures = 0;
  std::string error;         // of the last try; empty: it was good
  Time failed = kNever;
  Time next_try = Time{};
};

// What became of the file that is built from them.
struct BuildState {
  std::vector<std::string> inputs;  // "name sha256" of the last try
  std::string error;                // why it was not taken; empty: it was
  Time at = kNever;
};

// A state that is absent or damaged is that of a source never fetched.
FeedState ReadFeedState(const std::string& cache, const std::string& name);
Status WriteFeedState(const std::string& cache, const FeedState& state);
BuildState ReadBuildState(const std::string& cache);
Status WriteBuildState(const std::string& cache, const BuildState& state);

// The last good download of a source.
std::string FeedPath(const std::string& cache, const FeedState& state);

}  // namespace bulwark::advisory
