// The JSON report; docs/report.schema.json describes it and a test holds both together.

#include <array>

#include "formats/json.h"
#include "report/names.h"
#include "report/render.h"
#include "sbom/cyclonedx.h"
#include "versions/ecosystem.h"

namespace bulwark::report {
namespace {

using formats::JsonWriter;
using match::Finding;

constexpr int kFormat = 1;  // raised when a reader of the old one would misunderstand the new one

void TimeField(JsonWriter& out, std::string_view key, Time t) {
  out.Key(key);
  if (t == kNever) {
    out.Null();
  } else {
    out.String(FormatTime(t));
  }
}

void Texts(JsonWriter& out, std::string_view key, const std::vector<std::string>& texts) {
  out.Key(key).BeginArray();
  for (const std::string& text : texts) out.String(text);
  out.EndArray();
}

void WriteImage(JsonWriter& out, const Report& report) {
  out.Key("image").BeginObject().Field("reference", report.reference);
  out.Field("digest", report.digest.empty() ? std::string() : report.digest.str()).Field("platform", report.platform);
  out.Field("distribution", report.inventory.distribution);
  out.Field("os", report.inventory.os ? report.inventory.os->pretty_name : std::string()).EndObject();
}

void WriteRevisions(JsonWriter& out, const Revisions& revisions) {
  out.Key("revisions").BeginObject().Field("facts_set", revisions.facts_set).Field("limits", revisions.limits);
  out.Field("data", revisions.data);
  TimeField(out, "data_date", revisions.data_date);
  out.Key("policies").BeginArray();
  for (const PolicyRevision& p : revisions.policies) {
    out.BeginObject().Field("name", p.name).Field("revision", p.revision).EndObject();
  }
  out.EndArray().Field("exceptions", revisions.exceptions);
  TimeField(out, "as_of", revisions.as_of);
  out.EndObject();
}

void WriteSummary(JsonWriter& out, const Report& report) {
  std::array<std::uint64_t, 6> by_severity{};
  std::uint64_t affected = 0, unknown = 0, fixable = 0, exploited = 0;
  for (const Finding& f : report.findings.findings) {
    if (f.answer == match::Answer::kNotAffected) continue;
    ++(f.answer == match::Answer::kAffected ? affected : unknown);
    ++by_severity[static_cast<std::size_t>(f.severity)];
    fixable += f.fixed_version.empty() ? 0 : 1;
    exploited += f.known_exploited ? 1 : 0;
  }
  out.Key("summary").BeginObject().Field("packages", std::uint64_t{report.inventory.packages.size()});
  out.Field("affected", affected).Field("not_compared", unknown).Field("fixable", fixable).Field("known_exploited", exploited);
  out.Key("by_severity").BeginObject();
  for (std::size_t i = by_severity.size(); i-- > 0;) out.Field(Word(static_cast<advisory::Severity>(i)), by_severity[i]);
  out.EndObject().Field("fully_scanned", !IsBlind(report)).EndObject();
}

void WriteFinding(JsonWriter& out, const Finding& f) {
  out.BeginObject().Field("key", f.key).Field("id", f.id);
  Texts(out, "aliases", f.aliases);
  out.Field("answer", Word(f.answer)).Field("state", Word(f.state)).Field("kind", Word(f.kind)).Field("confidence", Word(f.confidence));
  out.Field("severity", Word(f.severity)).Key("score");
  if (f.score < 0) {
    out.Null();
  } else {
    out.Number(f.score);
  }
  out.Field("vector", f.vector).Field("known_exploited", f.known_exploited);
  out.Key("epss");
  if (f.epss < 0) out.Null();
  else out.BeginObject().Key("score").Number(f.epss).Key("percentile").Number(f.epss_percentile).EndObject();
  out.Key("package").BeginObject().Field("ecosystem", versions::Name(f.ecosystem)).Field("looked_up_in", f.key_ecosystem);
  out.Field("name", f.package).Field("version", f.version).Field("source", f.source_package).Field("path", f.path);
  out.Field("layer", f.layer.empty() ? std::string() : f.layer.str()).Field("layer_index", f.layer_index);
  out.Field("cataloger", f.cataloger).Field("owned_by", f.owned_by).Field("development", f.development).EndObject();
  out.Key("fix").BeginObject().Field("version", f.fixed_version);
  TimeField(out, "first_seen", f.fixed_at);
  out.EndObject();
  out.Key("proof").BeginObject().Field("source", f.source).Field("record", f.record).Field("range", f.range);
  out.Field("comparison", f.comparison).Field("url", f.url).EndObject().EndObject();
}

void WriteFindings(JsonWriter& out, std::string_view key, const std::vector<Finding>& findings) {
  out.Key(key).BeginArray();
  for (const Finding& finding : findings) WriteFinding(out, finding);
  out.EndArray();
}

void WritePackages(JsonWriter& out, const catalog::Inventory& inventory) {
  out.Key("packages").BeginArray();
  for (const catalog::InventoryPackage& entry : inventory.packages) {
    const image::Package& p = entry.package;
    out.BeginObject().Field("ecosystem", versions::Name(p.ecosystem)).Field("name", p.name).Field("version", p.version).Field("arch", p.arch);
    out.Key("source").BeginObject().Field("name", p.source_name).Field("version", p.source_version).EndObject();
    out.Field("purl", sbom::PackageUrl(p, inventory.distribution)).Field("license", p.license).Field("path", p.path);
    out.Field("layer", entry.layer.empty() ? std::string() : entry.layer.str()).Field("cataloger", entry.cataloger);
    out.Field("owner", entry.owner).Field("development", p.development).Field("locked_only", p.locked_only).Field("hidden", entry.hidden).EndObject();
  }
  out.EndArray();
}

void WriteCoverage(JsonWriter& out, const match::Findings& findings) {
  out.Key("coverage").BeginArray();
  for (const auto& [ecosystem, coverage] : findings.coverage) {
    out.BeginObject().Field("ecosystem", ecosystem).Field("data", !coverage ? "none" : coverage.complete ? "all" : "some").Key("records");
    if (coverage && !coverage.complete) out.Int(static_cast<std::int64_t>(coverage.records));
    else out.Null();
    out.EndObject();
  }
  out.EndArray();
}

void WriteDecision(JsonWriter& out, const PointVerdict& verdict) {
  const policy::Decision& d = verdict.decision;
  out.BeginObject().Field("at", policy::Name(verdict.at)).Field("outcome", policy::Name(d.outcome));
  TimeField(out, "valid_until", d.valid_until);
  out.Key("hold_seconds").Int(d.hold.count() / 1000).Field("quarantine", d.quarantine);
  out.Key("reasons").BeginArray();
  for (const policy::Reason& r : d.reasons) {
    out.BeginObject().Field("effect", policy::Name(r.effect)).Field("policy", r.policy).Field("rule", r.rule);
    out.Field("message", r.message).Field("count", r.count);
    Texts(out, "findings", r.findings);
    out.EndObject();
  }
  out.EndArray().EndObject();
}

}  // namespace

std::string RenderJson(const Report& report) {
  JsonWriter out(JsonWriter::Layout::kIndented);
  out.BeginObject().Field("format", kFormat);
  WriteImage(out, report);
  WriteRevisions(out, report.revisions);
  WriteSummary(out, report);
  out.Key("decisions").BeginArray();
  for (const PointVerdict& verdict : report.verdicts) WriteDecision(out, verdict);
  out.EndArray();
  WriteFindings(out, "findings", report.findings.findings);
  WriteFindings(out, "suppressed", report.findings.suppressed);
  WritePackages(out, report.inventory);
  out.Key("gaps").BeginArray();
  for (const image::Gap& gap : AllGaps(report)) {
    out.BeginObject().Field("kind", Word(gap.kind)).Field("path", gap.path).Field("cataloger", gap.cataloger);
    out.Field("reason", gap.reason).EndObject();
  }
  out.EndArray();
  WriteCoverage(out, report.findings);
  out.Key("exceptions").BeginArray();
  for (const policy::Exception& e : report.exceptions) {
    out.BeginObject().Key("id").Int(e.id).Field("vulnerability", e.vulnerability).Field("package", e.package);
    out.Field("repository", e.repository).Field("reference", e.reference).Field("reason", e.reason).Field("note", e.note);
    out.Field("author", e.author).Field("approver", e.approver);
    TimeField(out, "created", e.created);
    TimeField(out, "expires", e.expires);
    out.EndObject();
  }
  out.EndArray().EndObject();
  return out.Take() + "\n";
}

}  // namespace bulwark::report
