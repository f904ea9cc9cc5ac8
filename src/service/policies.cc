#include "service/policies.h"

#include <algorithm>
#include <functional>

#include "audit/audit.h"
#include "base/limits.h"
#include "base/strings.h"
#include "service/engine.h"
#include "service/inputs.h"
#include "service/rights.h"
#include "service/verdict_rows.h"

namespace bulwark::service {
namespace {

using auth::Verb;

Result<std::vector<StoredPolicy>> Load(const storage::ReadTx& tx) {
  std::vector<StoredPolicy> out;
  BW_CHECK(tx.Each("SELECT name, version, enabled, yaml, revision, changed, changed_by FROM policies ORDER BY name", {},
                   [&](const storage::Row& row) {
                     out.push_back({std::string(row.Text(0)), row.Int(1), row.Int(2) != 0, "database",
                                    std::string(row.Text(3)), std::string(row.Text(4)), row.TimeAt(5),
                                    std::string(row.Text(6))});
                     return true;
                   }));
  return out;
}

// The repositories whose verdicts a policy with these globs can change.
Status MarkMatching(storage::Tx& tx, const std::vector<std::string>& globs, Pending why) {
  storage::PageRequest page;
  page.limit = limits::kPageMaximum;
  while (true) {
    BW_TRY(auto repositories, storage::ListRepositories(tx, std::nullopt, page));
    for (const storage::Repository& repository : repositories.items) {
      bool applies = std::any_of(globs.begin(), globs.end(),
                                 [&](const std::string& glob) { return GlobMatch(glob, repository.name); });
      if (applies) BW_CHECK(MarkRepositoryPending(tx, repository.id, why));
    }
    if (!repositories.next) return {};
    page.after = *repositories.next;
  }
}

// Where the policy of that name applies now, whatever its source.
std::vector<std::string> GlobsNow(const Inputs& inputs, const std::string& name) {
  for (const policy::Policy& policy : inputs.policies)
    if (policy.name == name) return policy.repositories;
  return {};
}

}  // namespace

Result<std::vector<StoredPolicy>> Policies::List(const Caller& caller) {
  if (caller.principal.kind == auth::PrincipalKind::kAnonymous) return Error{Errc::kUnauthenticated, "log in first"};
  std::vector<StoredPolicy> out;
  for (const policy::Policy& policy : service_.inputs().configured())
    out.push_back({policy.name, 0, true, "configuration", "", policy.revision, Time{}, ""});
  BW_TRY(auto stored, service_.parts().database.Read(Load));
  for (StoredPolicy& policy : stored) {
    bool shadowed = std::any_of(out.begin(), out.end(), [&](const StoredPolicy& p) {
      return p.source == "configuration" && p.name == policy.name;
    });
    if (!shadowed) out.push_back(std::move(policy));
  }
  bool replaced = std::any_of(out.begin(), out.end(), [](const StoredPolicy& p) { return p.name == "default"; });
  if (!replaced)
    out.push_back(
        {"default", 0, true, "built-in", policy::DefaultPolicyYaml(), policy::DefaultPolicy().revision, Time{}, ""});
  return out;
}

Result<StoredPolicy> Policies::Get(const Caller& caller, const std::string& name) {
  BW_TRY(auto all, List(caller));
  for (StoredPolicy& policy : all)
    if (policy.name == name) return std::move(policy);
  return Error{Errc::kNotFound, "no policy " + name};
}

Status Policies::Change(const Caller& caller, const std::string& name, const std::string& what,
                        const std::vector<std::string>& globs, const std::function<Status(storage::Tx&)>& change) {
  std::vector<std::string> affected = GlobsNow(*service_.inputs().Current(), name);
  affected.insert(affected.end(), globs.begin(), globs.end());
  BW_CHECK(service_.inputs().ChangePolicies([&](storage::Tx& tx) -> Status {
    BW_CHECK(change(tx));
    BW_CHECK(MarkMatching(tx, affected, Pending::kPolicy));
    audit::Event event = service_.rights().Event(caller, "policy.change", "policy:" + name);
    event.reason = what;
    return audit::Record(tx, std::move(event));
  }));
  service_.Wake();
  return {};
}

Result<StoredPolicy> Policies::Put(const Caller& caller, const PolicyChange& change) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kManagePolicy, "policy.change", "policy:" + change.name));
  for (const policy::Policy& policy : service_.inputs().configured())
    if (policy.name == change.name)
      return Error{Errc::kConflict, "policy " + change.name + " belongs to the configuration file"};
  StoredPolicy stored{
      change.name, 0, change.enabled, "database", change.yaml, "", service_.parts().clock.Now(), caller.principal.name};
  std::vector<std::string> globs;
  if (!change.yaml.empty() || change.enabled) {
    BW_TRY(policy::Policy parsed, policy::ParsePolicy(change.yaml));
    if (parsed.name != change.name)
      return Error{Errc::kInvalid, "the document names policy " + parsed.name + ", not " + change.name};
    stored.revision = parsed.revision;
    globs = parsed.repositories;
  }
  BW_CHECK(Change(
      caller, change.name, std::string(change.enabled ? "revision " : "switched off, revision ") + stored.revision,
      globs, [&](storage::Tx& tx) -> Status {
        BW_TRY(auto version, tx.Int("SELECT version FROM policies WHERE name = ?1", {change.name}));
        if (change.expected_version && *change.expected_version != version.value_or(0))
          return {Errc::kConflict,
                  "policy " + change.name + " is at version " + std::to_string(version.value_or(0)) + " now"};
        BW_TRY(auto last, tx.Int("SELECT MAX(version) FROM policy_versions WHERE name = ?1", {change.name}));
        stored.version = last.value_or(0) + 1;
        BW_CHECK(
            tx.Exec("INSERT INTO policies (name, version, enabled, yaml, revision, changed, changed_by) "
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO UPDATE SET version = excluded.version, "
                    "enabled = excluded.enabled, yaml = excluded.yaml, revision = excluded.revision, "
                    "changed = excluded.changed, changed_by = excluded.changed_by",
                    {stored.name, stored.version, stored.enabled, stored.yaml, stored.revision, stored.changed,
                     stored.changed_by}));
        BW_CHECK(
            tx.Exec("INSERT INTO policy_versions (name, version, enabled, yaml, changed, changed_by) VALUES (?1, ?2, "
                    "?3, ?4, ?5, ?6)",
                    {stored.name, stored.version, stored.enabled, stored.yaml, stored.changed, stored.changed_by}));
        return {};
      }));
  return stored;
}

Status Policies::Remove(const Caller& caller, const std::string& name) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kManagePolicy, "policy.change", "policy:" + name));
  std::vector<std::string> globs;
  if (name == "default") globs = policy::DefaultPolicy().repositories;
  return Change(caller, name, "removed", globs, [&](storage::Tx& tx) -> Status {
    BW_TRY(std::int64_t removed, tx.Exec("DELETE FROM policies WHERE name = ?1", {name}));
    if (removed == 0) return {Errc::kNotFound, "no policy " + name + " in the database"};
    return {};
  });
}

}  // namespace bulwark::service
