#pragma once
// Facts, inputs and history -> verdicts at the three points of use. Pure: the same material gives the same verdicts.

#include <optional>
#include <string>
#include <vector>

#include "match/finding.h"
#include "service/facts.h"
#include "service/inputs.h"
#include "service/verdict_rows.h"

namespace bulwark::service {

// A denial that advisory data alone would lift stays this long (DESIGN 2.21).
inline constexpr Millis kLiftDelay = std::chrono::hours(24);

struct IndexChild {
  Digest digest;
  std::string platform;
  bool present = true;
  bool runnable = true;
  Verdicts verdicts;  // of a present one
};

// Everything that the verdicts of one manifest in one repository are a function of, besides Inputs and the time.
struct Material {
  Subject subject;
  std::string repository;  // name
  std::vector<std::string> tags;
  std::optional<ImageFacts> facts;   // of images and artifacts; nullopt: not analysed yet
  std::vector<IndexChild> children;  // of indexes
  std::optional<Time> running;       // last seen running (DESIGN 2.23)
  std::optional<Verdicts> previous;
};

struct Judgement {
  Verdicts verdicts;
  std::string summary;              // Subject::summary
  std::vector<std::string> events;  // one sentence each, for the audit log
};

Judgement Judge(const Material& material, const Inputs& inputs, Time as_of);

}  // namespace bulwark::service
