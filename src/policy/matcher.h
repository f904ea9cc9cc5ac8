#pragma once
// Matching one finding. Inner header of the folder: others use Matches (decide.h) and ParseMatchers (policy.h).

#include "policy/horizon.h"
#include "policy/policy.h"

namespace bulwark::formats {
struct YamlMember;
}

namespace bulwark::policy {

bool MatchesWithin(const FindingMatcher& matcher, const match::Finding& finding, advisory::Severity on_unknown,
                   Horizon& time);
// The severity that rules judge: unknown ones count as `on_unknown`; what could not be compared counts as at least it.
advisory::Severity JudgedSeverity(const match::Finding& finding, advisory::Severity on_unknown);
bool HasFix(const match::Finding& finding);
bool IsAbout(const match::Finding& finding, std::string_view id);  // id or alias, exactly

std::optional<advisory::Severity> ParseSeverity(std::string_view name);
// One key of a matcher ("severity: high") into `matcher`; kInvalid with the line, also for a key it does not know.
Status ReadMatcherField(const formats::YamlMember& member, FindingMatcher& matcher);
// Contradictions between the fields; the message without a line.
std::optional<std::string> Contradiction(const FindingMatcher& matcher);

}  // namespace bulwark::policy
