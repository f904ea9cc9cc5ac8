#include "advisory/model.h"

namespace bulwark::advisory {

std::string_view Name(State state) {
  switch (state) {
    case State::kFixed: return "fixed";
    case State::kOpen: return "open";
    case State::kNotAffected: return "not affected";
    case State::kUndetermined: return "undetermined";
    case State::kIgnored: return "ignored";
    case State::kEndOfLife: return "end of life";
  }
  return "undetermined";
}

std::string_view Name(Severity severity) {
  switch (severity) {
    case Severity::kUnknown: return "unknown";
    case Severity::kNone: return "none";
    case Severity::kLow: return "low";
    case Severity::kMedium: return "medium";
    case Severity::kHigh: return "high";
    case Severity::kCritical: return "critical";
  }
  return "unknown";
}

}  // namespace bulwark::advisory
