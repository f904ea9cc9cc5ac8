#pragma once
// Time. Nothing below app/ reads the wall clock itself: it is given a Clock, so that tests step it.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark {

using Millis = std::chrono::milliseconds;
// UTC, milliseconds since 1970. In the database and on the wire: signed 64-bit milliseconds.
using Time = std::chrono::sys_time<Millis>;

inline constexpr Time kNever = Time(Millis(INT64_MAX));  // "valid for ever"

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;  // any thread
};

class SystemClock final : public Clock {
 public:
  Time Now() const override;
};

// A clock that stands still until it is moved.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Time start) : now_(start.time_since_epoch().count()) {}
  Time Now() const override { return Time(Millis(now_.load())); }
  void Set(Time t) { now_ = t.time_since_epoch().count(); }
  void Step(Millis by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_;
};

// "2026-11-24T05:33:06Z" (RFC 3339, UTC, whole seconds; a fraction only when it is not zero).
std::string FormatTime(Time t);
// "2026-11-24"; "never" for kNever, as FormatTime.
std::string FormatDate(Time t);
// RFC 3339 with any offset, or a plain date (midnight UTC). Years 0001 to 9999. kInvalid otherwise.
Result<Time> ParseTime(std::string_view text);
// "30s", "15m", "24h", "7d": a whole number and one unit. kInvalid otherwise.
Result<Millis> ParseDuration(std::string_view text);
// "7d", "36h", "90s": the largest unit that divides it.
std::string FormatDuration(Millis d);

}  // namespace bulwark
