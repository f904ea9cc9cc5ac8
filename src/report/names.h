#pragma once
// Words for the enums of lower folders that reports print. Published in docs/report.schema.json: never change one.

#include <string_view>

#include "image/facts.h"
#include "match/finding.h"

namespace bulwark::report {

inline std::string_view Word(match::Answer answer) {
  switch (answer) {
    case match::Answer::kAffected: return "affected";
    case match::Answer::kNotAffected: return "not_affected";
    case match::Answer::kUnknown: break;
  }
  return "unknown";
}

inline std::string_view Word(match::Confidence confidence) {
  switch (confidence) {
    case match::Confidence::kHigh: return "high";
    case match::Confidence::kMedium: return "medium";
    case match::Confidence::kLow: break;
  }
  return "low";
}

inline std::string_view Word(advisory::State state) {
  switch (state) {
    case advisory::State::kFixed: return "fixed";
    case advisory::State::kOpen: return "open";
    case advisory::State::kNotAffected: return "not_affected";
    case advisory::State::kIgnored: return "ignored";
    case advisory::State::kEndOfLife: return "end_of_life";
    case advisory::State::kUndetermined: break;
  }
  return "undetermined";
}

inline std::string_view Word(advisory::Severity severity) {
  switch (severity) {
    case advisory::Severity::kCritical: return "critical";
    case advisory::Severity::kHigh: return "high";
    case advisory::Severity::kMedium: return "medium";
    case advisory::Severity::kLow: return "low";
    case advisory::Severity::kNone: return "none";
    case advisory::Severity::kUnknown: break;
  }
  return "unknown";
}

inline std::string_view Word(advisory::Class kind) {
  switch (kind) {
    case advisory::Class::kMalicious: return "malicious";
    case advisory::Class::kInformational: return "informational";
    case advisory::Class::kVulnerability: break;
  }
  return "vulnerability";
}

inline std::string_view Word(image::GapKind kind) { return kind == image::GapKind::kPartial ? "partial" : "blind"; }

}  // namespace bulwark::report
