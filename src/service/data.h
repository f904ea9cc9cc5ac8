#pragma once
// The advisory data in use, and taking newer data into use (DESIGN 2.21).

#include <memory>
#include <string>
#include <vector>

#include "advisory/index.h"
#include "base/sync.h"
#include "service/service.h"

namespace bulwark::service {

struct DataStatus {
  std::string revision, path;  // path empty: the embedded starter data
  Time date = kNever;
  std::uint64_t records = 0;
  std::vector<advisory::SourceInfo> sources;
  std::string problem;  // why the last reload was refused; the data before it stays in use
};

class Data {
 public:
  // `path`: the advisory file; empty: none, the starter data stays.
  Data(Service& service, std::string path) : service_(service), path_(std::move(path)) {}

  // The file if it is there and good, else the starter data. kCorrupt and so on: the file is there but not good.
  static Result<std::shared_ptr<const advisory::Index>> Load(const std::string& path);

  Result<DataStatus> Status(const Caller& caller);
  // kConflict: older than what is in use, or shrunken suspiciously; the data in use stays.
  Result<DataStatus> Reload(const Caller& caller);
  // For the watcher: reloads if the file is another one than at the last look.
  bulwark::Status ReloadIfChanged();

 private:
  bulwark::Status Swap(const Caller& caller);
  DataStatus Describe();
  Service& service_;
  const std::string path_;
  Mutex swapping_;  // one file at a time is compared with what is in use
  Mutex mutex_;
  std::string seen_ BW_GUARDED_BY(mutex_);  // identity of the file at the last look
  std::string problem_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::service
