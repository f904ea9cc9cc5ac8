#pragma once
// Names and times the stages of a use case, so that a slow push can say where its time went.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulwark {

struct StageTime {
  std::string name;
  std::chrono::microseconds took;
};

// Collects the stages of one call. Not thread-safe.
class StageTimer {
 public:
  // Runs `body` and records its time, also when it fails.
  template <typename F>
  auto Stage(std::string_view name, F&& body) {
    struct Record {
      StageTimer& timer;
      std::string_view name;
      std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
      ~Record() {
        timer.stages_.push_back({std::string(name), std::chrono::duration_cast<std::chrono::microseconds>(
                                                        std::chrono::steady_clock::now() - begin)});
      }
    } record{*this, name};
    return std::forward<F>(body)();
  }
  const std::vector<StageTime>& stages() const { return stages_; }

 private:
  std::vector<StageTime> stages_;
};

}  // namespace bulwark
