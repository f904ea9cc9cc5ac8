#pragma once
// Everything of this folder, built and wired: what app/ makes one of and what http/ and tests use.

#include <memory>
#include <vector>

#include "advisory/index.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/result.h"
#include "policy/policy.h"
#include "service/analysis.h"
#include "service/registry.h"
#include "storage/blob/driver.h"
#include "storage/db/database.h"

namespace bulwark::service {

class Background;
class Engine;
class Gate;
class InputStore;
class PullRecorder;
class Rights;

struct ServiceOptions {
  std::vector<policy::Policy> policies;            // of the configuration file, read-only in the API
  unsigned analysis_threads = 32;                  // wait for workers
  std::uint64_t blob_bytes = limits::kLayerBytes;  // largest blob accepted
  std::uint64_t uploads_per_user = limits::kUploadSessionsPerUser;
  Millis upload_lifetime = limits::kUploadLifetime;
  Sparse sparse = Sparse::kIndexes;
};

// What it is built on. All outlive the service.
struct ServiceParts {
  storage::Database& database;  // migrated: Migrations() of storage, auth, audit and of this folder
  storage::BlobDriver& blobs;
  auth::Authenticator& authenticator;
  Analyzer& analyzer;
  const Clock& clock;
};

class Service {
 public:
  // Takes `index` into use. Judging threads start with StartBackground, so that tests can do without.
  static Result<std::unique_ptr<Service>> Open(const ServiceParts& parts, std::shared_ptr<const advisory::Index> index,
                                               ServiceOptions options = {});
  ~Service();

  void StartBackground(unsigned workers);
  void StopWaiting();     // requests that wait for a verdict are answered with what there is
  void StopAnalysis();    // those that wait for a layer are refused
  void StopBackground();  // gives up what is under way and writes the pull batches; once, at the end

  Registry& registry();
  Engine& engine();
  Gate& gate();
  InputStore& inputs();
  PullRecorder& pulls();
  Rights& rights();
  const ServiceParts& parts() const;
  void Wake();  // something became pending

 private:
  struct State;
  explicit Service(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::service
