#include "policy/matcher.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "formats/yaml.h"
#include "policy/decide.h"

namespace bulwark::policy {
namespace {

using advisory::Severity;
using formats::YamlError;
using match::Answer;

constexpr std::array<std::string_view, 6> kSeverities = {"unknown", "none", "low", "medium", "high", "critical"};
constexpr std::array<std::string_view, 3> kClasses = {"vulnerability", "malicious", "informational"};
constexpr std::size_t kMatcherTexts = 1000;  // ids or packages of one rule

// CVSS 4.0 section 6: the top of each band, for findings that carry a severity and no score.
double HighestScore(Severity severity) {
  constexpr std::array<double, 6> kTop = {10.0, 0.0, 3.9, 6.9, 8.9, 10.0};
  return kTop[static_cast<std::size_t>(severity)];
}

double JudgedScore(const match::Finding& finding, Severity on_unknown) {
  double highest = HighestScore(JudgedSeverity(finding, on_unknown));
  if (finding.score < 0) return highest;
  return finding.answer == Answer::kUnknown ? std::max(finding.score, highest) : finding.score;
}

bool NamesPackage(const match::Finding& finding, const std::vector<std::string>& globs) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return glob == "*" || GlobMatch(glob, finding.package) ||
           (!finding.source_package.empty() && GlobMatch(glob, finding.source_package));
  });
}

bool NamesId(const match::Finding& finding, const std::vector<std::string>& ids) {
  return std::any_of(ids.begin(), ids.end(), [&](const std::string& id) {
    return EqualsIgnoreCase(id, finding.id) ||
           std::any_of(finding.aliases.begin(), finding.aliases.end(),
                       [&](const std::string& alias) { return EqualsIgnoreCase(id, alias); });
  });
}

Status ReadTexts(const formats::YamlMember& member, std::vector<std::string>& into) {
  BW_TRY(std::vector<std::string> texts, formats::YamlTexts(member.value, member.key));
  if (texts.empty()) return YamlError(member.value, member.key + " is empty");
  into.insert(into.end(), texts.begin(), texts.end());
  if (into.size() > kMatcherTexts) return YamlError(member.value, member.key + " names more than 1000");
  return {};
}

// "key=value" as the member of a mapping, so that the command line and policies share one reader.
Result<formats::YamlMember> MemberOf(std::string_view part) {
  std::size_t equals = part.find('=');
  formats::YamlMember member;
  member.key = Trim(part.substr(0, equals));
  member.value.text = equals == std::string_view::npos ? "" : Trim(part.substr(equals + 1));
  if (equals == std::string_view::npos && member.key == "kev") member.value.text = "true";
  if (member.value.text.empty()) {
    return {Errc::kInvalid, fmt::format("{} must be key=value, such as severity=high", Printable(part, 64))};
  }
  return member;
}

// The reader puts "line 0: " in front, which means nothing here.
Error WithoutLine(Error error) {
  constexpr std::string_view kLine = "line 0: ";
  if (error.message.starts_with(kLine)) error.message.erase(0, kLine.size());
  return error;
}

}  // namespace

bool IsAbout(const match::Finding& finding, std::string_view id) {
  if (id.empty()) return false;
  return finding.id == id || std::find(finding.aliases.begin(), finding.aliases.end(), id) != finding.aliases.end();
}

Severity JudgedSeverity(const match::Finding& finding, Severity on_unknown) {
  if (finding.severity == Severity::kUnknown) return on_unknown;
  return finding.answer == Answer::kUnknown ? std::max(finding.severity, on_unknown) : finding.severity;
}

bool HasFix(const match::Finding& finding) {
  if (!finding.fixed_version.empty()) return true;
  // The source knows a fix, but versions could not be ordered: which one is unknown, not whether.
  return finding.answer == Answer::kUnknown && finding.state == advisory::State::kFixed;
}

bool MatchesWithin(const FindingMatcher& matcher, const match::Finding& finding, Severity on_unknown, Horizon& time) {
  if (finding.answer == Answer::kNotAffected) return false;
  if (matcher.kind && *matcher.kind != finding.kind) return false;
  if (matcher.known_exploited && *matcher.known_exploited != finding.known_exploited) return false;
  if (matcher.severity && JudgedSeverity(finding, on_unknown) < *matcher.severity) return false;
  if (matcher.score_at_least && JudgedScore(finding, on_unknown) < *matcher.score_at_least) return false;
  if (matcher.epss_at_least && (finding.epss < 0 || finding.epss < *matcher.epss_at_least)) return false;
  if (matcher.fix_available && *matcher.fix_available != HasFix(finding)) return false;
  if (!matcher.ids.empty() && !NamesId(finding, matcher.ids)) return false;
  if (!matcher.packages.empty() && !NamesPackage(finding, matcher.packages)) return false;
  if (!matcher.fix_older_than) return true;
  if (!HasFix(finding)) return false;
  return finding.fixed_at == kNever || time.Reached(After(finding.fixed_at, *matcher.fix_older_than));
}

bool Matches(const FindingMatcher& matcher, const match::Finding& finding, Severity on_unknown, Time as_of) {
  Horizon time(as_of);
  return MatchesWithin(matcher, finding, on_unknown, time);
}

std::optional<Severity> ParseSeverity(std::string_view name) {
  auto found = std::find(kSeverities.begin() + 1, kSeverities.end(), name);
  if (found == kSeverities.end()) return std::nullopt;
  return static_cast<Severity>(found - kSeverities.begin());
}

Status ReadMatcherField(const formats::YamlMember& member, FindingMatcher& matcher) {
  const std::string& key = member.key;
  const formats::YamlNode& value = member.value;
  if (key == "severity") {
    BW_TRY(std::size_t i, formats::YamlChoice(value, key, {"none", "low", "medium", "high", "critical"}));
    matcher.severity = static_cast<Severity>(i + 1);
  } else if (key == "fix") {
    BW_TRY(std::size_t i, formats::YamlChoice(value, key, {"none", "available"}));
    matcher.fix_available = i == 1;
  } else if (key == "fix_older_than") {
    BW_TRY(matcher.fix_older_than, formats::YamlDuration(value, key));
  } else if (key == "kev") {
    BW_TRY(matcher.known_exploited, formats::YamlBool(value, key));
  } else if (key == "score") {
    BW_TRY(double score, formats::YamlNumber(value, key));
    if (score < 0 || score > 10) return YamlError(value, "score must be from 0 to 10");
    matcher.score_at_least = score;
  } else if (key == "epss") {
    BW_TRY(double epss, formats::YamlNumber(value, key));
    if (!(epss >= 0 && epss <= 1)) return YamlError(value, "epss must be from 0 to 1");
    matcher.epss_at_least = epss;
  } else if (key == "kind") {
    BW_TRY(std::size_t i, formats::YamlChoice(value, key, {kClasses[0], kClasses[1], kClasses[2]}));
    matcher.kind = static_cast<advisory::Class>(i + 1);
  } else if (key == "ids") {
    BW_CHECK(ReadTexts(member, matcher.ids));
  } else if (key == "packages") {
    BW_CHECK(ReadTexts(member, matcher.packages));
  } else {
    return YamlError(member.line, fmt::format("no condition {} (there are severity, score, fix, fix_older_than, kev, "
                                              "epss, kind, ids, packages)", Printable(key, 64)));
  }
  return {};
}

std::optional<std::string> Contradiction(const FindingMatcher& matcher) {
  if (matcher.fix_older_than && matcher.fix_available && !*matcher.fix_available) {
    return "fix: none and fix_older_than exclude each other";
  }
  return std::nullopt;
}

Result<FindingMatcher> ParseMatchers(std::string_view text) {
  FindingMatcher matcher;
  std::vector<std::string> seen;
  if (text.size() > 16'384) return {Errc::kLimit, "more than 16 KiB of matchers"};
  for (std::string_view part : Split(text, ',')) {
    BW_TRY(formats::YamlMember member, MemberOf(part));
    bool list = member.key == "ids" || member.key == "packages";
    if (!list && std::find(seen.begin(), seen.end(), member.key) != seen.end()) {
      return {Errc::kInvalid, fmt::format("{} is given twice", Printable(member.key, 64))};
    }
    if (auto read = ReadMatcherField(member, matcher); !read.ok()) return WithoutLine(std::move(read).error());
    seen.push_back(std::move(member.key));
  }
  if (auto problem = Contradiction(matcher)) return {Errc::kInvalid, *problem};
  return matcher;
}

}  // namespace bulwark::policy
