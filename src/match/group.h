#pragma once
// Records of one package joined by alias: one vulnerability each, judged once.

#include <set>
#include <string>
#include <vector>

#include "advisory/index.h"
#include "match/matchers.h"
#include "match/verdict.h"

namespace bulwark::match {

// What all records about one vulnerability say of one subject: the part of a finding that does not depend on where the
// package lies.
struct Judged {
  Answer answer = Answer::kNotAffected;
  std::string id;                      // the CVE if there is one
  std::vector<std::string> aliases;    // all other ids, sorted
  const advisory::Record* record = nullptr;  // whose word counts; lives as long as the records given
  std::string comparison;
  std::string fixed_version;           // the smallest that clears it
  Time fixed_at = kNever;
  advisory::Severity severity = advisory::Severity::kUnknown;
  double score = -1;
  std::string vector;
};

// Groups that are affected or unknown. `records` are those of subject.key.
std::vector<Judged> JudgeGroups(const Subject& subject, Trust trust, const std::vector<advisory::Record>& records);

}  // namespace bulwark::match
