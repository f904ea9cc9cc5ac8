#include "policy/message.h"

#include <fmt/format.h>

#include "base/log.h"

namespace bulwark::policy {
namespace {

constexpr std::size_t kNameLength = 200;

std::string Shown(std::string_view text) { return Printable(text, kNameLength); }

std::string Remedy(const match::Finding& finding) {
  if (!finding.fixed_version.empty()) return "is fixed in " + Shown(finding.fixed_version);
  switch (finding.state) {
    case advisory::State::kIgnored: return "will not be fixed by the distribution";
    case advisory::State::kEndOfLife: return "is in a release that has reached its end of life";
    case advisory::State::kUndetermined: return "has not been decided by its source";
    case advisory::State::kFixed:
    case advisory::State::kOpen:
    case advisory::State::kNotAffected: break;
  }
  return "has no fix yet";
}

std::string AndMore(std::size_t count) { return count > 1 ? fmt::format(" (and {} more)", count - 1) : ""; }

}  // namespace

std::string Describe(const match::Finding& finding) {
  std::string what = fmt::format("{} in {} {}", Shown(finding.id), Shown(finding.package), Shown(finding.version));
  if (finding.kind == advisory::Class::kMalicious) {
    what = fmt::format("{} {} is malicious ({})", Shown(finding.package), Shown(finding.version), Shown(finding.id));
    return finding.fixed_version.empty() ? what : what + ", clean from " + Shown(finding.fixed_version);
  }
  if (finding.answer == match::Answer::kUnknown) {
    std::string why = finding.comparison.empty() ? "no reason given" : Shown(finding.comparison);
    what += " could not be compared (" + why + ")";
    return finding.fixed_version.empty() ? what : what + ", its fix is " + Shown(finding.fixed_version);
  }
  return what + (finding.known_exploited ? " is known to be exploited and " : " ") + Remedy(finding);
}

std::string PolicyMessage(const Policy& policy, std::string_view text) {
  return fmt::format("{}policy {}: {}", policy.mode == Mode::kAudit ? "(audit only) " : "", policy.name, text);
}

std::string FindingsMessage(const Policy& policy, const std::string& rule,
                            const std::vector<const match::Finding*>& offending) {
  return fmt::format("{}policy {}, rule {}: {}{}", policy.mode == Mode::kAudit ? "(audit only) " : "", policy.name, rule,
                     Describe(*offending.front()), AndMore(offending.size()));
}

std::string GapsText(const std::vector<const image::Gap*>& gaps) {
  const image::Gap& first = *gaps.front();
  std::string place = first.path.empty() ? Shown(first.cataloger) : fmt::format("{} ({})", Shown(first.path), Shown(first.cataloger));
  return fmt::format("{}: {}{}", place, Shown(first.reason), AndMore(gaps.size()));
}

std::string ExceptionMessage(const Exception& exception, const match::Finding& first, std::size_t count) {
  return fmt::format("exception {}: {} in {} is accepted until {} ({}; by {}, approved by {}){}", exception.id,
                     Shown(exception.vulnerability), Shown(first.package), FormatTime(exception.expires),
                     Shown(exception.reason.empty() ? "no reason given" : exception.reason), Shown(exception.author),
                     Shown(exception.approver), AndMore(count));
}

}  // namespace bulwark::policy
