#include "http/api/api.h"
#include "http/api/json_body.h"

namespace bulwark::http {
namespace {

using formats::JsonWriter;
using net::Response;

void Write(JsonWriter& out, const storage::Project& project) {
  out.Field("name", project.name);
  TimeField(out, "created", project.created);
}

Result<Response> ListProjects(Call& call, ApiDeps& deps) {
  BW_TRY(auto page, PageOf(call));
  BW_TRY(auto projects, deps.projects.List(call.caller, page));
  return PageAnswer(
      [&](JsonWriter& out) {
        for (const storage::Project& project : projects.items) {
          out.BeginObject();
          Write(out, project);
          out.EndObject();
        }
      },
      projects.next);
}

Result<Response> CreateProject(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto object, ParseBody(call, body, {"name"}));
  BW_TRY(std::string_view name, formats::JsonString(object, "name"));
  BW_TRY(auto project, deps.projects.Create(call.caller, std::string(name)));
  return ObjectAnswer(201, [&](JsonWriter& out) { Write(out, project); });
}

Result<Response> DeleteProject(Call& call, ApiDeps& deps) {
  BW_CHECK(deps.projects.Delete(call.caller, std::string(call.Param("project"))));
  return Response::Empty(204);
}

Result<Response> ListRepositories(Call& call, ApiDeps& deps) {
  BW_TRY(auto page, PageOf(call));
  BW_TRY(auto project, call.query.One("project"));
  std::optional<std::string> of;
  if (project) of = std::string(*project);
  BW_TRY(auto repositories, deps.projects.Repositories(call.caller, of, page));
  return PageAnswer(
      [&](JsonWriter& out) {
        for (const storage::Repository& repository : repositories.items) {
          out.BeginObject().Field("name", repository.name);
          TimeField(out, "created", repository.created);
          out.EndObject();
        }
      },
      repositories.next);
}

Result<Response> DeleteRepository(Call& call, ApiDeps& deps) {
  BW_TRY(auto name, RepositoryOf(call));
  BW_CHECK(deps.projects.DeleteRepository(call.caller, name));
  return Response::Empty(204);
}

Result<Response> ReportRunning(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto name, RepositoryOf(call));
  BW_TRY(auto object, ParseBody(call, body, {"digests"}));
  BW_TRY(const formats::json::array* list, formats::JsonArray(object, "digests"));
  if (list->size() > limits::kPageMaximum) return Error{Errc::kInvalid, "digests: too many at once"};
  std::vector<Digest> digests;
  for (const formats::json::value& item : *list) {
    if (!item.is_string()) return Error{Errc::kInvalid, "digests: an element is no string"};
    BW_TRY(Digest digest, Digest::Parse(std::string_view(item.get_string())));
    digests.push_back(digest);
  }
  BW_CHECK(deps.projects.ReportRunning(call.caller, name, digests));
  return Response::Empty(204);
}

}  // namespace

std::vector<Route> ProjectRoutes(ApiDeps& deps) {
  using net::Method;
  std::vector<Route> rows;
  rows.push_back({Method::kGet, "/api/v1/projects", Access::kAuthenticated, Bind(ListProjects, deps)});
  rows.push_back({Method::kPost, "/api/v1/projects", Access::kAdmin, Bind(CreateProject, deps)});
  rows.push_back({Method::kDelete, "/api/v1/projects/{project}", Access::kAdmin, Bind(DeleteProject, deps)});
  rows.push_back({Method::kGet, "/api/v1/repositories", Access::kAuthenticated, Bind(ListRepositories, deps)});
  rows.push_back({Method::kDelete, "/api/v1/repositories/{name}", Access::kDelete, Bind(DeleteRepository, deps)});
  rows.push_back({Method::kPost, "/api/v1/repositories/{name}/running", Access::kPull, Bind(ReportRunning, deps)});
  return rows;
}

}  // namespace bulwark::http
