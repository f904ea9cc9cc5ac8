#pragma once
// The advisory file, memory-mapped. Immutable and shared by all threads.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisory/model.h"
#include "base/clock.h"
#include "base/result.h"

namespace bulwark::advisory {

// What a source contributed.
struct SourceInfo {
  std::string name;
  std::uint64_t records = 0;
  std::uint64_t errors = 0;  // malformed records left out
  Time data_date = kNever;   // newest date the source itself states
};

// What the data says about an ecosystem or release: nothing, a choice of records, or all that its sources have.
struct Coverage {
  bool any = false;
  bool complete = false;      // as a source declared: then a package without a record has no known vulnerability
  std::uint64_t records = 0;  // if it is not complete
  explicit operator bool() const { return any; }
  // Whether it means the same for what has no record: more records of a choice are a change of their own packages.
  bool operator==(const Coverage& other) const { return any == other.any && complete == other.complete; }
};

class Index {
 public:
  virtual ~Index() = default;
  virtual std::string revision() const = 0;  // "sha256:…" of the content: equal inputs, equal revision
  virtual Time data_date() const = 0;        // the default as_of of reports; newest of the sources
  virtual std::vector<SourceInfo> sources() const = 0;
  virtual std::uint64_t records() const = 0;
  // Calls `each` for every record of the package, sorted by (source, id). False from `each` stops.
  virtual void Find(const versions::PackageKey& key, const std::function<bool(const Record&)>& each) const = 0;
  // Whether any source covers the ecosystem or release at all, and wholly: no data is unknown, not safe.
  virtual Coverage Covers(std::string_view ecosystem) const = 0;
  virtual std::optional<KnownExploited> Exploited(std::string_view cve) const = 0;
  virtual std::optional<Epss> EpssOf(std::string_view cve) const = 0;
  // Calls `each` for every key, sorted, with a hash of all that its records say (known exploitation and EPSS included). False:
  // this index cannot list its keys.
  virtual bool EachKey(const std::function<void(const versions::PackageKey&, std::uint64_t content)>&) const {
    return false;
  }
};

// Maps a file; checks header, bounds and checksum. kCorrupt, kNotFound, kUnsupported (newer format).
Result<std::shared_ptr<const Index>> OpenIndex(const std::string& path);  // shared: readers keep the old file over a swap
// The same over bytes in memory (Builder::Finish).
Result<std::shared_ptr<const Index>> IndexOfBytes(std::string bytes);
// The starter data embedded in the binary.
std::shared_ptr<const Index> StarterIndex();

}  // namespace bulwark::advisory
