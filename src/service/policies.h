#pragma once
// Policies in the database: YAML documents with versions. Those of the configuration file are shown and read-only.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "service/service.h"

namespace bulwark::service {

struct StoredPolicy {
  std::string name;
  std::int64_t version = 0;  // 0: of the configuration file, or built in
  bool enabled = true;
  std::string source;  // "database", "configuration", "built-in"
  std::string yaml;    // empty for those of the configuration file
  std::string revision;
  Time changed{};
  std::string changed_by;
};

struct PolicyChange {
  std::string name;
  std::string yaml;  // empty with enabled = false: the policy of that name is switched off (the built-in one too)
  bool enabled = true;
  std::optional<std::int64_t> expected_version;  // kConflict if it is another one
};

class Policies {
 public:
  explicit Policies(Service& service) : service_(service) {}
  Result<std::vector<StoredPolicy>> List(const Caller& caller);
  Result<StoredPolicy> Get(const Caller& caller, const std::string& name);  // kNotFound
  // What it applies to, before and after, is judged again; until then it counts as unscanned. kInvalid, kConflict.
  Result<StoredPolicy> Put(const Caller& caller, const PolicyChange& change);
  // Takes it out; the built-in `default` comes back when its replacement goes.
  Status Remove(const Caller& caller, const std::string& name);

 private:
  Status Change(const Caller& caller, const std::string& name, const std::string& what,
                const std::vector<std::string>& globs, const std::function<Status(storage::Tx&)>& change);
  Service& service_;
};

}  // namespace bulwark::service
