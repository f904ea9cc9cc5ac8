#pragma once
// One package version against one advisory record: affected, not affected or unknown, with the comparison made.

#include <string>
#include <string_view>

#include "advisory/model.h"
#include "match/finding.h"

namespace bulwark::match {

struct Verdict {
  Answer answer = Answer::kNotAffected;
  std::string comparison;  // "1.2.2 < 1.2.3 (deb)", "open", "no order: …"
};

// What cannot be compared is unknown, never safe; a range that certainly holds the version decides beside it.
Verdict Judge(versions::Ecosystem ecosystem, std::string_view version, const advisory::Record& record);

// The same answer without its words: for the many records that do not apply, and to see whether a fixed version clears.
Answer AnswerOf(versions::Ecosystem ecosystem, std::string_view version, const advisory::Record& record);

// "< 1.2.3", ">= 1.0, < 1.2.3 or = 2.0"; long lists of versions are cut.
std::string RangeText(const advisory::Record& record);

}  // namespace bulwark::match
