#pragma once
// Feeds are foreign bytes: they are read, and the file is made of them, in a locked process (DESIGN 2.10).

#include <cstdint>
#include <string>
#include <vector>

#include "advisory/database.h"
#include "sandbox/worker.h"

namespace bulwark::advisory {

// What a look at one download found. Its texts are foreign.
struct FeedLook {
  std::uint64_t items = 0, records = 0, errors = 0;
  std::string first_problem;
  Time data_date = kNever;
};
// For callers with one thread (sandbox/locked_call.h). `format`: as of FetchSource. Also the errors of EachDocument, and kInvalid
// where no feed reads it.
Result<FeedLook> LookAtFeed(const std::string& path, const std::string& format, Time now, sandbox::Mode mode);

// The bytes of an advisory file; to be checked like any foreign file. As BuildFile.
Result<std::string> BuildFromFeeds(const std::vector<SourceSpec>& feeds, const Index* before, const BuildOptions& options, sandbox::Mode mode);

}  // namespace bulwark::advisory
