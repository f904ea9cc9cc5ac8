#pragma once
// Advisory data that the server keeps fresh itself: a thread that starts `PROGRAM feeds` when a source is due. The process
// downloads, reads and builds (advisory/update.h), so that foreign bytes and slow mirrors hold up nothing here; the
// file it writes is taken into use by the watcher (service/data.h).

#include <string>
#include <thread>

#include <sys/types.h>

#include "advisory/update.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/sync.h"
#include "config/config.h"

namespace bulwark::app {

// Where the advisory file of this configuration is.
std::string AdvisoryFile(const config::Config& config);
advisory::UpdateOptions UpdateOptionsOf(const config::Config& config);

class FeedUpkeep {
 public:
  // Starts if the configuration asks for it and has sources. `program`: started as `PROGRAM feeds`.
  FeedUpkeep(const config::Config& config, std::string program, const Clock& clock);
  ~FeedUpkeep();  // kills the process, which goes on with its downloads the next time

 private:
  void Run();
  bool AnyDue() const;
  Status RunOnce();
  bool Wait(std::chrono::milliseconds time);  // false: stopping

  const config::Config config_;
  const std::string program_;
  const Clock& clock_;
  std::vector<std::string> names_;
  Mutex mutex_;
  ConditionVariable changed_;
  bool stopping_ BW_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// What the process gets on its standard input: those keys of bulwark.yaml that it needs.
std::string FeedOrder(const config::Config& config);
Result<config::Config> ReadFeedOrder(int fd);

}  // namespace bulwark::app
