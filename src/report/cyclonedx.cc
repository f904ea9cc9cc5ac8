// Exceptions as CycloneDX sees them: the analysis of what they cover.

#include <map>

#include "base/strings.h"
#include "report/render.h"
#include "sbom/cyclonedx.h"

namespace bulwark::report {
namespace {

// VEX justifications (OpenVEX, CSAF) in the words of CycloneDX.
sbom::Analysis AnalysisOf(const policy::Exception& e) {
  static const std::map<std::string, std::string, std::less<>> kJustifications = {
      {"component_not_present", "code_not_present"},
      {"vulnerable_code_not_present", "code_not_present"},
      {"vulnerable_code_not_in_execute_path", "code_not_reachable"},
      {"vulnerable_code_cannot_be_controlled_by_adversary", "requires_environment"},
      {"inline_mitigations_already_exist", "protected_by_mitigating_control"}};
  sbom::Analysis analysis;
  std::string who = "exception " + std::to_string(e.id) + " by " + e.author + ", approved by " + e.approver + ", until " +
                    FormatTime(e.expires);
  analysis.detail = e.note.empty() ? who : e.note + " (" + who + ")";
  auto known = kJustifications.find(e.reason);
  analysis.state = known == kJustifications.end() ? "exploitable" : "not_affected";  // an accepted risk is still a risk
  if (known != kJustifications.end()) analysis.justification = known->second;
  return analysis;
}

// Which exceptions count is Decide's word: those that it lists with the findings covered. The reason names at most five
// keys, so the others are found by what the exception names.
bool InUse(const Report& report, const policy::Exception& e) {
  std::string begin = "exception " + std::to_string(e.id) + ": ";
  for (const PointVerdict& verdict : report.verdicts) {
    for (const policy::Reason& reason : verdict.decision.reasons) {
      if (reason.rule == "exception" && reason.message.starts_with(begin)) return true;
    }
  }
  return false;
}

bool Covers(const policy::Exception& e, const match::Finding& f) {
  bool package = e.package == "*" || e.package == f.package || e.package == f.source_package;
  bool id = e.vulnerability == f.id;
  for (const std::string& alias : f.aliases) id = id || e.vulnerability == alias;
  return package && id && !e.vulnerability.empty() && !e.package.empty();
}

}  // namespace

std::string RenderCycloneDx(const Report& report) {
  sbom::Subject subject{report.reference, report.digest, report.platform, report.image};
  sbom::Bom bom{subject, report.inventory, &report.findings, {}, report.revisions.as_of};
  for (const policy::Exception& e : report.exceptions) {
    if (!InUse(report, e)) continue;
    for (const match::Finding& f : report.findings.findings) {
      if (Covers(e, f)) bom.analyses.emplace(f.key, AnalysisOf(e));
    }
  }
  return sbom::WriteCycloneDx(bom);
}

}  // namespace bulwark::report
