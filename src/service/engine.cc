// Judging is optimistic: material is read and decided outside any write, and stored only if neither the inputs (epochs)
// nor the manifest itself (generation) have changed meanwhile; else it starts anew.

#include "service/engine.h"

#include <algorithm>

#include "audit/audit.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"

namespace bulwark::service {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kAttempts = 50;
constexpr int kIndexDepth = 4;
constexpr milliseconds kPushPatience{2000};  // analysis usually ends moments after the last byte

const Error kChanged{Errc::kConflict, "what the verdict rests on has changed"};
bool IsChanged(const Error& error) { return error.code == kChanged.code && error.message == kChanged.message; }

Status RecordEvents(storage::Tx& tx, const Prepared& prepared, Time now) {
  for (const std::string& text : prepared.judgement.events) {
    audit::Event event;
    event.at = now;
    event.actor = "system";
    event.action = "verdict.change";
    event.object = prepared.material.repository + "@" + prepared.material.subject.digest.str();
    event.reason = text;
    BW_CHECK(audit::Record(tx, std::move(event)));
  }
  return {};
}

bool SameDecisions(const Verdicts& a, const Verdicts& b) {
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](const Verdict& x, const Verdict& y) { return x.decision == y.decision; });
}

// A row of `jobs` that is there already keeps its turn.
Status QueueFacts(storage::Tx& tx, const Digest& digest, int priority, Time now) {
  BW_CHECK(
      tx.Exec("INSERT INTO jobs (kind, key, priority, not_before, lease_until, attempts, problem) VALUES ('facts', ?1, "
              "?2, ?3, 0, 0, '') "
              "ON CONFLICT (kind, key) DO NOTHING",
              {digest.str(), priority, now}));
  return {};
}

}  // namespace

Engine::Engine(storage::Database& database, const FactsMaker& facts, InputStore& inputs, const Clock& clock)
    : database_(database), facts_(facts), inputs_(inputs), clock_(clock) {}

// ---- push ----

Result<Prepared> Engine::Prepare(const Push& push, std::optional<ImageFacts> facts) {
  const bool index = push.document->kind == formats::DocumentKind::kIndex;
  auto gather = [&](milliseconds patience) -> Status {
    if (index || facts) return {};
    auto made = facts_.Make(*push.document, patience);
    // kCancelled: the server stops, and the client is told what is known.
    const bool pending = !made && (made.error().code == Errc::kUnavailable || made.error().code == Errc::kCancelled);
    if (!made) return pending ? Status() : Status(made.error());
    facts = *std::move(made);
    return {};
  };
  if (!push.absent.empty()) {
    BW_TRY(facts, facts_.MakeSparse(*push.document, push.absent));
  } else if (!index) {
    BW_TRY(auto stored, database_.Read([&](const storage::ReadTx& tx) { return LoadFacts(tx, push.digest); }));
    if (stored && IsCurrent(*stored)) facts = std::move(stored);
  }
  BW_CHECK(gather(kPushPatience));
  if (index && push.repository) BW_CHECK(RefreshChildren(*push.repository, *push.document, kIndexDepth));
  BW_TRY(Prepared prepared, Decide(push, facts));
  const policy::Decision decision = prepared.At(policy::PointOfUse::kPush);
  if (decision.outcome != policy::Outcome::kPending) return prepared;
  // The policy lets a push wait for its verdict; it ends in a denial.
  if (index && push.repository) {
    const auto deadline = steady_clock::now() + decision.hold;
    for (const IndexChild& child : prepared.material.children) {
      auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
      if (child.present && left.count() > 0)
        BW_CHECK(WaitFor(*push.repository, child.digest, policy::PointOfUse::kPush, left));
    }
  } else {
    BW_CHECK(gather(decision.hold));
  }
  return Decide(push, facts);
}

Result<Prepared> Engine::Decide(const Push& push, const std::optional<ImageFacts>& facts) {
  Prepared out;
  out.inputs = inputs_.Current();
  Material& material = out.material;
  material.repository = push.repository_name;
  material.facts = facts;
  Subject& subject = material.subject;
  subject.digest = push.digest;
  subject.pushed_by = push.pushed_by;
  subject.pushed = clock_.Now();
  subject.kind = push.document->kind == formats::DocumentKind::kIndex ? SubjectKind::kIndex
                 : facts                                              ? facts->kind
                                                                      : SubjectKind::kImage;
  subject.evidence = facts && subject.kind == SubjectKind::kArtifact && IsEvidenceType(facts->artifact_type);
  material.tags = push.tags;
  BW_CHECK(database_.Read([&](const storage::ReadTx& tx) -> Status {
    if (!push.repository) {
      for (const formats::Descriptor& child : push.document->manifests)
        material.children.push_back(
            {child.digest, child.platform.value_or(formats::Platform{}).str(), false, true, {}});
      return {};
    }
    subject.repository = *push.repository;
    BW_TRY(auto stored, FindSubject(tx, subject.repository, subject.digest));
    if (stored) {
      subject.pushed_by = stored->pushed_by;
      subject.pushed = stored->pushed;
      subject.quarantined = stored->quarantined;
      subject.generation = stored->generation;
    }
    BW_CHECK(LoadHistory(tx, material));
    BW_TRY(material.children, LoadChildren(tx, subject.repository, subject.digest, *push.document));
    return {};
  }));
  for (const std::string& tag : push.tags)
    if (std::find(material.tags.begin(), material.tags.end(), tag) == material.tags.end()) material.tags.push_back(tag);
  std::sort(material.tags.begin(), material.tags.end());
  BW_CHECK(ProveAttestations(material, out.attestations));
  out.judgement = service::Judge(material, *out.inputs, clock_.Now());
  const policy::Decision& push_decision = out.At(policy::PointOfUse::kPush);
  if (push_decision.outcome == policy::Outcome::kDeny && push_decision.quarantine) subject.quarantined = true;
  return out;
}

Status Engine::Store(storage::Tx& tx, const Prepared& prepared, storage::RepositoryId repository) {
  Prepared stored = prepared;
  stored.material.subject.repository = repository;
  BW_CHECK(StoreJudgement(tx, stored));
  const auto& facts = prepared.material.facts;
  if (facts && !facts->sparse) BW_CHECK(SaveFacts(tx, prepared.material.subject.digest, *facts));
  return {};
}

void Engine::Announce() {
  MutexLock lock(mutex_);
  ++announced_;
  judged_.notify_all();
}

// ---- use ----

Result<Verdicts> Engine::Current(storage::RepositoryId repository, const Digest& digest) {
  BW_TRY(auto stored, database_.Read([&](const storage::ReadTx& tx) { return FindVerdicts(tx, repository, digest); }));
  if (!stored) return JudgeNow(repository, digest);
  Time now = clock_.Now();
  bool serves = std::all_of(stored->begin(), stored->end(), [&](const Verdict& verdict) {
    return OldVerdictServes(verdict.pending) && verdict.decision.valid_until > now;
  });
  if (serves) return *std::move(stored);
  return JudgeNow(repository, digest);
}

Result<Verdicts> Engine::WaitFor(storage::RepositoryId repository, const Digest& digest, policy::PointOfUse at,
                                 milliseconds hold) {
  const auto deadline = steady_clock::now() + hold;
  while (true) {
    std::uint64_t seen = 0;
    {
      MutexLock lock(mutex_);
      seen = announced_;
    }
    BW_TRY(Verdicts verdicts, Current(repository, digest));
    if (verdicts[IndexOf(at)].decision.outcome != policy::Outcome::kPending) return verdicts;
    MutexLock lock(mutex_);
    // The rest of the requests must be served, and those for other repositories may wait too.
    const bool full = held_ >= limits::kHeldRequests;
    if (full || stopping_ || held_in_[repository] >= limits::kHeldOfRepository) return verdicts;
    ++held_;
    ++held_in_[repository];
    bool in_time = true;
    while (in_time && !stopping_ && announced_ == seen) in_time = judged_.wait_until(mutex_, deadline) != std::cv_status::timeout;
    --held_;
    if (--held_in_[repository] == 0) held_in_.erase(repository);
    if (!in_time) return verdicts;
  }
}

void Engine::StopWaiting() {
  MutexLock lock(mutex_);
  stopping_ = true;
  judged_.notify_all();
}

Result<Verdicts> Engine::JudgeNow(storage::RepositoryId repository, const Digest& digest) {
  return Judge(repository, digest, kIndexDepth);
}

Result<Verdicts> Engine::Judge(storage::RepositoryId repository, const Digest& digest, int depth) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Prepared prepared;
    prepared.inputs = inputs_.Current();
    std::optional<formats::OciDocument> index;
    BW_CHECK(database_.Read([&](const storage::ReadTx& tx) -> Status {
      BW_TRY(prepared.material, Load(tx, repository, digest));
      if (prepared.material.subject.kind != SubjectKind::kIndex) return {};
      BW_TRY(auto manifest, storage::FindManifest(tx, repository, digest));
      if (!manifest) return {Errc::kNotFound, "MANIFEST_UNKNOWN: " + digest.str()};
      BW_TRY(index, StoredDocument(tx, *manifest));
      return {};
    }));
    if (index) {
      // An index is judged on verdicts of its children that are true now.
      BW_CHECK(RefreshChildren(repository, *index, depth));
      BW_CHECK(database_.Read([&](const storage::ReadTx& tx) -> Status {
        BW_TRY(prepared.material.children, LoadChildren(tx, repository, digest, *index));
        return {};
      }));
      BW_CHECK(ProveAttestations(prepared.material, prepared.attestations));
    }
    prepared.judgement = service::Judge(prepared.material, *prepared.inputs, clock_.Now());
    Status stored = database_.Write([&](storage::Tx& tx) { return StoreJudgement(tx, prepared); });
    if (stored) {
      Announce();
      return prepared.judgement.verdicts;
    }
    if (!IsChanged(stored.error())) return stored.error();
  }
  return {Errc::kUnavailable, "the verdict of " + digest.short_str() + " changes faster than it can be judged"};
}

Status Engine::RefreshChildren(storage::RepositoryId repository, const formats::OciDocument& document, int depth) {
  if (depth == 0) return {};
  for (const formats::Descriptor& child : document.manifests) {
    BW_TRY(auto verdicts,
           database_.Read([&](const storage::ReadTx& tx) { return FindVerdicts(tx, repository, child.digest); }));
    if (!verdicts) continue;  // not here
    Time now = clock_.Now();
    bool true_now = std::all_of(verdicts->begin(), verdicts->end(), [&](const Verdict& verdict) {
      return (verdict.pending == Pending::kCurrent || verdict.pending == Pending::kNew) &&
             verdict.decision.valid_until > now;
    });
    if (true_now) continue;
    auto judged = Judge(repository, child.digest, depth - 1);
    if (!judged && judged.error().code != Errc::kNotFound) return judged.error();
  }
  return {};
}

Status Engine::StoreJudgement(storage::Tx& tx, const Prepared& prepared) const {
  const Material& material = prepared.material;
  Subject subject = material.subject;
  BW_TRY(Epochs epochs, CurrentEpochs(tx));
  BW_TRY(auto stored, FindSubject(tx, subject.repository, subject.digest));
  if (epochs != prepared.inputs->epochs) return kChanged;
  if (stored.has_value() != material.previous.has_value() || (stored && stored->generation != subject.generation))
    return kChanged;
  if (!material.facts && subject.kind != SubjectKind::kIndex) {
    // Facts that came meanwhile were told to those who held the manifest then; their job may be gone.
    BW_TRY(auto facts, LoadFacts(tx, subject.digest));
    if (facts && IsCurrent(*facts)) return kChanged;
  }
  subject.summary = prepared.judgement.summary;
  BW_CHECK(PutSubject(tx, subject));
  BW_CHECK(PutVerdicts(tx, subject.repository, subject.digest, prepared.judgement.verdicts));
  for (const Digest& child : prepared.attestations)
    BW_CHECK(tx.Exec(
        "INSERT INTO attestations (index_digest, child) VALUES (?1, ?2) ON CONFLICT (index_digest, child) DO NOTHING",
        {subject.digest.str(), child.str()}));
  if (!material.facts && subject.kind != SubjectKind::kIndex) BW_CHECK(QueueFacts(tx, subject.digest, 0, clock_.Now()));
  if (!material.previous || !SameDecisions(*material.previous, prepared.judgement.verdicts))
    BW_CHECK(MarkParents(tx, subject.repository, subject.digest));
  return RecordEvents(tx, prepared, clock_.Now());
}

// ---- upkeep ----

Result<std::size_t> Engine::RunPending(std::size_t limit) {
  std::size_t done = 0;
  std::vector<std::pair<storage::RepositoryId, Digest>> due;
  BW_CHECK(database_.Read([&](const storage::ReadTx& tx) {
    return tx.Each(
        "SELECT DISTINCT repository, digest FROM (SELECT repository, digest FROM verdicts WHERE pending <> 0 AND "
        "pending <> 1 "
        "UNION ALL SELECT repository, digest FROM verdicts WHERE valid_until <= ?1) AS due LIMIT ?2",
        {clock_.Now(), static_cast<std::int64_t>(limit)}, [&](const storage::Row& row) {
          if (auto digest = Digest::Parse(row.Text(1))) due.emplace_back(storage::RepositoryId{row.Int(0)}, *digest);
          return true;
        });
  }));
  for (const auto& [repository, digest] : due) {
    auto judged = JudgeNow(repository, digest);
    if (!judged && judged.error().code == Errc::kNotFound) {  // went with its repository
      BW_CHECK(database_.Write([&, r = repository, d = digest](storage::Tx& tx) { return DropSubject(tx, r, d); }));
    } else if (!judged) {
      LogError("judging " + digest.str() + ": " + judged.error().message);
      continue;
    }
    ++done;
  }
  return done;
}

Result<bool> Engine::RunFactsJob() {
  Time now = clock_.Now();
  std::optional<Digest> digest;
  std::int64_t job = 0;
  BW_CHECK(database_.Write([&](storage::Tx& tx) -> Status {
    digest.reset();
    BW_CHECK(
        tx.Each("SELECT id, key FROM jobs WHERE kind = 'facts' AND not_before <= ?1 AND lease_until <= ?1 ORDER BY "
                "priority, id LIMIT 1",
                {now}, [&](const storage::Row& row) {
                  job = row.Int(0);
                  if (auto parsed = Digest::Parse(row.Text(1))) digest = *parsed;
                  return false;
                }));
    if (!digest) return {};
    BW_CHECK(tx.Exec("UPDATE jobs SET lease_until = ?1, attempts = attempts + 1 WHERE id = ?2",
                     {now + std::chrono::minutes(20), job}));
    return {};
  }));
  if (!digest) return false;
  Status made = MakeFacts(*digest);
  BW_CHECK(database_.Write([&](storage::Tx& tx) -> Status {
    if (made || made.error().code == Errc::kNotFound) {
      BW_CHECK(tx.Exec("DELETE FROM jobs WHERE id = ?1", {job}));
    } else if (made.error().code == Errc::kCancelled) {  // the server stops: nobody's fault
      BW_CHECK(tx.Exec("UPDATE jobs SET lease_until = 0, attempts = attempts - 1 WHERE id = ?1", {job}));
      return {};
    } else {  // later, and later each time
      BW_CHECK(tx.Exec(
          "UPDATE jobs SET lease_until = 0, not_before = ?1 + 10000 * attempts * attempts, problem = ?2 WHERE id = ?3",
          {now, made.error().message, job}));
    }
    return {};
  }));
  if (!made && made.error().code == Errc::kCancelled) return false;
  if (!made && made.error().code != Errc::kNotFound)
    LogWarning("facts of " + digest->str() + ": " + made.error().message);
  return true;
}

Status Engine::MakeFacts(const Digest& digest) {
  std::vector<storage::RepositoryId> holders;
  std::optional<formats::OciDocument> document;
  BW_CHECK(database_.Read([&](const storage::ReadTx& tx) -> Status {
    BW_CHECK(tx.Each("SELECT repository FROM subjects WHERE digest = ?1", {digest.str()}, [&](const storage::Row& row) {
      holders.push_back(storage::RepositoryId{row.Int(0)});
      return true;
    }));
    if (holders.empty()) return {Errc::kNotFound, "no repository holds " + digest.str()};
    BW_TRY(auto manifest, storage::FindManifest(tx, holders.front(), digest));
    if (!manifest) return {Errc::kNotFound, "no repository holds " + digest.str()};
    BW_TRY(document, StoredDocument(tx, *manifest));
    return {};
  }));
  BW_TRY(ImageFacts facts, facts_.Make(*document, std::chrono::minutes(16)));
  BW_CHECK(database_.Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(SaveFacts(tx, digest, facts));
    BW_CHECK(tx.Exec("UPDATE verdicts SET pending = ?1 WHERE digest = ?2 AND (pending = 0 OR pending = 1)",
                     {Pending::kFacts, digest.str()}));
    BW_CHECK(tx.Exec("UPDATE subjects SET generation = generation + 1 WHERE digest = ?1", {digest.str()}));
    return {};
  }));
  for (storage::RepositoryId repository : holders) {
    auto judged = JudgeNow(repository, digest);
    if (!judged && judged.error().code != Errc::kNotFound) return judged.error();
  }
  return {};
}

Status Engine::QueueOutdatedFacts() {
  return database_.Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(
        tx.Exec("UPDATE jobs SET lease_until = 0"));  // one process owns the directory: leases of the last one are void
    std::vector<Digest> outdated;
    BW_CHECK(tx.Each("SELECT digest, set_version, limits_version FROM image_facts", {}, [&](const storage::Row& row) {
      ImageFacts facts;
      facts.set_version = static_cast<std::uint32_t>(row.Int(1));
      facts.limits_version = static_cast<std::uint32_t>(row.Int(2));
      if (auto digest = Digest::Parse(row.Text(0)); digest && !IsCurrent(facts)) outdated.push_back(*digest);
      return true;
    }));
    for (const Digest& digest : outdated) BW_CHECK(QueueFacts(tx, digest, 10, clock_.Now()));
    return {};
  });
}

}  // namespace bulwark::service
