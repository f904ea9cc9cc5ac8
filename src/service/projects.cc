#include "service/projects.h"

#include <algorithm>

#include "audit/audit.h"
#include "auth/auth.h"
#include "base/limits.h"
#include "service/engine.h"
#include "service/inputs.h"
#include "service/pull_recorder.h"
#include "service/rights.h"
#include "service/verdict_rows.h"

namespace bulwark::service {

using auth::Verb;

namespace {

// Exceptions are for what was there: who takes the name next does not inherit them.
Status RevokeExceptions(storage::Tx& tx, std::string_view condition, const std::string& name, Time now) {
  BW_CHECK(tx.Exec("UPDATE exceptions SET revoked = ?1 WHERE revoked = 0 AND " + std::string(condition), {now, name}));
  return {};
}

}  // namespace

Result<storage::Page<storage::Project>> Projects::List(const Caller& caller, const storage::PageRequest& page) {
  const ServiceParts& parts = service_.parts();
  BW_TRY(bool all, parts.authenticator.AllowedAnywhere(caller.principal, Verb::kAdmin));
  storage::PageRequest next = page;
  storage::Page<storage::Project> out;
  BW_TRY(auto found, parts.database.Read([&](const storage::ReadTx& tx) { return storage::ListProjects(tx, next); }));
  out.next = found.next;
  for (storage::Project& project : found.items) {
    bool visible = all;
    if (!visible) {  // the right to anything that could be in it
      BW_TRY(visible, service_.rights().Holds(caller.principal, Verb::kPull, project.name + "/any"));
    }
    if (visible) out.items.push_back(std::move(project));
  }
  return out;
}

Result<storage::Project> Projects::Create(const Caller& caller, const std::string& name) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "project.create", "project:" + name));
  const ServiceParts& parts = service_.parts();
  BW_CHECK(parts.blobs.CheckSpace(0));
  return parts.database.Write([&](storage::Tx& tx) -> Result<storage::Project> {
    BW_TRY(auto project, storage::CreateProject(tx, name, parts.clock.Now()));
    BW_CHECK(audit::Record(tx, service_.rights().Event(caller, "project.create", "project:" + name)));
    return project;
  });
}

Status Projects::Delete(const Caller& caller, const std::string& name) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "project.delete", "project:" + name));
  const ServiceParts& parts = service_.parts();
  Status done = service_.inputs().ChangeExceptions([&](storage::Tx& tx) -> Status {
    BW_TRY(auto project, storage::FindProject(tx, name));
    if (!project) return {Errc::kNotFound, "no project " + name};
    BW_CHECK(storage::DeleteProject(tx, project->id));
    BW_CHECK(RevokeExceptions(tx, "substr(repository, 1, length(?2)) = ?2", name + "/", parts.clock.Now()));
    BW_CHECK(auth::RemoveGrantsWithin(tx, name));
    return audit::Record(tx, service_.rights().Event(caller, "project.delete", "project:" + name));
  });
  parts.authenticator.Forget();
  return done;
}

Result<storage::Page<storage::Repository>> Projects::Repositories(const Caller& caller,
                                                                  const std::optional<std::string>& project,
                                                                  const storage::PageRequest& page) {
  storage::Database& database = service_.parts().database;
  std::optional<storage::ProjectId> id;
  storage::Page<storage::Repository> out;
  if (project) {
    BW_TRY(auto found, database.Read([&](const storage::ReadTx& tx) { return storage::FindProject(tx, *project); }));
    if (!found) return out;  // as for one in which nothing is visible
    id = found->id;
  }
  const std::size_t wanted = std::clamp<std::size_t>(page.limit, 1, limits::kPageMaximum);
  storage::PageRequest next = page;
  next.limit = limits::kPageMaximum;
  while (true) {
    BW_TRY(auto found,
           database.Read([&](const storage::ReadTx& tx) { return storage::ListRepositories(tx, id, next); }));
    for (storage::Repository& repository : found.items) {
      BW_TRY(bool visible, Sees(caller, repository.name));
      if (!visible) continue;
      if (out.items.size() == wanted) {  // the cursor names a visible row, so that it gives away no other
        out.next = out.items.back().name;
        return out;
      }
      out.items.push_back(std::move(repository));
    }
    if (!found.next) return out;
    next.after = *found.next;
  }
}

Result<bool> Projects::Sees(const Caller& caller, const std::string& repository) {
  BW_TRY(bool pulls, service_.rights().Holds(caller.principal, Verb::kPull, repository));
  if (pulls) return true;
  return service_.rights().Holds(caller.principal, Verb::kReadReport, repository);
}

Status Projects::DeleteRepository(const Caller& caller, const RepoName& name) {
  BW_TRY(auto repository, service_.rights().Repository(caller, name, Verb::kDelete, "repository.delete"));
  return service_.inputs().ChangeExceptions([&](storage::Tx& tx) -> Status {
    BW_CHECK(storage::DeleteRepository(tx, repository.id));
    BW_CHECK(ForgetRepository(tx, repository.id));
    BW_CHECK(RevokeExceptions(tx, "repository = ?2", name.str(), service_.parts().clock.Now()));
    return audit::Record(tx, service_.rights().Event(caller, "repository.delete", name.str()));
  });
}

Status Projects::ReportRunning(const Caller& caller, const RepoName& name, const std::vector<Digest>& digests) {
  BW_TRY(auto repository, service_.rights().Repository(caller, name, Verb::kPull, "running.report"));
  BW_TRY(bool scans, service_.rights().OwnerHolds(caller.principal, Verb::kScan, name.str()));
  if (caller.principal.kind != auth::PrincipalKind::kCluster && !scans)
    return service_.rights().Refuse(caller, "running.report", name.str(),
                                    {Errc::kDenied, "DENIED: only clusters and scanners say what runs"});
  BW_CHECK(service_.parts().database.Write([&](storage::Tx& tx) -> Status {
    for (const Digest& digest : digests) {
      BW_TRY(auto there, FindSubject(tx, repository.id, digest));
      if (!there) continue;  // it may have been deleted since it was started
      BW_CHECK(SeenRunning(tx, repository.id, digest, caller.principal.id, service_.parts().clock.Now()));
    }
    audit::Event event = service_.rights().Event(caller, "running.report", name.str());
    event.reason = std::to_string(digests.size()) + " digests";
    return audit::Record(tx, std::move(event));
  }));
  service_.Wake();
  return {};
}

}  // namespace bulwark::service
