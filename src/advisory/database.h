#pragma once
// `bulwark db build|status`: sources -> one advisory file, and what a file holds.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "advisory/index.h"
#include "base/clock.h"
#include "base/result.h"

namespace bulwark::advisory {

struct SourceSpec {
  std::string path;   // what EachDocument reads
  std::string label;  // source name of its records; empty: the feed's name ("osv", "debian", "kev", …)
  // "LABEL=PATH" or "PATH"; a label is lower-case letters, digits and "-".
  static SourceSpec Parse(const std::string& text);
  int fd = -1;        // the open file and its size, where `path` is only its name
  std::uint64_t size = 0;
};

enum class Force { kNo, kYes };
enum class Starter { kLeaveOut, kInclude };

struct BuildOptions {
  Time now{};                      // stamps fixes first seen by this build; limits dates that sources state
  Force force = Force::kNo;        // swap in data that the checks below refuse
  Starter starter = Starter::kLeaveOut;
  // Of these the sources are all that is known: a package without a record is safe. A distribution's name is each of its
  // releases that have records. kInvalid where they have no record.
  std::vector<std::string> whole = {};
};

struct SourceReport {
  std::string path, label, feed;
  std::uint64_t items = 0;    // documents, lines or list entries read
  std::uint64_t records = 0;
  std::uint64_t skipped = 0;  // withdrawn, about commits, or of ecosystems that have no packages here
  std::uint64_t errors = 0;
  std::vector<std::string> messages;  // of the first errors
  Time data_date = kNever;
};

struct BuildReport {
  std::string revision;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  Time data_date = kNever;
  std::vector<SourceReport> sources;
  std::vector<std::string> overridden;  // what Force::kYes let pass
};

// Reads the sources and replaces `out` by rename. The file there before stays in use if anything fails, and is also what
// first-seen times of fixes are carried over from. kConflict, naming the reason: a source with more than 1 % malformed
// items or without any record, or one that has shrunk by more than 40 % (or vanished) against the file being replaced.
Result<BuildReport> BuildDatabase(const std::string& out, const std::vector<SourceSpec>& sources, const BuildOptions& options);

// What BuildDatabase puts in the file. `before`: the file to be replaced, if there is one.
struct BuiltFile {
  std::string bytes;
  std::vector<SourceReport> sources;
  std::vector<std::string> overridden;
};
Result<BuiltFile> BuildFile(const std::vector<SourceSpec>& sources, const Index* before, const BuildOptions& options);

// One source by itself.
Result<SourceReport> LookAtSource(const SourceSpec& source, Time now);

struct Description {
  std::string revision;
  Time data_date = kNever;
  std::uint64_t records = 0;
  std::uint64_t packages = 0;
  std::vector<SourceInfo> sources;
  std::vector<std::pair<std::string, std::uint64_t>> ecosystems;  // with the number of packages; sorted
  std::vector<std::string> whole;  // those of which a source says all that is known; sorted
};
Description Describe(const Index& index);

}  // namespace bulwark::advisory
