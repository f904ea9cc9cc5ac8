#include "app/upkeep.h"

#include <algorithm>
#include <exception>

#include "base/log.h"

namespace bulwark::app {
namespace {

using std::chrono::steady_clock;

// One of the few edges that catch: a bug in one chore must not end the others.
void RunOne(const Chore& chore) {
  try {
    if (Status done = chore.run(); !done) LogError(chore.name + ": " + done.error().message);
  } catch (const std::exception& bug) { LogError(chore.name + ": " + bug.what()); }
}

}  // namespace

Upkeep::Upkeep(std::vector<Chore> chores) : chores_(std::move(chores)), thread_([this] { Run(); }) {}

Upkeep::~Upkeep() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Upkeep::Run() {
  std::vector<steady_clock::time_point> due;
  for (const Chore& chore : chores_) due.push_back(steady_clock::now() + chore.every);
  while (true) {
    auto next = *std::min_element(due.begin(), due.end());
    {
      MutexLock lock(mutex_);
      while (!stopping_ && steady_clock::now() < next) changed_.wait_until(mutex_, next);
      if (stopping_) return;
    }
    for (std::size_t i = 0; i < chores_.size(); ++i) {
      if (steady_clock::now() < due[i]) continue;
      RunOne(chores_[i]);
      due[i] = steady_clock::now() + chores_[i].every;
    }
  }
}

}  // namespace bulwark::app
