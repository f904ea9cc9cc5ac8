#pragma once
// Rows of `subjects` and `verdicts`: what was decided about each stored manifest, and on what (DESIGN 2.1).

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "policy/decide.h"
#include "service/facts.h"
#include "storage/db/database.h"
#include "storage/ids.h"

namespace bulwark::service {

// Why a verdict has to be judged again. Stored numbers.
enum class Pending : std::uint8_t {
  kCurrent = 0,
  kNew = 1,        // facts are not there yet, and the verdict says so
  kData = 2,       // new advisories: the old verdict serves until the new one is there
  kPolicy = 3,     // treated as unscanned until judged
  kException = 4,  // likewise; also a tag that an exception names moved
  kFacts = 5,      // read again by newer cataloguers: the old verdict serves
  kChild = 6,      // a child of an index changed: each child is gated on its own, so the old verdict serves
  kLayer = 7,      // a layer came that was absent: treated as unscanned until judged
};
bool OldVerdictServes(Pending pending);
std::string_view Name(Pending pending);  // "current", "new", "data", …

inline constexpr std::array kPoints = {policy::PointOfUse::kPush, policy::PointOfUse::kPull,
                                       policy::PointOfUse::kAdmission};

// What a verdict rests on.
struct Revisions {
  std::string facts, data, policy, trust, exceptions;
  std::string findings;  // hash of what the data says about this image: equal over data that changed elsewhere
  auto operator<=>(const Revisions&) const = default;
};

struct Verdict {
  policy::Decision decision;
  Revisions revisions;
  Time as_of{};                      // when it was judged
  std::optional<Time> held_until;    // a denial that data alone lifted stays until then (DESIGN 2.21)
  std::optional<Time> denied_since;  // policy::Facts::denied_since
  Pending pending = Pending::kCurrent;
};
using Verdicts = std::array<Verdict, kPoints.size()>;  // in the order of kPoints
std::size_t IndexOf(policy::PointOfUse at);

struct Subject {
  storage::RepositoryId repository{};
  Digest digest;
  SubjectKind kind = SubjectKind::kImage;
  storage::PrincipalId pushed_by{};
  Time pushed{};
  bool quarantined = false;     // stored although its push was denied: held back while it is
  bool evidence = false;        // readable whatever its subject's verdict is
  std::int64_t generation = 0;  // raised by tag moves and changed children
  std::string summary;          // counts by severity, JSON
};

// Its facts: of its digest, or only that parts are absent in this repository. nullopt: not there yet.
Result<std::optional<ImageFacts>> FactsOf(const storage::ReadTx& tx, const Subject& subject);
Result<std::optional<Subject>> FindSubject(const storage::ReadTx& tx, storage::RepositoryId repository,
                                           const Digest& digest);
Status PutSubject(storage::Tx& tx, const Subject& subject);  // inserts or replaces
// nullopt: never judged.
Result<std::optional<Verdicts>> FindVerdicts(const storage::ReadTx& tx, storage::RepositoryId repository,
                                             const Digest& digest);
Status PutVerdicts(storage::Tx& tx, storage::RepositoryId repository, const Digest& digest, const Verdicts& verdicts);
// What the gate asks of many manifests at once: no decision is parsed.
struct PullState {
  SubjectKind kind = SubjectKind::kImage;
  storage::PrincipalId pushed_by{};
  bool evidence = false;
  bool held = false;    // quarantined, and its push is still not allowed
  bool allowed = false;  // to whoever only pulls
  bool serves = false;  // stored verdicts may answer at this instant; else judge first
};
// nullopt: no such manifest there.
Result<std::optional<PullState>> FindPullState(const storage::ReadTx& tx, storage::RepositoryId repository,
                                               const Digest& digest, Time now);
// Whether an image of the repository that names the blob may be pulled, by stored verdicts that may answer at this instant.
Result<bool> ImageReleases(const storage::ReadTx& tx, storage::RepositoryId repository, const Digest& blob, Time now);
Status DropSubject(storage::Tx& tx, storage::RepositoryId repository, const Digest& digest);

// Everything of a repository that is being removed; given to storage::Collector.
Status ForgetRepository(storage::Tx& tx, storage::RepositoryId repository);

// Marks for judging again, and raises the generation so that a judge under way starts anew. A mark under which the old
// verdict serves never replaces one under which it does not.
Status MarkPending(storage::Tx& tx, storage::RepositoryId repository, const Digest& digest, Pending why);
Status MarkRepositoryPending(storage::Tx& tx, storage::RepositoryId repository, Pending why);
// The indexes of the repository that list the manifest.
Status MarkParents(storage::Tx& tx, storage::RepositoryId repository, const Digest& child);

// On what everything is judged now.
struct Epochs {
  std::int64_t policy = 0, exceptions = 0;
  std::string data;
  auto operator<=>(const Epochs&) const = default;
};
Result<Epochs> CurrentEpochs(const storage::ReadTx& tx);

}  // namespace bulwark::service
