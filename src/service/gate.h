#pragma once
// Who may read what (DESIGN 2.2): judges intent on manifests, guards bytes of blobs. One look-up of stored verdicts;
// what has run out or is pending is judged on the spot. Any error is a refusal.

#include <optional>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "service/engine.h"
#include "service/rights.h"
#include "storage/blob/driver.h"
#include "storage/content.h"

namespace bulwark::service {

// Passed, perhaps by an exemption from a denial that everyone else gets: that is audited.
struct Pass {
  std::optional<std::string> exemption = {};  // why: "quarantined, read by its pusher", …
  Time until = Time::min();  // while nothing is committed, whoever may pull passes before this instant; min: not known
};

// kMount: bytes, but nobody waits for a verdict: the blob can be uploaded instead.
enum class BlobUse { kExistence, kBytes, kMount };

class Gate {
 public:
  // All outlive it.
  Gate(storage::Database& database, const storage::BlobDriver& blobs, Engine& engine, Rights& rights,
       const Clock& clock)
      : database_(database), blobs_(blobs), engine_(engine), rights_(rights), clock_(clock) {}

  // The caller has the right to pull. kDenied with the rule, the CVE, the fix and where to read more; waits where the
  // policy says "hold".
  Result<Pass> Manifest(const Caller& caller, const storage::Repository& repository, const Digest& digest);
  // An image that may be pulled releases all its bytes. What is no image (evidence, a chart) releases what no refused
  // manifest also holds, and documents: else whoever may push could open a denied layer by naming it in an SBOM.
  // kNotFound: not in this repository, or not yet referenced and brought by somebody else.
  Result<Pass> Blob(const Caller& caller, const storage::Repository& repository, const Digest& digest, BlobUse use);
  // Records an exemption that was used.
  Status Audit(const Caller& caller, const storage::Repository& repository, const Digest& digest, const Pass& pass);

 private:
  struct Standing;
  struct Holders;
  Result<Standing> StandingOf(const Caller& caller, const storage::Repository& repository) const;
  // Passed, or the refusal as a value: the answer for this manifest under that standing.
  Result<std::optional<Pass>> Judge(const Standing& standing, const storage::Repository& repository,
                                    const Digest& digest, std::string* refusal, bool may_wait);
  Result<Holders> HoldersOf(const storage::Repository& repository, const Digest& digest) const;
  Result<std::optional<Pass>> JudgeHolder(const Standing& standing, const storage::Repository& repository,
                                          const Digest& holder, PullState& state, std::string* refusal, bool may_wait);
  Result<Pass> JudgeBytes(const Standing& standing, const storage::Repository& repository, const Digest& digest,
                          Holders holders, bool may_wait);

  storage::Database& database_;
  const storage::BlobDriver& blobs_;
  Engine& engine_;
  Rights& rights_;
  const Clock& clock_;
};

// "DENIED: …" for a person: what was refused, by which rules, and where to read more.
std::string RefusalText(std::string_view what, const std::string& name, const Digest& digest,
                        const policy::Decision& decision);

}  // namespace bulwark::service
