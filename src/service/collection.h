#pragma once
// The collector and whoever starts it: the chore of the process and administrators. One pass at a time.

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/sync.h"
#include "service/service.h"
#include "storage/collection_view.h"
#include "storage/collector.h"

namespace bulwark::service {

// Why a digest is kept, for people.
struct KeptBecause {
  struct Reference {
    std::string repository;
    Digest manifest;
    std::string role;  // "config", "layer"; of a manifest: "child", "subject"
    std::vector<std::string> tags;
  };
  struct Lease {
    std::string repository, user;  // user: by number, once the account is gone
    Time until{};
  };
  std::string state;  // "manifest", or the name of a storage::Fate
  std::int64_t size = 0;
  Time created{};
  Time until = kNever;
  std::vector<Reference> references;
  bool more_references = false;
  std::vector<Lease> leases;
  std::int64_t uploads = 0;  // that finish with this digest now
};
std::string_view Name(storage::Fate fate);

class Collection {
 public:
  // Both outlive it. Nobody else uses the collector from here on.
  Collection(Service& service, storage::Collector& collector) : service_(service), collector_(collector) {}

  // For the chore; nothing while an administrator's pass is under way. The first pass of a process also adopts files
  // without rows.
  Status RunDue();
  // Ends a pass that is under way, and all later ones, in a sound state.
  void Stop();

  // A pass now: the chore's makes way for it, another administrator's is waited for. Blocks for about `most`; what is left
  // then (CollectorReport::complete) the next call or the chore removes.
  Result<storage::CollectorReport> Run(const Caller& caller, std::chrono::milliseconds most);
  Result<storage::CollectionPreview> Preview(const Caller& caller);
  Result<KeptBecause> Why(const Caller& caller, const Digest& digest);  // kNotFound: nothing of that digest is here

 private:
  class Turn;
  using Moment = std::chrono::steady_clock::time_point;
  std::optional<std::stop_token> BeginChore();
  bool WaitForTurn(Moment until);
  Result<storage::CollectorReport> RunUntil(Moment end);
  void AdoptOnce();

  Service& service_;
  std::stop_source stop_;
  Mutex mutex_;
  ConditionVariable changed_;
  bool busy_ BW_GUARDED_BY(mutex_) = false;  // a pass is under way
  int waiting_ BW_GUARDED_BY(mutex_) = 0;    // administrators
  std::stop_source chore_ BW_GUARDED_BY(mutex_);
  bool adopted_ BW_GUARDED_BY(mutex_) = false;
  storage::Collector& collector_;  // of whoever made busy_ true
};

}  // namespace bulwark::service
