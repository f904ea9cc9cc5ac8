#include "service/verdict_rows.h"

#include "service/codec.h"
#include "storage/content.h"

namespace bulwark::service {
namespace {

storage::Param TimeOrNull(const std::optional<Time>& time) {
  return time ? storage::Param(*time) : storage::Param(nullptr);
}

std::optional<Time> TimeAt(const storage::Row& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  return row.TimeAt(column);
}

}  // namespace

bool OldVerdictServes(Pending pending) {
  return pending != Pending::kPolicy && pending != Pending::kException && pending != Pending::kLayer;
}

std::string_view Name(Pending pending) {
  switch (pending) {
    case Pending::kCurrent: return "current";
    case Pending::kNew: return "new";
    case Pending::kData: return "data";
    case Pending::kPolicy: return "policy";
    case Pending::kException: return "exception";
    case Pending::kFacts: return "facts";
    case Pending::kChild: return "child";
    case Pending::kLayer: return "layer";
  }
  return "?";
}

std::size_t IndexOf(policy::PointOfUse at) { return static_cast<std::size_t>(at) - 1; }

Result<std::optional<ImageFacts>> FactsOf(const storage::ReadTx& tx, const Subject& subject) {
  // What the same manifest holds in a repository that has all of it is not known here.
  BW_TRY(auto absent, storage::AbsentBlobs(tx, subject.repository, subject.digest));
  if (!absent.empty()) return std::optional(SparseFacts(subject.kind, absent));
  return LoadFacts(tx, subject.digest);
}

Result<std::optional<Subject>> FindSubject(const storage::ReadTx& tx, storage::RepositoryId repository,
                                           const Digest& digest) {
  std::optional<Subject> out;
  BW_CHECK(
      tx.Each("SELECT kind, pushed_by, pushed, quarantined, evidence, generation, summary FROM subjects "
              "WHERE repository = ?1 AND digest = ?2",
              {repository, digest.str()}, [&](const storage::Row& row) {
                out = Subject{repository,
                              digest,
                              static_cast<SubjectKind>(row.Int(0)),
                              storage::PrincipalId{row.Int(1)},
                              row.TimeAt(2),
                              row.Int(3) != 0,
                              row.Int(4) != 0,
                              row.Int(5),
                              std::string(row.Text(6))};
                return false;
              }));
  return out;
}

Status PutSubject(storage::Tx& tx, const Subject& s) {
  BW_CHECK(tx.Exec(
      "INSERT INTO subjects (repository, digest, kind, pushed_by, pushed, quarantined, evidence, generation, summary) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (repository, digest) DO UPDATE SET kind = "
      "excluded.kind, "
      "pushed_by = excluded.pushed_by, pushed = excluded.pushed, quarantined = excluded.quarantined, "
      "evidence = excluded.evidence, generation = excluded.generation, summary = excluded.summary",
      {s.repository, s.digest.str(), s.kind, s.pushed_by, s.pushed, s.quarantined, s.evidence, s.generation,
       s.summary}));
  return {};
}

Result<std::optional<Verdicts>> FindVerdicts(const storage::ReadTx& tx, storage::RepositoryId repository,
                                             const Digest& digest) {
  Verdicts out;
  std::size_t found = 0;
  Status parsed;
  BW_CHECK(
      tx.Each("SELECT point, decision, facts_revision, data_revision, policy_revision, trust_revision, "
              "exceptions_revision, as_of, "
              "held_until, denied_since, pending, findings_revision FROM verdicts WHERE repository = ?1 AND digest = "
              "?2 ORDER BY point",
              {repository, digest.str()}, [&](const storage::Row& row) {
                std::size_t at = static_cast<std::size_t>(row.Int(0)) - 1;
                auto decision = ParseDecision(row.Text(1));
                if (at >= out.size() || !decision) {
                  parsed = Error{Errc::kCorrupt, "a stored verdict of " + digest.str() + " is damaged"};
                  return false;
                }
                Verdict& verdict = out[at];
                verdict.decision = *std::move(decision);
                verdict.revisions = {std::string(row.Text(2)), std::string(row.Text(3)), std::string(row.Text(4)),
                                     std::string(row.Text(5)), std::string(row.Text(6)), std::string(row.Text(11))};
                verdict.as_of = row.TimeAt(7);
                if (row.Int(8) != 0) verdict.held_until = row.TimeAt(8);
                verdict.denied_since = TimeAt(row, 9);
                verdict.pending = static_cast<Pending>(row.Int(10));
                ++found;
                return true;
              }));
  BW_CHECK(parsed);
  if (found == 0) return std::optional<Verdicts>();
  if (found != out.size()) return {Errc::kCorrupt, "stored verdicts of " + digest.str() + " are incomplete"};
  return std::optional(std::move(out));
}

Status PutVerdicts(storage::Tx& tx, storage::RepositoryId repository, const Digest& digest, const Verdicts& verdicts) {
  for (policy::PointOfUse at : kPoints) {
    const Verdict& v = verdicts[IndexOf(at)];
    BW_CHECK(
        tx.Exec("INSERT INTO verdicts (repository, digest, point, outcome, decision, facts_revision, data_revision, "
                "policy_revision, "
                "trust_revision, exceptions_revision, findings_revision, as_of, valid_until, held_until, denied_since, "
                "pending) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?16, ?11, ?12, ?13, ?14, ?15) "
                "ON CONFLICT (repository, digest, point) DO UPDATE SET outcome = excluded.outcome, decision = "
                "excluded.decision, "
                "facts_revision = excluded.facts_revision, data_revision = excluded.data_revision, "
                "policy_revision = excluded.policy_revision, trust_revision = excluded.trust_revision, "
                "findings_revision = excluded.findings_revision, exceptions_revision = excluded.exceptions_revision, "
                "as_of = excluded.as_of, valid_until = excluded.valid_until, "
                "held_until = excluded.held_until, denied_since = excluded.denied_since, pending = excluded.pending",
                {repository, digest.str(), at, v.decision.outcome, DecisionJson(v.decision), v.revisions.facts,
                 v.revisions.data, v.revisions.policy, v.revisions.trust, v.revisions.exceptions, v.as_of,
                 v.decision.valid_until, v.held_until.value_or(Time{}), TimeOrNull(v.denied_since), v.pending,
                 v.revisions.findings}));
  }
  return {};
}

Result<std::optional<PullState>> FindPullState(const storage::ReadTx& tx, storage::RepositoryId repository,
                                               const Digest& digest, Time now) {
  using policy::Outcome, policy::PointOfUse;
  std::optional<PullState> out;
  std::size_t points = 0;
  bool quarantined = false, serves = true;
  auto passes = [](Outcome outcome) { return outcome == Outcome::kAllow || outcome == Outcome::kWarn; };
  BW_CHECK(
      tx.Each("SELECT s.kind, s.pushed_by, s.evidence, s.quarantined, v.point, v.outcome, v.pending, v.valid_until "
              "FROM subjects s LEFT JOIN verdicts v ON v.repository = s.repository AND v.digest = s.digest "
              "WHERE s.repository = ?1 AND s.digest = ?2",
              {repository, digest.str()}, [&](const storage::Row& row) {
                if (!out) out.emplace();
                out->kind = static_cast<SubjectKind>(row.Int(0));
                out->pushed_by = storage::PrincipalId{row.Int(1)};
                out->evidence = row.Int(2) != 0;
                quarantined = row.Int(3) != 0;
                if (row.IsNull(4)) return true;
                ++points;
                const bool passed = passes(static_cast<Outcome>(row.Int(5)));
                if (static_cast<PointOfUse>(row.Int(4)) == PointOfUse::kPush) out->held = quarantined && !passed;
                if (static_cast<PointOfUse>(row.Int(4)) == PointOfUse::kPull) out->allowed = passed;
                serves = serves && OldVerdictServes(static_cast<Pending>(row.Int(6))) && row.TimeAt(7) > now;
                return true;
              }));
  if (!out) return out;
  out->serves = serves && points == kPoints.size();
  out->allowed = !out->held && (out->allowed || out->evidence);
  return out;
}

Result<bool> ImageReleases(const storage::ReadTx& tx, storage::RepositoryId repository, const Digest& blob, Time now) {
  using policy::Outcome, policy::PointOfUse;
  // As FindPullState, for all holders at once: however many others name the blob, they do not hide the one.
  BW_TRY(auto found,
         tx.Int("SELECT 1 FROM edges e JOIN manifests m ON m.id = e.manifest_id "
                "JOIN subjects s ON s.repository = e.repository_id AND s.digest = m.digest AND s.kind = ?4 "
                "WHERE e.digest = ?1 AND e.repository_id = ?2 AND e.kind = ?5 AND ?6 = (SELECT COUNT(*) FROM verdicts v "
                "WHERE v.repository = s.repository AND v.digest = s.digest AND v.valid_until > ?3 "
                "AND v.pending NOT IN (?7, ?8, ?9) AND (v.outcome IN (?10, ?11) OR v.point = ?12 "
                "OR (v.point = ?13 AND s.quarantined = 0))) LIMIT 1",
                {blob.str(), repository, now, SubjectKind::kImage, storage::EdgeKind::kBlob,
                 static_cast<std::int64_t>(kPoints.size()), Pending::kPolicy, Pending::kException, Pending::kLayer,
                 Outcome::kAllow, Outcome::kWarn, PointOfUse::kAdmission, PointOfUse::kPush}));
  return found.has_value();
}

Status DropSubject(storage::Tx& tx, storage::RepositoryId repository, const Digest& digest) {
  BW_CHECK(tx.Exec("DELETE FROM verdicts WHERE repository = ?1 AND digest = ?2", {repository, digest.str()}));
  BW_CHECK(tx.Exec("DELETE FROM subjects WHERE repository = ?1 AND digest = ?2", {repository, digest.str()}));
  // Facts stay only while somebody holds the manifest.
  BW_TRY(auto held, tx.Int("SELECT 1 FROM subjects WHERE digest = ?1 LIMIT 1", {digest.str()}));
  if (held) return {};
  BW_CHECK(tx.Exec("DELETE FROM package_images WHERE image IN (SELECT id FROM image_facts WHERE digest = ?1)",
                   {digest.str()}));
  BW_CHECK(tx.Exec("DELETE FROM image_facts WHERE digest = ?1", {digest.str()}));
  BW_CHECK(tx.Exec("DELETE FROM attestations WHERE index_digest = ?1", {digest.str()}));
  return {};
}

Status ForgetRepository(storage::Tx& tx, storage::RepositoryId repository) {
  std::vector<Digest> digests;
  BW_CHECK(tx.Each("SELECT digest FROM subjects WHERE repository = ?1", {repository}, [&](const storage::Row& row) {
    if (auto digest = Digest::Parse(row.Text(0))) digests.push_back(*digest);
    return true;
  }));
  for (const Digest& digest : digests) BW_CHECK(DropSubject(tx, repository, digest));
  BW_CHECK(tx.Exec("DELETE FROM running_reports WHERE repository = ?1", {repository}));
  return {};
}

Status MarkPending(storage::Tx& tx, storage::RepositoryId repository, const Digest& digest, Pending why) {
  std::string_view sql = OldVerdictServes(why)
                             ? "UPDATE verdicts SET pending = ?1 WHERE repository = ?2 AND digest = ?3 AND pending = 0"
                             : "UPDATE verdicts SET pending = ?1 WHERE repository = ?2 AND digest = ?3";
  BW_CHECK(tx.Exec(sql, {why, repository, digest.str()}));
  BW_CHECK(tx.Exec("UPDATE subjects SET generation = generation + 1 WHERE repository = ?1 AND digest = ?2",
                   {repository, digest.str()}));
  return {};
}

Status MarkRepositoryPending(storage::Tx& tx, storage::RepositoryId repository, Pending why) {
  std::string_view sql = OldVerdictServes(why)
                             ? "UPDATE verdicts SET pending = ?1 WHERE repository = ?2 AND pending = 0"
                             : "UPDATE verdicts SET pending = ?1 WHERE repository = ?2";
  BW_CHECK(tx.Exec(sql, {why, repository}));
  return {};  // the epochs that changed with it make judges start anew
}

Status MarkParents(storage::Tx& tx, storage::RepositoryId repository, const Digest& child) {
  std::vector<Digest> parents;
  BW_CHECK(storage::EachReferencing(tx, repository, storage::EdgeKind::kChild, child,
                                    [&](storage::ManifestId, const Digest& parent) {
                                      parents.push_back(parent);
                                      return true;
                                    }));
  for (const Digest& parent : parents) BW_CHECK(MarkPending(tx, repository, parent, Pending::kChild));
  return {};
}

Result<Epochs> CurrentEpochs(const storage::ReadTx& tx) {
  Epochs out;
  BW_CHECK(tx.Each("SELECT policy_epoch, exception_epoch, data_revision FROM judging WHERE id = 1", {},
                   [&](const storage::Row& row) {
                     out = {row.Int(0), row.Int(1), std::string(row.Text(2))};
                     return false;
                   }));
  return out;
}

}  // namespace bulwark::service
