#pragma once
// Keeps the stored verdicts true (DESIGN 2.1): judges what is pushed before it is stored, and again whatever a change
// of facts, data, policy, exceptions, tags, children or time touches. Any thread.

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/sync.h"
#include "formats/oci.h"
#include "service/facts.h"
#include "service/inputs.h"
#include "service/judge.h"
#include "service/verdict_rows.h"
#include "storage/blob/driver.h"
#include "storage/content.h"
#include "storage/db/database.h"

namespace bulwark::service {

// A manifest that is about to be stored, judged.
struct Prepared {
  Material material;
  std::shared_ptr<const Inputs> inputs;  // the snapshot it was judged on
  Judgement judgement;
  std::vector<Digest> attestations;  // children proven to be some

  const policy::Decision& At(policy::PointOfUse at) const { return judgement.verdicts[IndexOf(at)].decision; }
};

// The stored manifest, parsed again.
Result<formats::OciDocument> StoredDocument(const storage::ReadTx& tx, const storage::Manifest& manifest);

class Engine {
 public:
  // All outlive it.
  Engine(storage::Database& database, const FactsMaker& facts, InputStore& inputs, const Clock& clock);

  // ---- push ----

  struct Push {
    std::optional<storage::RepositoryId> repository;  // nullopt: it will be made with the manifest
    std::string repository_name;
    Digest digest;
    std::vector<std::string> tags;  // that will point to it besides those that do
    storage::PrincipalId pushed_by{};
    const formats::OciDocument* document = nullptr;
    std::vector<Digest> absent;  // layers that the repository lacks
  };
  // Judges a push; waits for its analysis as long as the push policy says (and a moment in any case). `facts`: of an
  // earlier Prepare of the same digest.
  Result<Prepared> Prepare(const Push& push, std::optional<ImageFacts> facts = std::nullopt);
  // In the transaction that stored the manifest. kConflict: what it was judged on has changed; Prepare again.
  Status Store(storage::Tx& tx, const Prepared& prepared, storage::RepositoryId repository);

  void Announce();  // after that transaction: wakes those who wait for a verdict

  // ---- use ----

  // Judges now and stores. kNotFound: no such manifest there.
  Result<Verdicts> JudgeNow(storage::RepositoryId repository, const Digest& digest);
  // The stored verdicts if they may serve at this instant, else judged now.
  Result<Verdicts> Current(storage::RepositoryId repository, const Digest& digest);
  // As Current, waiting up to `hold` for a pending one; not at all while limits::kHeldRequests do.
  Result<Verdicts> WaitFor(storage::RepositoryId repository, const Digest& digest, policy::PointOfUse at,
                           std::chrono::milliseconds hold);

  void StopWaiting();  // from now on WaitFor answers at once: the server stops

  // ---- upkeep, called by Background and by tests ----

  // Judges what is marked and what time has flipped, up to `limit` manifests. How many it did.
  Result<std::size_t> RunPending(std::size_t limit);
  // Makes the facts of one manifest that waits for them, and judges it. False: none waits. May take minutes.
  Result<bool> RunFactsJob();
  // After an upgrade: facts of older cataloguers are made again, with low priority.
  Status QueueOutdatedFacts();

 private:
  Result<Material> Load(const storage::ReadTx& tx, storage::RepositoryId repository, const Digest& digest) const;
  Status LoadHistory(const storage::ReadTx& tx, Material& material) const;
  Result<std::vector<IndexChild>> LoadChildren(const storage::ReadTx& tx, storage::RepositoryId repository,
                                               const Digest& index, const formats::OciDocument& document) const;
  Status ProveAttestations(Material& material, std::vector<Digest>& proven) const;
  Status RefreshChildren(storage::RepositoryId repository, const formats::OciDocument& document, int depth);
  Result<Verdicts> Judge(storage::RepositoryId repository, const Digest& digest, int depth);
  Result<Prepared> Decide(const Push& push, const std::optional<ImageFacts>& facts);
  Status StoreJudgement(storage::Tx& tx, const Prepared& prepared) const;
  Status MakeFacts(const Digest& digest);

  storage::Database& database_;
  const FactsMaker& facts_;
  InputStore& inputs_;
  const Clock& clock_;
  Mutex mutex_;
  ConditionVariable judged_;
  std::uint64_t announced_ BW_GUARDED_BY(mutex_) = 0;
  std::uint64_t held_ BW_GUARDED_BY(mutex_) = 0;  // requests in WaitFor
  std::map<storage::RepositoryId, std::uint64_t> held_in_ BW_GUARDED_BY(mutex_);
  bool stopping_ BW_GUARDED_BY(mutex_) = false;
};

}  // namespace bulwark::service
