// What a judge reads before it decides: one snapshot of subject, facts, tags, sightings, former verdicts and children.

#include <algorithm>
#include <unordered_set>

#include "base/limits.h"
#include "service/engine.h"

namespace bulwark::service {
namespace {

Result<std::optional<Time>> LastSeenRunning(const storage::ReadTx& tx, storage::RepositoryId repository,
                                            const Digest& digest) {
  BW_TRY(auto last, tx.Int("SELECT MAX(last) FROM running_reports WHERE repository = ?1 AND digest = ?2",
                           {repository, digest.str()}));
  return last ? std::optional<Time>(Time(Millis(*last))) : std::nullopt;
}

}  // namespace

Result<formats::OciDocument> StoredDocument(const storage::ReadTx& tx, const storage::Manifest& manifest) {
  BW_TRY(Bytes bytes, storage::ManifestBytes(tx, manifest.id));
  return formats::ParseOciDocument(manifest.media_type, AsText(bytes));
}

Result<Material> Engine::Load(const storage::ReadTx& tx, storage::RepositoryId repository, const Digest& digest) const {
  Material out;
  BW_TRY(auto subject, FindSubject(tx, repository, digest));
  BW_TRY(auto stored, storage::FindRepository(tx, repository));
  if (!subject || !stored) return {Errc::kNotFound, "MANIFEST_UNKNOWN: " + digest.str()};
  out.subject = *std::move(subject);
  out.repository = stored->name;
  BW_CHECK(LoadHistory(tx, out));
  if (out.subject.kind == SubjectKind::kIndex) return out;
  BW_TRY(out.facts, FactsOf(tx, out.subject));
  if (out.facts) {
    out.subject.kind = out.facts->kind;
    out.subject.evidence = out.facts->kind == SubjectKind::kArtifact && IsEvidenceType(out.facts->artifact_type);
  }
  return out;
}

// Tags, sightings and former verdicts.
Status Engine::LoadHistory(const storage::ReadTx& tx, Material& material) const {
  const Subject& subject = material.subject;
  BW_TRY(auto manifest, storage::FindManifest(tx, subject.repository, subject.digest));
  if (manifest) { BW_TRY(material.tags, storage::TagsOf(tx, manifest->id)); }
  BW_TRY(material.running, LastSeenRunning(tx, subject.repository, subject.digest));
  BW_TRY(material.previous, FindVerdicts(tx, subject.repository, subject.digest));
  return {};
}

Result<std::vector<IndexChild>> Engine::LoadChildren(const storage::ReadTx& tx, storage::RepositoryId repository,
                                                     const Digest& index, const formats::OciDocument& document) const {
  std::vector<IndexChild> out;
  for (const formats::Descriptor& descriptor : document.manifests) {
    IndexChild child;
    child.digest = descriptor.digest;
    if (descriptor.platform) child.platform = descriptor.platform->str();
    BW_TRY(auto verdicts, FindVerdicts(tx, repository, child.digest));
    child.present = verdicts.has_value();
    if (verdicts) child.verdicts = *std::move(verdicts);
    BW_TRY(auto proven, tx.Int("SELECT 1 FROM attestations WHERE index_digest = ?1 AND child = ?2",
                               {index.str(), child.digest.str()}));
    // What another repository that holds its layers knows of it is not known here.
    BW_TRY(auto absent, storage::AbsentBlobs(tx, repository, child.digest));
    child.runnable = !proven || !absent.empty();
    out.push_back(std::move(child));
  }
  return out;
}

// Only what a runtime cannot unpack (an artifact) is looked at; the proof is a function of the bytes and kept.
Status Engine::ProveAttestations(Material& material, std::vector<Digest>& proven) const {
  std::unordered_set<Digest> siblings, refuted;
  for (const IndexChild& child : material.children) siblings.insert(child.digest);
  std::uint64_t budget = limits::kStatementsBytes;  // what it does not suffice for counts as runnable
  for (IndexChild& child : material.children) {
    if (!child.present || !child.runnable || refuted.contains(child.digest)) continue;
    if (std::find(proven.begin(), proven.end(), child.digest) != proven.end()) {  // named twice
      child.runnable = false;
      continue;
    }
    std::optional<formats::OciDocument> document;
    BW_CHECK(database_.Read([&](const storage::ReadTx& tx) -> Status {
      BW_TRY(auto subject, FindSubject(tx, material.subject.repository, child.digest));
      if (!subject || subject->kind != SubjectKind::kArtifact) return {};
      BW_TRY(auto manifest, storage::FindManifest(tx, material.subject.repository, child.digest));
      BW_TRY(auto absent, storage::AbsentBlobs(tx, material.subject.repository, child.digest));
      if (!manifest || !absent.empty()) return {};
      BW_TRY(document, StoredDocument(tx, *manifest));
      return {};
    }));
    if (!document) continue;
    siblings.erase(child.digest);
    bool attestation = facts_.IsAttestation(*document, siblings, budget);
    siblings.insert(child.digest);
    if (!attestation) {
      refuted.insert(child.digest);
      continue;
    }
    child.runnable = false;
    proven.push_back(child.digest);
  }
  return {};
}

}  // namespace bulwark::service
