#include "http/api/api.h"
#include "http/api/json_body.h"

namespace bulwark::http {
namespace {

using formats::JsonWriter;
using net::Response;

void Write(JsonWriter& out, const service::ExceptionState& state) {
  const policy::Exception& e = state.exception;
  out.Field("id", e.id)
      .Field("vulnerability", e.vulnerability)
      .Field("package", e.package)
      .Field("repository", e.repository);
  out.Field("reference", e.reference)
      .Field("reason", e.reason)
      .Field("note", e.note)
      .Field("author", e.author)
      .Field("approver", e.approver);
  TimeField(out, "created", e.created);
  TimeField(out, "expires", e.expires);
  if (state.approved) TimeField(out, "approved", *state.approved);
  if (state.revoked) TimeField(out, "revoked", *state.revoked);
}

Result<Response> ListExceptions(Call& call, ApiDeps& deps) {
  BW_TRY(auto page, PageOf(call));
  BW_TRY(auto exceptions, deps.exceptions.List(call.caller, page));
  return PageAnswer(
      [&](JsonWriter& out) {
        for (const service::ExceptionState& state : exceptions.items) {
          out.BeginObject();
          Write(out, state);
          out.EndObject();
        }
      },
      exceptions.next);
}

Result<Response> RequestException(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto object,
         ParseBody(call, body, {"vulnerability", "package", "repository", "reference", "reason", "note", "expires"}));
  policy::Exception e;
  BW_TRY(e.vulnerability, formats::JsonString(object, "vulnerability"));
  BW_TRY(e.repository, formats::JsonString(object, "repository"));
  BW_TRY(e.reason, formats::JsonString(object, "reason"));
  BW_TRY(auto package, formats::JsonOptionalString(object, "package"));
  BW_TRY(auto reference, formats::JsonOptionalString(object, "reference"));
  BW_TRY(auto note, formats::JsonOptionalString(object, "note"));
  e.package = package.value_or("*");
  e.reference = reference.value_or("*");
  e.note = note.value_or("");
  BW_TRY(std::string_view expires, formats::JsonString(object, "expires"));
  BW_TRY(e.expires, ParseTime(expires));
  BW_TRY(auto state, deps.exceptions.Request(call.caller, std::move(e)));
  return ObjectAnswer(201, [&](JsonWriter& out) { Write(out, state); });
}

Result<Response> ApproveException(Call& call, ApiDeps& deps) {
  BW_TRY(std::int64_t id, IdOf(call));
  BW_TRY(auto state, deps.exceptions.Approve(call.caller, id));
  return ObjectAnswer(200, [&](JsonWriter& out) { Write(out, state); });
}

Result<Response> RevokeException(Call& call, ApiDeps& deps) {
  BW_TRY(std::int64_t id, IdOf(call));
  BW_CHECK(deps.exceptions.Revoke(call.caller, id));
  return Response::Empty(204);
}

}  // namespace

// Rights depend on the repositories that the exception names: the service checks them.
std::vector<Route> ExceptionRoutes(ApiDeps& deps) {
  using net::Method;
  std::vector<Route> rows;
  rows.push_back({Method::kGet, "/api/v1/exceptions", Access::kAuthenticated, Bind(ListExceptions, deps)});
  rows.push_back({Method::kPost, "/api/v1/exceptions", Access::kAuthenticated, Bind(RequestException, deps)});
  rows.push_back(
      {Method::kPost, "/api/v1/exceptions/{id}/approve", Access::kAuthenticated, Bind(ApproveException, deps)});
  rows.push_back({Method::kDelete, "/api/v1/exceptions/{id}", Access::kAuthenticated, Bind(RevokeException, deps)});
  return rows;
}

}  // namespace bulwark::http
