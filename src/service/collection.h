#pragma once
// The collector and whoever starts it: the chore of the process and administrators. One pass at a time.

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

  // For the chore. The first pass of a process also adopts files without rows.
  Status RunDue();
  // Ends a pass that is under way, and all later ones, in a sound state.
  void Stop() { stop_.request_stop(); }

  // A pass now, after the one that may be under way. Blocks as long as it takes.
  Result<storage::CollectorReport> Run(const Caller& caller);
  Result<storage::CollectionPreview> Preview(const Caller& caller);
  Result<KeptBecause> Why(const Caller& caller, const Digest& digest);  // kNotFound: nothing of that digest is here

 private:
  Service& service_;
  std::stop_source stop_;
  Mutex one_pass_;
  storage::Collector& collector_ BW_GUARDED_BY(one_pass_);
  bool adopted_ BW_GUARDED_BY(one_pass_) = false;
};

}  // namespace bulwark::service
