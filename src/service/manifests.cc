#include <algorithm>

#include "audit/audit.h"
#include "base/limits.h"
#include "crypto/hash.h"
#include "service/registry_parts.h"

namespace bulwark::service {
namespace {

using storage::EdgeKind;

constexpr int kAttempts = 50;
constexpr std::size_t kShownWarnings = 5;

Error UnknownManifest(const RepoName& name, const Reference& reference) {
  return {Errc::kNotFound, "MANIFEST_UNKNOWN: no manifest " + Text(reference) + " in " + name.str()};
}

std::vector<storage::Edge> EdgesOf(const formats::OciDocument& document) {
  std::vector<storage::Edge> edges;
  if (document.config) edges.push_back({EdgeKind::kBlob, document.config->digest, document.config->size, true});
  for (const formats::Descriptor& layer : document.layers)
    edges.push_back({EdgeKind::kBlob, layer.digest, layer.size, !MayBeElsewhere(layer)});
  for (const formats::Descriptor& child : document.manifests)
    edges.push_back({EdgeKind::kChild, child.digest, child.size, false});
  return edges;
}

Result<std::optional<storage::Manifest>> Resolve(const storage::ReadTx& tx, storage::RepositoryId repository,
                                                 const Reference& reference) {
  if (const auto* tag = std::get_if<TagName>(&reference)) return storage::FindManifest(tx, repository, *tag);
  return storage::FindManifest(tx, repository, std::get<Digest>(reference));
}

std::vector<std::string> Warnings(const Caller& caller, const Prepared& prepared) {
  const std::string name = caller.NameOf(prepared.material.repository);
  std::vector<std::string> out;
  const policy::Decision& push = prepared.At(policy::PointOfUse::kPush);
  if (push.outcome == policy::Outcome::kDeny) {
    std::string text =
        RefusalText("stored, but quarantined", name, prepared.material.subject.digest, push);
    out.push_back(text.substr(text.find(": ") + 2));
    return out;
  }
  for (const policy::Reason& reason : push.reasons)
    if (reason.effect == policy::Effect::kWarn && out.size() < kShownWarnings) out.push_back(reason.message);
  const policy::Decision& pull = prepared.At(policy::PointOfUse::kPull);
  if (pull.outcome == policy::Outcome::kDeny) {
    std::string text = RefusalText("pulls of it will be refused", name, prepared.material.subject.digest, pull);
    out.push_back(text.substr(text.find(": ") + 2));
  }
  return out;
}

Error FromStorage(Error error) {
  if (error.code == Errc::kNotFound) error.message = "MANIFEST_BLOB_UNKNOWN: " + error.message;
  if (error.code == Errc::kInvalid) error.message = "MANIFEST_INVALID: " + error.message;
  if (error.code == Errc::kLimit) error.message = "SIZE_INVALID: " + error.message;
  return error;
}

}  // namespace

// A push whose document is valid and whose digest is known.
struct Manifests::Incoming {
  formats::OciDocument document;
  Digest digest;
  std::string bytes;
  std::vector<TagName> tags;
  storage::Repository repository;
  std::vector<storage::Edge> edges;
  std::vector<Digest> absent;  // layers that the repository lacks, bytewise
};

Result<ManifestAnswer> Manifests::Get(const Caller& caller, const RepoName& name, const Reference& reference,
                                      Counting counting) {
  const std::uint64_t generation = d_.database.generation();
  BW_TRY(auto repository, d_.rights.Repository(caller, name, auth::Verb::kPull, "manifest.pull"));
  BW_TRY(auto manifest,
         d_.database.Read([&](const storage::ReadTx& tx) { return Resolve(tx, repository.id, reference); }));
  if (!manifest) return UnknownManifest(name, reference);
  // The verdict is that of the digest that is sent, whatever the tag does meanwhile.
  auto pass = d_.gate.Manifest(caller, repository, manifest->digest);
  if (!pass) {
    if (pass.error().code != Errc::kDenied) return pass.error();
    return d_.rights.Refuse(caller, "manifest.pull", ObjectName(name, manifest->digest), pass.error());
  }
  BW_CHECK(d_.gate.Audit(caller, repository, manifest->digest, *pass));
  BW_TRY(Bytes bytes,
         d_.database.Read([&](const storage::ReadTx& tx) { return storage::ManifestBytes(tx, manifest->id); }));
  if (counting == Counting::kPull) d_.pulls.Count(caller, repository, manifest->digest);
  ManifestAnswer answer{manifest->digest, manifest->media_type, std::make_shared<const std::string>(AsText(bytes))};
  if (pass->until > d_.clock.Now())
    d_.manifests.Insert(name, reference, {std::move(repository), answer, pass->until, generation});
  return answer;
}

std::optional<ManifestAnswer> Manifests::AtHand(const Caller& caller, const RepoName& name, const Reference& reference) {
  auto entry = d_.manifests.Find(name, reference, d_.clock.Now());
  if (!entry || !d_.pulls.CountAtHand(caller, entry->repository, entry->answer.digest)) return std::nullopt;
  return entry->answer;
}

Result<PushedManifest> Manifests::Put(const Caller& caller, const RepoName& name, const Reference& reference,
                                      std::string_view content_type, std::string bytes,
                                      const std::vector<TagName>& more_tags) {
  BW_CHECK(d_.rights.Require(caller, name.str(), auth::Verb::kPush, "manifest.push"));
  BW_CHECK(d_.blobs.CheckSpace(bytes.size()));
  if (bytes.size() > limits::kManifestBytes) return {Errc::kLimit, "SIZE_INVALID: the manifest is larger than 4 MiB"};
  const auto* digest = std::get_if<Digest>(&reference);
  Digest actual = crypto::HashWith(digest ? digest->algorithm() : DigestAlgorithm::kSha256, AsBytes(bytes));
  if (digest && actual != *digest)
    return {Errc::kDigest, "DIGEST_INVALID: the bytes received are not " + digest->str()};
  auto document = formats::ParseOciDocument(content_type, bytes);
  if (!document) {
    Error error = document.error();
    error.message = (error.code == Errc::kUnsupported ? "UNSUPPORTED: " : "MANIFEST_INVALID: ") + error.message;
    return d_.rights.Refuse(caller, "manifest.push", ObjectName(name, actual), std::move(error));
  }
  BW_TRY(auto repository, RepositoryForPush(d_, caller, name, "manifest.push"));
  Incoming incoming{*std::move(document), actual, std::move(bytes), more_tags, std::move(repository), {}, {}};
  if (const auto* tag = std::get_if<TagName>(&reference)) incoming.tags.insert(incoming.tags.begin(), *tag);
  incoming.edges = EdgesOf(incoming.document);
  BW_CHECK(FindAbsent(caller, incoming));
  return Store(caller, name, incoming);
}

// What the manifest names and the repository lacks, if that is accepted.
Status Manifests::FindAbsent(const Caller& caller, Incoming& incoming) const {
  return d_.database.Read([&](const storage::ReadTx& tx) -> Status {
    BW_TRY(incoming.absent, storage::MissingBlobs(tx, incoming.repository.id, incoming.edges,
                                                  storage::PrincipalId{caller.principal.id}, d_.clock.Now()));
    auto& absent = incoming.absent;
    auto config = incoming.document.config ? std::find(absent.begin(), absent.end(), incoming.document.config->digest)
                                           : absent.end();
    if (config != absent.end() || (!absent.empty() && d_.sparse != Sparse::kAll)) {
      const Digest& first = config != absent.end() ? *config : absent.front();
      return Error{Errc::kNotFound, "MANIFEST_BLOB_UNKNOWN: upload " + first.str() + " first"};
    }
    std::sort(absent.begin(), absent.end(), [](const Digest& a, const Digest& b) { return a.str() < b.str(); });
    if (d_.sparse != Sparse::kRefuse) return {};
    for (const formats::Descriptor& child : incoming.document.manifests) {
      BW_TRY(auto there, storage::FindManifest(tx, incoming.repository.id, child.digest));
      if (!there) return Error{Errc::kNotFound, "MANIFEST_BLOB_UNKNOWN: push " + child.digest.str() + " first"};
    }
    return {};
  });
}

Result<PushedManifest> Manifests::Store(const Caller& caller, const RepoName& name, const Incoming& incoming) {
  storage::NewManifest manifest;
  manifest.digest = incoming.digest;
  manifest.media_type = incoming.document.media_type;
  manifest.artifact_type = incoming.document.artifact_type;
  if (incoming.document.config) manifest.config_media_type = incoming.document.config->media_type;
  manifest.annotations = incoming.document.annotations;
  if (incoming.document.subject) manifest.subject = incoming.document.subject->digest;
  manifest.edges = incoming.edges;
  manifest.bytes = AsBytes(incoming.bytes);
  manifest.sparse = !incoming.absent.empty();

  Engine::Push push;
  push.repository = incoming.repository.id;
  push.repository_name = incoming.repository.name;
  push.digest = incoming.digest;
  for (const TagName& tag : incoming.tags) push.tags.push_back(tag.str());
  push.pushed_by = storage::PrincipalId{caller.principal.id};
  push.document = &incoming.document;
  push.absent = incoming.absent;

  std::optional<ImageFacts> facts;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    BW_TRY(Prepared prepared, d_.engine.Prepare(push, facts));
    facts = prepared.material.facts;
    BW_CHECK(CheckPushDecision(caller, name, incoming, prepared));
    // From here on the policy lets it in; manifest, tags, verdicts and record commit together.
    Status verdict;  // what Store said: a conflict means judging again
    Status stored = d_.database.Write([&](storage::Tx& tx) -> Status {
      Time now = d_.clock.Now();
      BW_TRY(auto there_still, storage::FindRepository(tx, incoming.repository.id));
      if (!there_still) return {Errc::kNotFound, "the repository was deleted meanwhile"};
      std::optional<TagName> first;
      if (!incoming.tags.empty()) first = incoming.tags.front();
      BW_TRY(auto outcome, storage::PutManifest(tx, incoming.repository.id, manifest, first, push.pushed_by, now));
      BW_TRY(auto absent, storage::AbsentBlobs(tx, incoming.repository.id, incoming.digest));
      if (absent != incoming.absent) return {Errc::kUnavailable, "layers of it came meanwhile; push again"};
      std::vector<Digest> replaced;
      if (outcome.replaced) replaced.push_back(*outcome.replaced);
      for (std::size_t i = 1; i < incoming.tags.size(); ++i) {
        BW_TRY(auto before, storage::SetTag(tx, incoming.repository.id, incoming.tags[i], incoming.digest, now));
        if (before && *before != incoming.digest) replaced.push_back(*before);
      }
      verdict = d_.engine.Store(tx, prepared, incoming.repository.id);
      BW_CHECK(verdict);
      BW_CHECK(MarkCompleted(tx, incoming.repository.id, outcome.completed));
      // An exception may name the tag that moved away.
      for (const Digest& before : replaced)
        BW_CHECK(MarkPending(tx, incoming.repository.id, before, Pending::kException));
      audit::Event event = d_.rights.Event(caller, "manifest.push", ObjectName(name, incoming.digest));
      for (const std::string& tag : push.tags) event.reason += (event.reason.empty() ? "tags " : ", ") + tag;
      return audit::Record(tx, std::move(event));
    });
    if (stored) {
      d_.engine.Announce();
      return PushedManifest{incoming.digest, manifest.subject, push.tags, Warnings(caller, prepared)};
    }
    if (verdict || verdict.error().code != Errc::kConflict) return FromStorage(stored.error());
  }
  return Error{Errc::kUnavailable, "the verdict changes faster than the push can be stored; push again"};
}

Status Manifests::CheckPushDecision(const Caller& caller, const RepoName& name, const Incoming& incoming,
                                    const Prepared& prepared) {
  const policy::Decision& push = prepared.At(policy::PointOfUse::kPush);
  if (push.outcome == policy::Outcome::kAllow || push.outcome == policy::Outcome::kWarn) return {};
  if (push.outcome == policy::Outcome::kDeny && push.quarantine) return {};
  std::string text;
  if (push.outcome == policy::Outcome::kPending) {
    text =
        "DENIED: the push is refused: its analysis is not finished and the policy does not let unscanned images in; "
        "push again in a moment";
  } else {
    text = RefusalText("the push is refused", name.str(), incoming.digest, push);
    // There is nothing stored that a report could be read of.
    text = text.substr(0, text.rfind(". The whole report:")) + ". Fix it and push again, or ask for an exception";
  }
  return d_.rights.Refuse(caller, "manifest.push", ObjectName(name, incoming.digest), {Errc::kDenied, std::move(text)});
}

Status Manifests::Delete(const Caller& caller, const RepoName& name, const Reference& reference) {
  BW_TRY(auto repository, d_.rights.Repository(caller, name, auth::Verb::kDelete, "manifest.delete"));
  Status done = d_.database.Write([&](storage::Tx& tx) -> Status {
    if (const auto* tag = std::get_if<TagName>(&reference)) {
      BW_TRY(Digest before, storage::DeleteTag(tx, repository.id, *tag));
      BW_CHECK(MarkPending(tx, repository.id, before, Pending::kException));
      return audit::Record(tx, d_.rights.Event(caller, "tag.delete", name.str() + ":" + tag->str()));
    }
    BW_TRY(auto deleted, storage::DeleteManifest(tx, repository.id, std::get<Digest>(reference)));
    BW_CHECK(DropSubject(tx, repository.id, deleted.digest));
    BW_CHECK(MarkParents(tx, repository.id, deleted.digest));
    return audit::Record(tx, d_.rights.Event(caller, "manifest.delete", ObjectName(name, deleted.digest)));
  });
  if (!done && done.error().code == Errc::kNotFound) return UnknownManifest(name, reference);
  return done;
}

Result<ReferrersPage> Manifests::Referrers(const Caller& caller, const RepoName& name, const Digest& subject,
                                           const std::optional<std::string>& artifact_type, std::string_view after) {
  BW_CHECK(d_.rights.Require(caller, name.str(), auth::Verb::kPull, "referrers.list"));
  storage::PageRequest page;
  page.limit = limits::kPageMaximum;
  page.after = after;
  // Nobody has pushed there yet: an empty list, for to clients a 404 says that this registry has no referrers API
  // (distribution-spec 1.1, "Listing Referrers").
  BW_TRY(auto found, d_.database.Read([&](const storage::ReadTx& tx) -> Result<storage::Page<storage::Referrer>> {
    BW_TRY(auto repository, storage::ResolveRepository(tx, name));
    if (!repository) return storage::Page<storage::Referrer>{};
    return storage::Referrers(tx, repository->id, subject, artifact_type, page);
  }));
  ReferrersPage out;
  out.next = std::move(found.next);
  for (storage::Referrer& referrer : found.items)
    out.items.push_back({referrer.digest, std::move(referrer.media_type), referrer.size,
                         std::move(referrer.artifact_type), std::move(referrer.annotations)});
  return out;
}

}  // namespace bulwark::service
