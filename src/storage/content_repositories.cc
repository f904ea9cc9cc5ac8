// Projects and repositories of content.h.

#include "storage/content.h"
#include "storage/content_rows.h"

namespace bulwark::storage {
namespace {

// Where the rows of deleted repositories wait for the collector once their project is gone. No name that a project can
// have, so nobody finds it or makes another.
constexpr std::string_view kLeaving = ".leaving";

Project ProjectOf(const Row& row) { return {ProjectId{row.Int(0)}, std::string(row.Text(1)), row.TimeAt(2)}; }

Repository RepositoryOf(const Row& row) {
  return {RepositoryId{row.Int(0)}, ProjectId{row.Int(1)}, std::string(row.Text(2)), row.TimeAt(3)};
}

// One more row than the page holds was asked for; it only says that there is a next page.
template <typename T>
Page<T> PageOf(std::vector<T> rows, std::int64_t limit) {
  Page<T> page;
  if (rows.size() > static_cast<std::size_t>(limit)) {
    rows.resize(static_cast<std::size_t>(limit));
    page.next = rows.back().name;
  }
  page.items = std::move(rows);
  return page;
}

template <typename T, T (*From)(const Row&)>
Result<std::vector<T>> Rows(const ReadTx& tx, std::string_view sql, std::initializer_list<Param> params) {
  std::vector<T> out;
  BW_CHECK(tx.Each(sql, params, [&](const Row& row) {
    out.push_back(From(row));
    return true;
  }));
  return out;
}

template <typename T>
std::optional<T> First(std::vector<T> rows) {
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

}  // namespace

Result<std::optional<Project>> FindProject(const ReadTx& tx, std::string_view name) {
  if (name == kLeaving) return std::optional<Project>();
  BW_TRY(auto rows, (Rows<Project, ProjectOf>(tx, "SELECT id, name, created FROM projects WHERE name = ?1", {name})));
  return First(std::move(rows));
}

Result<Project> CreateProject(Tx& tx, std::string_view name, Time now) {
  BW_TRY(std::string checked, ParseProjectName(name));
  BW_TRY(auto there, FindProject(tx, checked));
  if (there) return Error{Errc::kExists, "the project " + checked + " exists"};
  BW_CHECK(tx.Exec("INSERT INTO projects (name, created) VALUES (?1, ?2)", {checked, now}));
  return Project{ProjectId{tx.last_insert_id()}, std::move(checked), now};
}

Result<Project> EnsureProject(Tx& tx, std::string_view name, Time now) {
  BW_TRY(auto there, FindProject(tx, name));
  if (there) return *std::move(there);
  return CreateProject(tx, name, now);
}

Status DeleteProject(Tx& tx, ProjectId id) {
  BW_TRY(auto used, tx.Int("SELECT 1 FROM repositories WHERE project_id = ?1 AND name IS NOT NULL LIMIT 1", {id}));
  if (used) return Error{Errc::kConflict, "the project still has repositories"};
  BW_TRY(auto leaving, tx.Int("SELECT 1 FROM repositories WHERE project_id = ?1 LIMIT 1", {id}));
  if (leaving) {
    BW_CHECK(tx.Exec("INSERT INTO projects (name, created) VALUES (?1, 0) ON CONFLICT (name) DO NOTHING", {kLeaving}));
    BW_CHECK(tx.Exec(
        "UPDATE repositories SET project_id = (SELECT id FROM projects WHERE name = ?2) WHERE project_id = ?1",
        {id, kLeaving}));
  }
  BW_TRY(std::int64_t n, tx.Exec("DELETE FROM projects WHERE id = ?1", {id}));
  if (n == 0) return Error{Errc::kNotFound, "the project does not exist"};
  return {};
}

Result<Page<Project>> ListProjects(const ReadTx& tx, const PageRequest& page) {
  const std::int64_t limit = ClampedLimit(page);
  BW_TRY(auto rows,
         (Rows<Project, ProjectOf>(tx, "SELECT id, name, created FROM projects WHERE name > ?1 AND name <> ?3 ORDER BY name LIMIT ?2",
                                   {page.after, limit + 1, kLeaving})));
  return PageOf(std::move(rows), limit);
}

Result<std::optional<Repository>> ResolveRepository(const ReadTx& tx, const RepoName& name) {
  BW_TRY(auto rows, (Rows<Repository, RepositoryOf>(
                        tx, "SELECT id, project_id, name, created FROM repositories WHERE name = ?1", {name.str()})));
  return First(std::move(rows));
}

Result<std::optional<Repository>> FindRepository(const ReadTx& tx, RepositoryId id) {
  BW_TRY(auto rows,
         (Rows<Repository, RepositoryOf>(
             tx, "SELECT id, project_id, name, created FROM repositories WHERE id = ?1 AND name IS NOT NULL", {id})));
  return First(std::move(rows));
}

Result<Repository> CreateRepository(Tx& tx, const RepoName& name, Time now) {
  BW_TRY(auto project, FindProject(tx, name.project()));
  if (!project) return Error{Errc::kNotFound, "the project " + std::string(name.project()) + " does not exist"};
  BW_TRY(auto there, ResolveRepository(tx, name));
  if (there) return Error{Errc::kExists, "the repository " + name.str() + " exists"};
  BW_CHECK(tx.Exec("INSERT INTO repositories (project_id, name, created) VALUES (?1, ?2, ?3)",
                   {project->id, name.str(), now}));
  return Repository{RepositoryId{tx.last_insert_id()}, project->id, name.str(), now};
}

Status DeleteRepository(Tx& tx, RepositoryId id) {
  BW_TRY(std::int64_t n, tx.Exec("UPDATE repositories SET name = NULL WHERE id = ?1 AND name IS NOT NULL", {id}));
  if (n == 0) return Error{Errc::kNotFound, "the repository does not exist"};
  return {};
}

Result<Page<Repository>> ListRepositories(const ReadTx& tx, std::optional<ProjectId> project, const PageRequest& page) {
  const std::int64_t limit = ClampedLimit(page);
  std::vector<Repository> rows;
  if (project) {
    BW_TRY(rows, (Rows<Repository, RepositoryOf>(tx,
                                                 "SELECT id, project_id, name, created FROM repositories "
                                                 "WHERE project_id = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
                                                 {*project, page.after, limit + 1})));
  } else {
    BW_TRY(rows, (Rows<Repository, RepositoryOf>(tx,
                                                 "SELECT id, project_id, name, created FROM repositories "
                                                 "WHERE name > ?1 ORDER BY name LIMIT ?2",
                                                 {page.after, limit + 1})));
  }
  return PageOf(std::move(rows), limit);
}

Result<Usage> RepositoryUsage(const ReadTx& tx, RepositoryId repository) {
  Usage usage;
  BW_CHECK(RequireRepository(tx, repository));
  BW_CHECK(tx.Each("SELECT count(*), coalesce(sum(size), 0) FROM manifests WHERE repository_id = ?1", {repository},
                   [&](const Row& row) {
                     usage.manifests = row.Int(0);
                     usage.bytes = row.Int(1);
                     return false;
                   }));
  BW_TRY(auto tags, tx.Int("SELECT count(*) FROM tags WHERE repository_id = ?1", {repository}));
  usage.tags = tags.value_or(0);
  BW_TRY(auto blobs,
         tx.Int("SELECT coalesce(sum(b.size), 0) FROM blobs b WHERE b.domain = 0 AND b.dead = 0 AND b.digest IN "
                "(SELECT digest FROM edges WHERE repository_id = ?1 AND kind = 1)",
                {repository}));
  usage.bytes += blobs.value_or(0);
  return usage;
}

}  // namespace bulwark::storage
