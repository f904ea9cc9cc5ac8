// CycloneDX 1.6 JSON (ECMA-424, cyclonedx.org/docs/1.6/json). The order of everything is that of inventory and findings,
// which are sorted; the serial number comes from a hash of the rest of the text.

#include "sbom/cyclonedx.h"

#include <set>
#include <tuple>

#include <fmt/format.h>

#include "base/hex.h"
#include "crypto/hash.h"
#include "formats/json.h"
#include "versions/ecosystem.h"

namespace bulwark::sbom {
namespace {

using catalog::InventoryPackage;
using formats::JsonWriter;
using match::Finding;

// Stands where the serial number comes; no foreign text is written before it.
constexpr std::string_view kNoSerial = "urn:uuid:00000000-0000-0000-0000-000000000000";
constexpr std::size_t kLicenseLength = 200;  // longer ones are license texts, not names

std::string ShortHash(std::string_view text) { return crypto::Sha256(AsBytes(text)).hex().substr(0, 16); }

class Writer {
 public:
  explicit Writer(const Bom& bom) : bom_(bom), out_(JsonWriter::Layout::kIndented) { NameComponents(); }

  std::string Write() {
    out_.BeginObject();
    out_.Field("$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json");
    out_.Field("bomFormat", "CycloneDX").Field("specVersion", "1.6").Field("serialNumber", kNoSerial).Field("version", 1);
    WriteMetadata();
    WriteComponents();
    WriteCompositions();
    if (bom_.findings != nullptr) WriteVulnerabilities();
    out_.EndObject();
    return WithSerial(out_.Take() + "\n");
  }

 private:
  using PackageId = std::tuple<versions::Ecosystem, std::string, std::string, std::string>;

  void NameComponents();
  void WriteMetadata();
  void WriteComponents();
  void WriteOs(const image::OsRelease& os);
  void WritePackage(const InventoryPackage& package, const std::string& ref);
  void WriteCompositions();
  void WriteVulnerabilities();
  void WriteVulnerability(const Finding& finding);
  void WriteRating(const Finding& finding);
  void WriteAnalysis(const Finding& finding);
  void Property(std::string_view name, std::string_view value) {
    out_.BeginObject().Field("name", name).Field("value", value).EndObject();
  }
  static std::string WithSerial(std::string text);

  const Bom& bom_;
  JsonWriter out_;
  std::string subject_ref_;
  std::vector<std::string> refs_;               // of inventory.packages, in order
  std::map<PackageId, std::string> ref_of_;
};

void Writer::NameComponents() {
  subject_ref_ = bom_.subject.digest.empty() ? "subject" : bom_.subject.digest.str();
  std::set<std::string> taken = {subject_ref_};
  for (const InventoryPackage& p : bom_.inventory.packages) {
    const image::Package& k = p.package;
    std::string id = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", versions::Name(k.ecosystem), k.name, k.version, k.arch, k.path, p.layer.str());
    std::string ref = "pkg-" + ShortHash(id);
    for (int n = 2; !taken.insert(ref).second; ++n) ref = fmt::format("pkg-{}-{}", ShortHash(id), n);
    ref_of_.emplace(PackageId(k.ecosystem, k.name, k.version, k.path), ref);
    refs_.push_back(std::move(ref));
  }
}

void Writer::WriteMetadata() {
  const Subject& subject = bom_.subject;
  out_.Key("metadata").BeginObject();
  if (bom_.timestamp != kNever) out_.Field("timestamp", FormatTime(bom_.timestamp));
  out_.Key("tools").BeginObject().Key("components").BeginArray();
  out_.BeginObject().Field("type", "application").Field("name", "bulwark").Field("version", BW_VERSION).EndObject();
  out_.EndArray().EndObject();
  out_.Key("component").BeginObject();
  out_.Field("type", subject.image ? "container" : "file").Field("bom-ref", subject_ref_);
  out_.Field("name", subject.reference.empty() ? std::string("unnamed") : subject.reference);
  if (!subject.digest.empty()) {
    out_.Field("version", subject.digest.str());
    out_.Key("hashes").BeginArray().BeginObject();
    out_.Field("alg", subject.digest.algorithm() == DigestAlgorithm::kSha256 ? "SHA-256" : "SHA-512");
    out_.Field("content", subject.digest.hex()).EndObject().EndArray();
  }
  if (!subject.platform.empty()) {
    out_.Key("properties").BeginArray();
    Property("bulwark:platform", subject.platform);
    out_.EndArray();
  }
  out_.EndObject().EndObject();
}

void Writer::WriteComponents() {
  out_.Key("components").BeginArray();
  if (bom_.inventory.os) WriteOs(*bom_.inventory.os);
  for (std::size_t i = 0; i < refs_.size(); ++i) WritePackage(bom_.inventory.packages[i], refs_[i]);
  out_.EndArray();
}

void Writer::WriteOs(const image::OsRelease& os) {
  out_.BeginObject().Field("type", "operating-system").Field("bom-ref", "os");
  out_.Field("name", os.id.empty() ? std::string("unknown") : os.id);
  if (!os.version_id.empty()) out_.Field("version", os.version_id);
  if (!os.pretty_name.empty()) out_.Field("description", os.pretty_name);
  out_.EndObject();
}

void Writer::WritePackage(const InventoryPackage& p, const std::string& ref) {
  const image::Package& package = p.package;
  out_.BeginObject().Field("type", "library").Field("bom-ref", ref);
  out_.Field("name", package.name).Field("version", package.version);
  if (package.development) out_.Field("scope", "excluded");
  if (!package.license.empty() && package.license.size() <= kLicenseLength) {
    out_.Key("licenses").BeginArray().BeginObject().Key("license").BeginObject().Field("name", package.license);
    out_.EndObject().EndObject().EndArray();
  }
  if (std::string purl = PackageUrl(package, bom_.inventory.distribution); !purl.empty()) out_.Field("purl", purl);
  if (!package.path.empty()) {
    out_.Key("evidence").BeginObject().Key("occurrences").BeginArray();
    out_.BeginObject().Field("location", package.path).EndObject().EndArray().EndObject();
  }
  out_.Key("properties").BeginArray();
  Property("bulwark:cataloger", p.cataloger);
  if (!p.layer.empty()) Property("bulwark:layer", p.layer.str());
  if (!package.source_name.empty()) Property("bulwark:source", package.source_name + " " + package.source_version);
  if (!p.owner.empty()) Property("bulwark:owner", p.owner);
  if (package.locked_only) Property("bulwark:locked_only", "true");
  if (p.hidden) Property("bulwark:hidden", "true");
  out_.EndArray().EndObject();
}

// What was not read is said in the words of the format: the inventory is incomplete.
void Writer::WriteCompositions() {
  bool whole = bom_.inventory.gaps.empty() && (bom_.findings == nullptr || bom_.findings->gaps.empty());
  out_.Key("compositions").BeginArray().BeginObject();
  out_.Field("aggregate", whole ? "complete" : "incomplete");
  out_.Key("assemblies").BeginArray().String(subject_ref_).EndArray().EndObject().EndArray();
}

void Writer::WriteVulnerabilities() {
  out_.Key("vulnerabilities").BeginArray();
  for (const Finding& finding : bom_.findings->findings) {
    if (finding.answer != match::Answer::kNotAffected) WriteVulnerability(finding);
  }
  out_.EndArray();
}

void Writer::WriteVulnerability(const Finding& f) {
  out_.BeginObject().Field("bom-ref", "finding-" + f.key).Field("id", f.id);
  out_.Key("source").BeginObject().Field("name", f.source);
  if (!f.url.empty()) out_.Field("url", f.url);
  out_.EndObject();
  if (!f.aliases.empty()) {
    out_.Key("references").BeginArray();
    for (const std::string& alias : f.aliases) {
      out_.BeginObject().Field("id", alias).Key("source").BeginObject().Field("name", alias.substr(0, alias.find('-'))).EndObject().EndObject();
    }
    out_.EndArray();
  }
  WriteRating(f);
  if (!f.fixed_version.empty()) {
    const std::string& what = f.source_package.empty() ? f.package : f.source_package;
    out_.Field("recommendation", fmt::format("Upgrade {} to {}", what, f.fixed_version));
  }
  WriteAnalysis(f);
  auto ref = ref_of_.find(PackageId(f.ecosystem, f.package, f.version, f.path));
  out_.Key("affects").BeginArray().BeginObject();
  out_.Field("ref", ref == ref_of_.end() ? subject_ref_ : ref->second);
  out_.Key("versions").BeginArray().BeginObject().Field("version", f.version);
  out_.Field("status", f.answer == match::Answer::kAffected ? "affected" : "unknown").EndObject().EndArray();
  out_.EndObject().EndArray();
  out_.Key("properties").BeginArray();
  Property("bulwark:comparison", f.comparison);
  Property("bulwark:range", f.range);
  Property("bulwark:record", f.record);
  if (f.known_exploited) Property("bulwark:known_exploited", "true");
  if (!f.owned_by.empty()) Property("bulwark:owned_by", f.owned_by);
  out_.EndArray().EndObject();
}

std::string_view MethodOf(std::string_view vector) {
  if (vector.starts_with("CVSS:4.0/")) return "CVSSv4";
  if (vector.starts_with("CVSS:3.1/")) return "CVSSv31";
  if (vector.starts_with("CVSS:3.0/")) return "CVSSv3";
  return vector.starts_with("AV:") ? "CVSSv2" : "other";
}

void Writer::WriteRating(const Finding& f) {
  out_.Key("ratings").BeginArray().BeginObject();
  if (f.score >= 0) out_.Key("score").Number(f.score);
  out_.Field("severity", advisory::Name(f.severity));
  if (!f.vector.empty()) out_.Field("method", MethodOf(f.vector)).Field("vector", f.vector);
  out_.EndObject();
  if (f.epss >= 0) {
    out_.BeginObject().Key("source").BeginObject().Field("name", "EPSS").Field("url", "https://www.first.org/epss/").EndObject();
    out_.Key("score").Number(f.epss).Field("method", "other").EndObject();
  }
  out_.EndArray();
}

void Writer::WriteAnalysis(const Finding& f) {
  Analysis analysis;
  if (auto given = bom_.analyses.find(f.key); given != bom_.analyses.end()) {
    analysis = given->second;
  } else if (f.answer != match::Answer::kAffected) {
    analysis = {"in_triage", "", "could not be compared: " + f.comparison};
  } else {
    return;
  }
  out_.Key("analysis").BeginObject().Field("state", analysis.state);
  if (!analysis.justification.empty()) out_.Field("justification", analysis.justification);
  if (!analysis.detail.empty()) out_.Field("detail", analysis.detail);
  out_.EndObject();
}

// RFC 9562 version 8 of the hash: equal content, equal number.
std::string Writer::WithSerial(std::string text) {
  std::string hex = crypto::Sha256(AsBytes(text)).hex();
  hex[12] = '8';
  hex[16] = "89ab"[(hex[16] >= 'a' ? hex[16] - 'a' + 10 : hex[16] - '0') & 3];
  std::string serial = fmt::format("urn:uuid:{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                                   hex.substr(16, 4), hex.substr(20, 12));
  std::size_t at = text.find(kNoSerial);
  text.replace(at, kNoSerial.size(), serial);
  return text;
}

}  // namespace

std::string WriteCycloneDx(const Bom& bom) { return Writer(bom).Write(); }

}  // namespace bulwark::sbom
