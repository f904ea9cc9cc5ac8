// bulwark scan TARGET: inventory, findings, decision, report. bulwark sbom TARGET: the inventory alone.

#include <string>
#include <vector>

#include "advisory/index.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "catalog/cataloger.h"
#include "cli/exit_code.h"
#include "cli/image_input.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "match/finding.h"
#include "policy/decide.h"
#include "policy/policy.h"
#include "report/render.h"
#include "sbom/cyclonedx.h"
#include "service/analysis.h"

namespace bulwark::cli {
namespace {

constexpr std::uint64_t kPolicyBytes = 1 << 20;

Result<ImageInput> ReadInput(const ScanArguments& a) {
  sandbox::WorkerOptions options;
  options.mode = a.no_sandbox ? sandbox::Mode::kOff : sandbox::Mode::kRequired;
  auto workers = sandbox::MakeWorkerPool(options);
  if (!workers) return workers.error().code == Errc::kUnsupported ? workers.error().Wrap("no sandbox here (--no-sandbox reads without it)") : workers.error();
  auto analyzer = service::MakeAnalyzer(**workers);
  return ReadImage(a, *analyzer);
}

// The policies to judge by: --fail-on alone, --policy, or the built-in one.
Result<std::vector<policy::Policy>> Policies(const ScanArguments& a) {
  std::vector<policy::Policy> out;
  for (const auto& text : a.fail_on) {
    BW_TRY(auto matcher, policy::ParseMatchers(text));
    out.push_back(policy::FailOnPolicy(std::move(matcher)));
  }
  if (!a.policy.empty()) {
    BW_TRY(std::string yaml, ReadFile(a.policy, kPolicyBytes));
    auto parsed = policy::ParsePolicy(yaml);
    if (!parsed) return parsed.error().Wrap(a.policy);
    out.push_back(*std::move(parsed));
  }
  if (out.empty()) out.push_back(policy::DefaultPolicy());
  return out;
}

policy::Facts FactsOf(const report::Report& report, const ImageInput& input) {
  policy::Facts facts;
  facts.repository = input.repository.empty() ? "local/image" : input.repository;
  if (!input.tag.empty()) facts.tags.push_back(input.tag);
  facts.digest = input.digest;
  facts.scanned = true;
  facts.gaps = report::AllGaps(report);
  facts.findings = report.findings.findings;
  facts.data_date = report.revisions.data_date;
  facts.pushed = report.revisions.as_of;
  return facts;
}

Result<report::Report> MakeReport(const ScanArguments& a) {
  // What can be wrong with the arguments is found before anything is read.
  BW_TRY(auto policies, Policies(a));
  std::shared_ptr<const advisory::Index> index = advisory::StarterIndex();  // shared as advisory::Index documents
  if (!a.database.empty()) {
    BW_TRY(index, advisory::OpenIndex(a.database));
  }
  Time as_of = index->data_date() == kNever ? SystemClock().Now() : index->data_date();
  if (!a.as_of.empty()) {
    BW_TRY(as_of, ParseTime(a.as_of));
  }
  BW_TRY(ImageInput input, ReadInput(a));
  report::Report out;
  out.reference = input.name;
  out.digest = input.digest;
  out.platform = input.platform;
  out.image = !input.digest.empty();
  out.revisions.facts_set = catalog::kSetVersion;
  out.revisions.limits = limits::kLimitsVersion;
  out.revisions.data = index->revision();
  out.revisions.data_date = index->data_date();
  out.revisions.as_of = as_of;
  for (const auto& policy : policies) out.revisions.policies.push_back({policy.name, policy.revision});
  out.inventory = std::move(input.inventory);
  out.findings = match::Find(out.inventory, *index);
  // Judged as a pull: grace and quarantine have no meaning here.
  out.verdicts.push_back({policy::PointOfUse::kPull, policy::Decide(FactsOf(out, input), policies, policy::PointOfUse::kPull, as_of)});
  return out;
}

std::string Render(const report::Report& report, const std::string& format, bool to_file) {
  bool terminal = !to_file && OutIsTerminal();
  std::string chosen = format.empty() ? (terminal ? "table" : "json") : format;
  if (chosen == "json") return report::RenderJson(report);
  if (chosen == "cyclonedx") return report::RenderCycloneDx(report);
  return report::RenderTable(report, {UseColour(terminal) ? report::Colour::kYes : report::Colour::kNo, terminal ? TerminalWidth() : 120});
}

std::string PackageTable(const catalog::Inventory& inventory) {
  std::string out;
  for (const auto& entry : inventory.packages)
    out += std::string(versions::Name(entry.package.ecosystem)) + "  " + Printable(entry.package.name) + "  " + Printable(entry.package.version) + "  " +
           Printable(entry.package.path) + "\n";
  for (const auto& gap : inventory.gaps)
    out += std::string("not read: ") + Printable(gap.path.empty() ? "the layer" : gap.path) + ": " + Printable(gap.reason) + "\n";
  return out;
}

}  // namespace

int RunScan(const ScanArguments& a) {
  auto report = MakeReport(a);
  if (!report) return FailAtRegistry(report.error());
  if (a.database.empty()) NoteLine("judged by the starter data in this binary, a small choice of advisories; 'bulwark db build' makes a file of more for --db");
  if (report->inventory.packages.empty()) NoteLine("no package database, lock file or known program was found in " + a.target + ": nothing was compared with the advisories");
  auto written = WriteOutput(a.output, Render(*report, a.format, !a.output.empty()));
  if (!written) return Fail(written.error());
  auto outcome = report->verdicts.front().decision.outcome;
  bool passed = outcome == policy::Outcome::kAllow || outcome == policy::Outcome::kWarn;
  return passed ? kPass : kPolicyFailed;
}

int RunSbom(const ScanArguments& a) {
  auto input = ReadInput(a);
  if (!input) return Fail(input.error());
  bool terminal = a.output.empty() && OutIsTerminal();
  std::string text;
  if (a.format == "table" || (a.format.empty() && terminal)) {
    text = PackageTable(input->inventory);
  } else if (a.format == "json") {
    report::Report report;
    report.reference = input->name;
    report.digest = input->digest;
    report.platform = input->platform;
    report.image = !input->digest.empty();
    report.revisions.facts_set = catalog::kSetVersion;
    report.revisions.limits = limits::kLimitsVersion;
    report.inventory = std::move(input->inventory);
    text = report::RenderJson(report);
  } else {
    sbom::Subject subject{input->name, input->digest, input->platform, !input->digest.empty()};
    text = sbom::WriteCycloneDx({subject, input->inventory, nullptr, {}, kNever});
  }
  auto written = WriteOutput(a.output, text);
  return written ? kPass : Fail(written.error());
}

}  // namespace bulwark::cli
