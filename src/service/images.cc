#include "service/images.h"

#include "formats/oci.h"
#include "match/finding.h"
#include "service/engine.h"
#include "service/inputs.h"
#include "service/rights.h"

namespace bulwark::service {
namespace {

using auth::Verb;
using policy::PointOfUse;

ImageRow RowOf(const storage::Manifest& manifest, const Subject& subject, const Verdicts& verdicts,
               std::vector<std::string> tags) {
  ImageRow row{manifest.digest, manifest.media_type, subject.kind,
               std::move(tags), manifest.size,       subject.pushed,
               false,           subject.summary,     {}};
  for (PointOfUse at : kPoints) row.outcomes[IndexOf(at)] = verdicts[IndexOf(at)].decision.outcome;
  policy::Outcome push = row.outcomes[IndexOf(PointOfUse::kPush)];
  row.quarantined = subject.quarantined && (push == policy::Outcome::kDeny || push == policy::Outcome::kPending);
  return row;
}

}  // namespace

struct Images::Found {
  storage::Repository repository;
  storage::Manifest manifest;
  std::vector<std::string> tags;
};

Result<Images::Found> Images::Find(const Caller& caller, const RepoName& name, const Reference& reference) {
  BW_TRY(auto repository, service_.rights().Repository(caller, name, Verb::kReadReport, "report.read"));
  Found out{std::move(repository), {}, {}};
  BW_CHECK(service_.parts().database.Read([&](const storage::ReadTx& tx) -> Status {
    const auto* tag = std::get_if<TagName>(&reference);
    BW_TRY(auto manifest, tag ? storage::FindManifest(tx, out.repository.id, *tag)
                              : storage::FindManifest(tx, out.repository.id, std::get<Digest>(reference)));
    if (!manifest) return {Errc::kNotFound, "no image " + Text(reference) + " in " + name.str()};
    out.manifest = *std::move(manifest);
    BW_TRY(out.tags, storage::TagsOf(tx, out.manifest.id));
    return {};
  }));
  return out;
}

Result<storage::Page<ImageRow>> Images::List(const Caller& caller, const RepoName& name,
                                             const storage::PageRequest& page) {
  BW_TRY(auto repository, service_.rights().Repository(caller, name, Verb::kReadReport, "report.read"));
  storage::Page<storage::Manifest> manifests;
  storage::Page<ImageRow> out;
  BW_TRY(manifests, service_.parts().database.Read(
                        [&](const storage::ReadTx& tx) { return storage::ListManifests(tx, repository.id, page); }));
  for (const storage::Manifest& manifest : manifests.items) {
    auto verdicts = service_.engine().Current(repository.id, manifest.digest);
    if (!verdicts && verdicts.error().code == Errc::kNotFound) continue;  // deleted meanwhile
    if (!verdicts) return verdicts.error();
    BW_CHECK(service_.parts().database.Read([&](const storage::ReadTx& tx) -> Status {
      BW_TRY(auto subject, FindSubject(tx, repository.id, manifest.digest));
      if (!subject) return {};
      BW_TRY(auto tags, storage::TagsOf(tx, manifest.id));
      out.items.push_back(RowOf(manifest, *subject, *verdicts, std::move(tags)));
      return {};
    }));
  }
  out.next = manifests.next;
  return out;
}

Result<Why> Images::Explain(const Caller& caller, const RepoName& name, const Reference& reference) {
  BW_TRY(Found found, Find(caller, name, reference));
  Why out;
  out.repository = found.repository.name;
  BW_TRY(out.verdicts, service_.engine().Current(found.repository.id, found.manifest.digest));
  BW_CHECK(service_.parts().database.Read([&](const storage::ReadTx& tx) -> Status {
    BW_TRY(auto subject, FindSubject(tx, found.repository.id, found.manifest.digest));
    if (!subject) return {Errc::kNotFound, "no image " + Text(reference) + " in " + name.str()};
    out.image = RowOf(found.manifest, *subject, out.verdicts, found.tags);
    if (subject->kind != SubjectKind::kIndex) return {};
    BW_TRY(Bytes bytes, storage::ManifestBytes(tx, found.manifest.id));
    BW_TRY(auto document, formats::ParseOciDocument(found.manifest.media_type, AsText(bytes)));
    for (const formats::Descriptor& descriptor : document.manifests) {
      ChildRow child{descriptor.digest, descriptor.platform.value_or(formats::Platform{}).str(), true, true,
                     policy::Outcome::kDeny};
      BW_TRY(auto verdicts, FindVerdicts(tx, found.repository.id, child.digest));
      child.present = verdicts.has_value();
      if (verdicts) child.pull = (*verdicts)[IndexOf(PointOfUse::kPull)].decision.outcome;
      BW_TRY(auto proven, tx.Int("SELECT 1 FROM attestations WHERE index_digest = ?1 AND child = ?2",
                                 {found.manifest.digest.str(), child.digest.str()}));
      BW_TRY(auto absent, storage::AbsentBlobs(tx, found.repository.id, child.digest));
      child.runnable = !proven || !absent.empty();
      out.children.push_back(std::move(child));
    }
    return {};
  }));
  return out;
}

Result<report::Report> Images::Report(const Caller& caller, const RepoName& name, const Reference& reference,
                                      std::optional<Time> as_of) {
  BW_TRY(Found found, Find(caller, name, reference));
  auto inputs = service_.inputs().Current();
  std::optional<ImageFacts> facts;
  std::optional<Subject> subject;
  BW_CHECK(service_.parts().database.Read([&](const storage::ReadTx& tx) -> Status {
    BW_TRY(subject, FindSubject(tx, found.repository.id, found.manifest.digest));
    if (subject) { BW_TRY(facts, FactsOf(tx, *subject)); }
    return {};
  }));
  if (!subject) return Error{Errc::kNotFound, "no image " + Text(reference) + " in " + name.str()};
  if (subject->kind == SubjectKind::kIndex)
    return Error{Errc::kInvalid, "an index of several images: ask for one of its children by digest"};
  if (!facts) return Error{Errc::kConflict, "the image is being analysed"};
  // From here on only values.
  report::Report out;
  out.reference = found.repository.name + (std::holds_alternative<TagName>(reference) ? ":" : "@") + Text(reference);
  out.digest = found.manifest.digest;
  out.platform = facts->platform;
  out.image = facts->kind == SubjectKind::kImage;
  out.inventory = *facts->inventory;
  if (out.image) out.findings = match::Find(out.inventory, *inputs->index);
  out.exceptions = inputs->ExceptionsFor(found.repository.name, found.tags, out.digest);
  out.revisions = {
      facts->set_version, facts->limits_version, inputs->epochs.data, inputs->index->data_date(), {}, "", Time{}};
  const Time dated = inputs->index->data_date();
  out.revisions.as_of = as_of.value_or(dated == kNever ? service_.parts().clock.Now() : dated);
  if (!out.exceptions.empty()) out.revisions.exceptions = RevisionOf(out.exceptions);
  Material material{*subject, found.repository.name, found.tags, facts, {}, std::nullopt, std::nullopt};
  Judgement judgement = Judge(material, *inputs, out.revisions.as_of);
  for (PointOfUse at : kPoints) out.verdicts.push_back({at, judgement.verdicts[IndexOf(at)].decision});
  for (const policy::Policy& policy : inputs->policies) {
    bool speaks = false;
    for (PointOfUse at : kPoints) speaks = speaks || policy::Applies(policy, found.repository.name, at);
    if (speaks) out.revisions.policies.push_back({policy.name, policy.revision});
  }
  return out;
}

}  // namespace bulwark::service
