#include "base/strings.h"
#include "http/api/api.h"
#include "http/api/json_body.h"

namespace bulwark::http {
namespace {

using auth::PrincipalKind;
using formats::JsonWriter;
using net::Response;

std::string_view KindName(PrincipalKind kind) {
  switch (kind) {
    case PrincipalKind::kAnonymous: return "anonymous";
    case PrincipalKind::kUser: return "user";
    case PrincipalKind::kService: return "service";
    case PrincipalKind::kCluster: return "cluster";
    case PrincipalKind::kSystem: return "system";
  }
  return "?";
}

void Write(JsonWriter& out, const service::UserView& view) {
  out.Field("id", view.user.id)
      .Field("name", view.user.name)
      .Field("kind", KindName(view.user.kind))
      .Field("disabled", view.user.disabled);
  out.Field("must_change_password", view.user.must_change_password);
  TimeField(out, "created", view.user.created);
  out.Key("grants").BeginArray();
  for (const auth::Grant& grant : view.grants)
    out.BeginObject()
        .Field("id", grant.id)
        .Field("role", grant.role)
        .Field("repositories", grant.repositories)
        .EndObject();
  out.EndArray();
}

Result<Response> WhoAmI(Call& call, ApiDeps&) {
  const auth::Principal& principal = call.caller.principal;
  return ObjectAnswer(200, [&](JsonWriter& out) {
    out.Field("name", principal.name)
        .Field("kind", KindName(principal.kind))
        .Field("must_change_password", principal.must_change_password);
  });
}

Result<Response> ChangeOwnPassword(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto object, ParseBody(call, body, {"current", "new"}));
  BW_TRY(std::string_view current, formats::JsonString(object, "current"));
  BW_TRY(std::string_view next, formats::JsonString(object, "new"));
  BW_CHECK(deps.users.ChangeOwnPassword(call.caller, std::string(current), std::string(next)));
  return Response::Empty(204);
}

Result<Response> ListUsers(Call& call, ApiDeps& deps) {
  BW_TRY(auto page, PageOf(call));
  auto after = page.after.empty() ? std::optional<std::uint64_t>(0) : ParseUint(page.after);
  if (!after || *after > INT64_MAX) return Error{Errc::kInvalid, "after: not a cursor of this list"};
  BW_TRY(auto users, deps.users.List(call.caller, static_cast<std::int64_t>(*after), page.limit));
  std::optional<std::string> next;
  if (users.size() == page.limit) next = std::to_string(users.back().user.id);
  return PageAnswer(
      [&](JsonWriter& out) {
        for (const service::UserView& user : users) {
          out.BeginObject();
          Write(out, user);
          out.EndObject();
        }
      },
      next);
}

Result<Response> CreateUser(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto object, ParseBody(call, body, {"name", "password", "kind"}));
  BW_TRY(std::string_view name, formats::JsonString(object, "name"));
  BW_TRY(std::string_view password, formats::JsonString(object, "password"));
  BW_TRY(auto kind_name, formats::JsonOptionalString(object, "kind"));
  PrincipalKind kind = PrincipalKind::kUser;
  if (kind_name == "service") kind = PrincipalKind::kService;
  else if (kind_name == "cluster") kind = PrincipalKind::kCluster;
  else if (kind_name && kind_name != "user") return Error{Errc::kInvalid, "kind: user, service or cluster"};
  BW_TRY(auto user, deps.users.Create(call.caller, std::string(name), std::string(password), kind));
  return ObjectAnswer(201, [&](JsonWriter& out) { Write(out, user); });
}

Result<Response> GetUser(Call& call, ApiDeps& deps) {
  BW_TRY(auto user, deps.users.Get(call.caller, std::string(call.Param("user"))));
  return ObjectAnswer(200, [&](JsonWriter& out) { Write(out, user); });
}

Result<Response> PatchUser(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto object, ParseBody(call, body, {"disabled"}));
  BW_TRY(auto disabled, formats::JsonOptionalBool(object, "disabled"));
  const std::string name(call.Param("user"));
  if (disabled) BW_CHECK(deps.users.SetDisabled(call.caller, name, *disabled));
  return GetUser(call, deps);
}

Result<Response> SetPassword(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto object, ParseBody(call, body, {"password"}));
  BW_TRY(std::string_view password, formats::JsonString(object, "password"));
  BW_CHECK(deps.users.SetPassword(call.caller, std::string(call.Param("user")), std::string(password)));
  return Response::Empty(204);
}

Result<Response> AddGrant(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto object, ParseBody(call, body, {"role", "repositories"}));
  BW_TRY(std::string_view role, formats::JsonString(object, "role"));
  BW_TRY(std::string_view repositories, formats::JsonString(object, "repositories"));
  BW_TRY(auto grant, deps.users.AddGrant(call.caller, std::string(call.Param("user")), std::string(role),
                                         std::string(repositories)));
  return ObjectAnswer(201, [&](JsonWriter& out) {
    out.Field("id", grant.id).Field("role", grant.role).Field("repositories", grant.repositories);
  });
}

Result<Response> RemoveGrant(Call& call, ApiDeps& deps) {
  BW_TRY(std::int64_t id, IdOf(call));
  BW_CHECK(deps.users.RemoveGrant(call.caller, std::string(call.Param("user")), id));
  return Response::Empty(204);
}

}  // namespace

std::vector<Route> UserRoutes(ApiDeps& deps) {
  using net::Method;
  std::vector<Route> rows;
  rows.push_back({Method::kGet, "/api/v1/self", Access::kSelf, Bind(WhoAmI, deps)});
  rows.push_back({Method::kPut, "/api/v1/self/password", Access::kSelf, Bind(ChangeOwnPassword, deps)});
  rows.push_back({Method::kGet, "/api/v1/users", Access::kAdmin, Bind(ListUsers, deps)});
  rows.push_back({Method::kPost, "/api/v1/users", Access::kAdmin, Bind(CreateUser, deps)});
  rows.push_back({Method::kGet, "/api/v1/users/{user}", Access::kAdmin, Bind(GetUser, deps)});
  rows.push_back({Method::kPatch, "/api/v1/users/{user}", Access::kAdmin, Bind(PatchUser, deps)});
  rows.push_back({Method::kPut, "/api/v1/users/{user}/password", Access::kAdmin, Bind(SetPassword, deps)});
  rows.push_back({Method::kPost, "/api/v1/users/{user}/grants", Access::kAdmin, Bind(AddGrant, deps)});
  rows.push_back({Method::kDelete, "/api/v1/users/{user}/grants/{id}", Access::kAdmin, Bind(RemoveGrant, deps)});
  return rows;
}

}  // namespace bulwark::http
