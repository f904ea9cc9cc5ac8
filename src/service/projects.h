#pragma once
// Projects and repositories for the product API.

#include <optional>
#include <string>
#include <vector>

#include "service/service.h"
#include "storage/content.h"

namespace bulwark::service {

class Projects {
 public:
  explicit Projects(Service& service) : service_(service) {}

  // Those with a repository that the caller may see, or all for who manages everything.
  Result<storage::Page<storage::Project>> List(const Caller& caller, const storage::PageRequest& page);
  Result<storage::Project> Create(const Caller& caller, const std::string& name);  // kExists, kInvalid
  Status Delete(const Caller& caller, const std::string& name);  // kConflict while it has repositories
  Result<storage::Page<storage::Repository>> Repositories(const Caller& caller,
                                                          const std::optional<std::string>& project,
                                                          const storage::PageRequest& page);
  Status DeleteRepository(const Caller& caller, const RepoName& name);
  // Digests that run now (DESIGN 2.23). For clusters, and for who may scan.
  Status ReportRunning(const Caller& caller, const RepoName& name, const std::vector<Digest>& digests);

 private:
  Result<bool> Sees(const Caller& caller, const std::string& repository);

  Service& service_;
};

}  // namespace bulwark::service
