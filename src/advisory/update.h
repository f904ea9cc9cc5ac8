#pragma once
// `bulwark db update`: fetches sources into a folder, keeps the last good download of each, and makes the advisory file of
// them. One source's trouble is its own: the others go on, and its last good download stays in use, told with its age.

#include <optional>
#include <string>
#include <vector>

#include "advisory/feed_state.h"
#include "advisory/fetch.h"
#include "advisory/index.h"
#include "advisory/sources.h"
#include "base/clock.h"
#include "base/result.h"
#include "sandbox/worker.h"

namespace bulwark::advisory {

enum class Which : std::uint8_t { kAll, kDue };  // kDue: those whose time to be asked again has come

struct UpdateOptions {
  std::string cache;   // a folder of ours; made if it is absent
  std::string out;     // the advisory file
  Millis every{0};     // how often the caller comes; 0: now and then
  Which which = Which::kAll;
  bool force = false;  // takes what the checks refuse, but never what cannot be read
  sandbox::Mode sandbox = sandbox::Mode::kRequired;
  FetchOptions fetch;
};

enum class Came : std::uint8_t { kNew, kUnchanged, kFailed, kNotDue };
struct SourceUpdate {
  Came came = Came::kNotDue;
  FeedState state;  // afterwards; `error` says what failed
};
struct UpdateReport {
  std::vector<SourceUpdate> sources;  // in the order given
  bool replaced = false;              // the advisory file is another one now
  std::string refused;                // why it is not, although there is something newer
};

// For processes with one thread (feeds are read in a forked one). kConflict if another update is under way in the folder, kIo;
// what concerns one source or the file stands in the report.
Result<UpdateReport> Update(const std::vector<FetchSource>& sources, const UpdateOptions& options, const Clock& clock);

// Why `after` may not take the place of `before`; nullopt: it may. Old or emptied data must not free what was found
// (attacks: data-rollback-and-freeze, poisoned-feed).
std::optional<std::string> WhyNoSuccessor(const Index& before, const Index& after);

}  // namespace bulwark::advisory
