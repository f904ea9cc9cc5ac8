#include "audit/audit.h"
#include "base/strings.h"
#include "http/api/api.h"
#include "http/api/json_body.h"

namespace bulwark::http {
namespace {

using formats::JsonWriter;
using net::Response;

std::string_view OutcomeName(audit::Outcome outcome) {
  switch (outcome) {
    case audit::Outcome::kDone: return "done";
    case audit::Outcome::kRefused: return "refused";
    case audit::Outcome::kFailed: return "failed";
  }
  return "?";
}

Result<Response> ListAudit(Call& call, ApiDeps& deps) {
  BW_TRY(auto page, PageOf(call));
  auto after = page.after.empty() ? std::optional<std::uint64_t>(0) : ParseUint(page.after);
  if (!after || *after > INT64_MAX) return Error{Errc::kInvalid, "after: not a cursor of this list"};
  BW_TRY(auto events, deps.service.parts().database.Read([&](const storage::ReadTx& tx) {
    return audit::List(tx, static_cast<std::int64_t>(*after), page.limit);
  }));
  std::optional<std::string> next;
  if (events.size() == page.limit) next = std::to_string(events.back().sequence);
  return PageAnswer(
      [&](JsonWriter& out) {
        for (const audit::Event& event : events) {
          out.BeginObject().Field("sequence", event.sequence);
          TimeField(out, "at", event.at);
          out.Field("actor", event.actor)
              .Field("action", event.action)
              .Field("object", event.object)
              .Field("outcome", OutcomeName(event.outcome));
          out.Field("reason", event.reason).Field("remote", event.remote).EndObject();
        }
      },
      next);
}

Response DataAnswer(const service::DataStatus& status) {
  return ObjectAnswer(200, [&](JsonWriter& out) {
    out.Field("revision", status.revision).Field("path", status.path).Field("records", status.records);
    TimeField(out, "date", status.date);
    if (!status.problem.empty()) out.Field("problem", status.problem);
    out.Key("sources").BeginArray();
    for (const advisory::SourceInfo& source : status.sources) {
      out.BeginObject().Field("name", source.name).Field("records", source.records).Field("errors", source.errors);
      TimeField(out, "date", source.data_date);
      out.EndObject();
    }
    out.EndArray();
  });
}

Result<Response> GetData(Call& call, ApiDeps& deps) {
  BW_TRY(auto status, deps.data.Status(call.caller));
  return DataAnswer(status);
}

Result<Response> ReloadData(Call& call, ApiDeps& deps) {
  BW_TRY(auto status, deps.data.Reload(call.caller));
  return DataAnswer(status);
}

}  // namespace

std::vector<Route> OperationRoutes(ApiDeps& deps) {
  using net::Method;
  std::vector<Route> rows;
  rows.push_back({Method::kGet, "/api/v1/audit", Access::kReadAudit, Bind(ListAudit, deps)});
  rows.push_back({Method::kGet, "/api/v1/data", Access::kAuthenticated, Bind(GetData, deps)});
  rows.push_back({Method::kPost, "/api/v1/data/reload", Access::kAdmin, Bind(ReloadData, deps)});
  return rows;
}

}  // namespace bulwark::http
