#pragma once
// The thread of chores that belong to no folder: collection, newer advisory data, the first password's file.

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/sync.h"

namespace bulwark::app {

struct Chore {
  std::string name;
  std::chrono::seconds every{1};
  std::function<Status()> run;  // a failure is logged and tried again the next time
};

class Upkeep {
 public:
  explicit Upkeep(std::vector<Chore> chores);  // starts
  ~Upkeep();                                   // ends the one that runs, then joins

 private:
  void Run();
  std::vector<Chore> chores_;
  Mutex mutex_;
  ConditionVariable changed_;
  bool stopping_ BW_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace bulwark::app
