#include "match/verdict.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "advisory/range.h"
#include "versions/compare.h"

namespace bulwark::match {
namespace {

using advisory::Range;
using advisory::Record;
using advisory::State;
using versions::Ecosystem;

constexpr std::size_t kShownVersions = 5;

// A listed version is that text, or a version equal to it in the ecosystem's order ("1.0" and "1.0.0" of PyPI).
bool IsListed(Ecosystem ecosystem, std::string_view version, const std::string& listed) {
  if (version == listed) return true;
  const auto order = versions::Compare(ecosystem, version, listed);
  return order && *order == 0;
}

// "1.0 <= 1.2.2 < 1.2.3 (deb)"
std::string Explain(Ecosystem ecosystem, std::string_view version, const Range& range) {
  std::string out;
  if (!advisory::IsFirst(range.introduced)) out = range.introduced + " <= ";
  out += version;
  if (!range.fixed.empty()) out += " < " + range.fixed;
  else if (!range.last_affected.empty()) out += " <= " + range.last_affected;
  else if (out == version) return "every version is affected";
  return fmt::format("{} ({})", out, versions::Name(ecosystem));
}

// Where the version lies in none of the ranges: the bound above which it is clear.
std::string ExplainClear(std::string_view version, const Record& record) {
  for (auto range = record.ranges.rbegin(); range != record.ranges.rend(); ++range) {
    if (!range->fixed.empty()) return fmt::format("has {}, fixed in {}", version, range->fixed);
  }
  return fmt::format("has {}, outside {}", version, RangeText(record));
}

// What decides: the range or listed version that holds the version, or why that cannot be told.
struct Hit {
  const Range* range = nullptr;
  const std::string* listed = nullptr;
  std::string problem;
  Answer answer() const {
    if (range != nullptr || listed != nullptr) return Answer::kAffected;
    return problem.empty() ? Answer::kNotAffected : Answer::kUnknown;
  }
};

Hit FindHit(Ecosystem ecosystem, std::string_view version, const Record& record) {
  Hit hit;
  for (const Range& range : record.ranges) {
    auto inside = advisory::Contains(ecosystem, range, version);
    if (inside && *inside) return {&range, nullptr, ""};
    if (!inside) hit.problem = std::move(inside).error().message;
  }
  for (const std::string& listed : record.versions) {
    if (IsListed(ecosystem, version, listed)) return {nullptr, &listed, ""};
  }
  return hit;
}

std::string RangeText(const Range& range) {
  std::string out;
  if (!advisory::IsFirst(range.introduced)) out = ">= " + range.introduced;
  auto bound = [&](std::string_view sign, const std::string& version) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", sign, version);
  };
  if (!range.fixed.empty()) bound("<", range.fixed);
  else if (!range.last_affected.empty()) bound("<=", range.last_affected);
  return out.empty() ? "all versions" : out;
}

// Answers that need no comparison; nullopt where the ranges decide.
std::optional<Verdict> JudgeState(std::string_view version, const Record& record) {
  if (record.state == State::kNotAffected) return Verdict{Answer::kNotAffected, "the source says so"};
  if (record.state == State::kUndetermined) return Verdict{Answer::kUnknown, "the source has not decided"};
  if (record.ranges.empty() && record.versions.empty()) {
    return Verdict{Answer::kAffected, fmt::format("every version is affected ({})", advisory::Name(record.state))};
  }
  if (version.empty()) return Verdict{Answer::kUnknown, "the package's version is not known"};
  return std::nullopt;
}

}  // namespace

Verdict Judge(Ecosystem ecosystem, std::string_view version, const Record& record) {
  if (auto verdict = JudgeState(version, record)) return *std::move(verdict);
  const Hit hit = FindHit(ecosystem, version, record);
  if (hit.range != nullptr) return {Answer::kAffected, Explain(ecosystem, version, *hit.range)};
  if (hit.listed != nullptr) return {Answer::kAffected, fmt::format("{} is listed as affected", *hit.listed)};
  if (!hit.problem.empty()) return {Answer::kUnknown, "no order: " + hit.problem};
  return {Answer::kNotAffected, ExplainClear(version, record)};
}

Answer AnswerOf(Ecosystem ecosystem, std::string_view version, const Record& record) {
  if (auto verdict = JudgeState(version, record)) return verdict->answer;
  return FindHit(ecosystem, version, record).answer();
}

std::string RangeText(const Record& record) {
  std::string out;
  auto add = [&](const std::string& part) { out += (out.empty() ? "" : " or ") + part; };
  for (const Range& range : record.ranges) add(RangeText(range));
  for (std::size_t i = 0; i < record.versions.size() && i < kShownVersions; ++i) add("= " + record.versions[i]);
  if (record.versions.size() > kShownVersions) add(fmt::format("{} more", record.versions.size() - kShownVersions));
  return out.empty() ? "all versions" : out;
}

}  // namespace bulwark::match
