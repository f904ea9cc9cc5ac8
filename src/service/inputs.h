#pragma once
// What verdicts are judged on besides the image: policies, exceptions, advisory data. One immutable snapshot; a change
// commits, marks what it affects and publishes the next snapshot while it holds the lock.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "advisory/index.h"
#include "base/result.h"
#include "base/sync.h"
#include "policy/policy.h"
#include "service/verdict_rows.h"
#include "storage/db/database.h"

namespace bulwark::service {

struct Inputs {
  Epochs epochs;
  std::vector<policy::Policy>
      policies;  // enabled ones: of the configuration, of the database, else the built-in default
  std::vector<policy::Exception> exceptions;  // approved and not revoked, expired ones too
  std::shared_ptr<const advisory::Index>
      index;  // shared with the snapshots before and after; readers keep what they began with

  std::vector<policy::Exception> ExceptionsFor(const std::string& repository, const std::vector<std::string>& tags,
                                               const Digest& digest) const;
  // Of the policies that speak about the repository at all: equal text, equal revision.
  std::string PolicyRevision(const std::string& repository) const;
};
std::string RevisionOf(const std::vector<policy::Exception>& exceptions);

class InputStore {
 public:
  // `configured`: policies of the configuration file; read-only. The database outlives it.
  InputStore(storage::Database& database, std::vector<policy::Policy> configured);

  // Reads policies and exceptions, and takes `index` into use: what it may change is marked. kCorrupt: a stored policy
  // does not parse.
  Status Open(std::shared_ptr<const advisory::Index> index);
  std::shared_ptr<const Inputs> Current() const;  // waits while a change is being committed
  std::vector<policy::Policy> configured() const;
  // Replaces the policies of the configuration file: with them the verdicts that they touch are pending. False: they
  // are what they were. `record` joins the transaction.
  Result<bool> Configure(std::vector<policy::Policy> configured, const std::function<Status(storage::Tx&)>& record);

  // Changes policies or exceptions: runs `change` in a transaction with whatever it marks, raises the epoch, publishes.
  Status ChangePolicies(const std::function<Status(storage::Tx&)>& change);
  Status ChangeExceptions(const std::function<Status(storage::Tx&)>& change);
  // Takes another advisory file into use. Only images with packages under changed keys are marked. Comparing the files
  // takes seconds and stops nobody; kConflict: others were taken into use faster than this one could be compared.
  Status ChangeIndex(std::shared_ptr<const advisory::Index> index, const std::function<Status(storage::Tx&)>& record);

 private:
  Status Publish(std::shared_ptr<const advisory::Index> index) BW_REQUIRES(mutex_);
  Status Change(std::string_view raise, const std::function<Status(storage::Tx&)>& change);

  storage::Database& database_;
  mutable Mutex mutex_;
  std::vector<policy::Policy> configured_ BW_GUARDED_BY(mutex_);
  std::shared_ptr<const Inputs> current_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::service
