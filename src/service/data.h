#pragma once
// The advisory data in use, and taking newer data into use (DESIGN 2.21).

#include <memory>
#include <string>
#include <vector>

#include "advisory/feed_state.h"
#include "advisory/index.h"
#include "base/sync.h"
#include "base/unique_fd.h"
#include "service/service.h"

namespace bulwark::service {

struct DataStatus {
  std::string revision, path;  // path empty: the embedded starter data
  Time date = kNever;
  std::uint64_t records = 0;
  std::vector<advisory::SourceInfo> sources;
  std::string problem;  // why the last reload was refused; the data before it stays in use
  std::vector<advisory::FeedState> feeds;  // what is fetched for it
  std::string update_problem;  // why the last fetched data did not become the file
};

// The sources that `db update` and the server fetch for the file, and the folder where it notes what became of them.
struct FeedView {
  std::string cache;
  std::vector<std::string> names;
};

// The file in use, open. Shared by the answers that send it and by who made it.
struct DataFile {
  UniqueFd fd;
  std::uint64_t size = 0;
  std::string revision;
};

class Data {
 public:
  // `path`: the advisory file; empty: none, the starter data stays.
  Data(Service& service, std::string path, FeedView feeds = {}) : service_(service), path_(std::move(path)), feeds_(std::move(feeds)) {}

  // The file if it is there and good, else the starter data. kCorrupt and so on: the file is there but not good.
  static Result<std::shared_ptr<const advisory::Index>> Load(const std::string& path);

  Result<DataStatus> Status(const Caller& caller);
  // kConflict: older than what is in use, or shrunken suspiciously; the data in use stays.
  Result<DataStatus> Reload(const Caller& caller);
  // The bytes of what is in use, for other Bulwarks. kNotFound: it is the embedded starter data; kUnavailable: the file there
  // now is another one, that is not in use (yet, or ever).
  Result<std::shared_ptr<const DataFile>> File(const Caller& caller);
  // Prometheus text: age and size of the data, and how its sources are.
  std::string Metrics();
  // For the watcher: reloads if the file is another one than at the last look.
  bulwark::Status ReloadIfChanged();

 private:
  bulwark::Status Swap(const Caller& caller);
  DataStatus Describe();
  Service& service_;
  const std::string path_;
  const FeedView feeds_;
  Mutex swapping_;  // one file at a time is compared with what is in use
  Mutex mutex_;
  std::string seen_ BW_GUARDED_BY(mutex_);  // identity of the file at the last look
  std::string problem_ BW_GUARDED_BY(mutex_);
  std::shared_ptr<const DataFile> file_ BW_GUARDED_BY(mutex_);  // the last one asked for
};

}  // namespace bulwark::service
