#pragma once
// The only way Decide looks at the time. Every instant that was asked for and is still to come bounds `until`: before it
// each question has the same answer, so the same path is taken and the same decision comes out.

#include <algorithm>

#include "base/clock.h"

namespace bulwark::policy {

class Horizon {
 public:
  explicit Horizon(Time as_of) : as_of_(as_of) {}
  // Whether `t` is now or in the past.
  bool Reached(Time t) {
    if (as_of_ >= t) return true;
    until_ = std::min(until_, t);
    return false;
  }
  Time until() const { return until_; }

 private:
  Time as_of_;
  Time until_ = kNever;
};

// Instants near kNever stay there.
inline Time After(Time t, Millis by) { return t > kNever - by ? kNever : t + by; }

}  // namespace bulwark::policy
