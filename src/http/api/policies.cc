#include "http/api/api.h"
#include "http/api/json_body.h"

namespace bulwark::http {
namespace {

using formats::JsonWriter;
using net::Response;

void Write(JsonWriter& out, const service::StoredPolicy& policy) {
  out.Field("name", policy.name)
      .Field("version", policy.version)
      .Field("enabled", policy.enabled)
      .Field("source", policy.source);
  out.Field("revision", policy.revision).Field("yaml", policy.yaml);
  if (policy.version == 0) return;
  TimeField(out, "changed", policy.changed);
  out.Field("changed_by", policy.changed_by);
}

Result<Response> ListPolicies(Call& call, ApiDeps& deps) {
  BW_TRY(auto policies, deps.policies.List(call.caller));
  return PageAnswer(
      [&](JsonWriter& out) {
        for (const service::StoredPolicy& policy : policies) {
          out.BeginObject();
          Write(out, policy);
          out.EndObject();
        }
      },
      std::nullopt);
}

Result<Response> GetPolicy(Call& call, ApiDeps& deps) {
  BW_TRY(auto policy, deps.policies.Get(call.caller, std::string(call.Param("policy"))));
  return ObjectAnswer(200, [&](JsonWriter& out) { Write(out, policy); });
}

Result<Response> PutPolicy(Call& call, std::string body, ApiDeps& deps) {
  BW_TRY(auto object, ParseBody(call, body, {"yaml", "enabled", "expected_version"}));
  service::PolicyChange change;
  change.name = call.Param("policy");
  BW_TRY(auto yaml, formats::JsonOptionalString(object, "yaml"));
  change.yaml = yaml.value_or("");
  BW_TRY(auto enabled, formats::JsonOptionalBool(object, "enabled"));
  change.enabled = enabled.value_or(true);
  if (object.contains("expected_version")) {
    BW_TRY(std::uint64_t version, formats::JsonUint(object, "expected_version"));
    change.expected_version = static_cast<std::int64_t>(version);
  }
  BW_TRY(auto policy, deps.policies.Put(call.caller, change));
  return ObjectAnswer(200, [&](JsonWriter& out) { Write(out, policy); });
}

Result<Response> DeletePolicy(Call& call, ApiDeps& deps) {
  BW_CHECK(deps.policies.Remove(call.caller, std::string(call.Param("policy"))));
  return Response::Empty(204);
}

}  // namespace

std::vector<Route> PolicyRoutes(ApiDeps& deps) {
  using net::Method;
  std::vector<Route> rows;
  rows.push_back({Method::kGet, "/api/v1/policies", Access::kAuthenticated, Bind(ListPolicies, deps)});
  rows.push_back({Method::kGet, "/api/v1/policies/{policy}", Access::kAuthenticated, Bind(GetPolicy, deps)});
  rows.push_back({Method::kPut, "/api/v1/policies/{policy}", Access::kManagePolicy, Bind(PutPolicy, deps)});
  rows.push_back({Method::kDelete, "/api/v1/policies/{policy}", Access::kManagePolicy, Bind(DeletePolicy, deps)});
  return rows;
}

}  // namespace bulwark::http
