#include "base/strings.h"
#include "http/api/api.h"
#include "http/api/json_body.h"
#include "report/render.h"

namespace bulwark::http {
namespace {

using formats::JsonWriter;
using net::Response;
using policy::PointOfUse;
using service::IndexOf;
using service::kPoints;

std::string_view KindName(service::SubjectKind kind) {
  switch (kind) {
    case service::SubjectKind::kImage: return "image";
    case service::SubjectKind::kIndex: return "index";
    case service::SubjectKind::kArtifact: return "artifact";
  }
  return "?";
}

void Write(JsonWriter& out, const service::ImageRow& image) {
  out.Field("digest", image.digest.str()).Field("media_type", image.media_type).Field("kind", KindName(image.kind));
  out.Key("tags").BeginArray();
  for (const std::string& tag : image.tags) out.String(tag);
  out.EndArray();
  TimeField(out, "pushed", image.pushed);
  out.Field("quarantined", image.quarantined);
  out.Key("decisions").BeginObject();
  for (PointOfUse at : kPoints) out.Field(policy::Name(at), policy::Name(image.outcomes[IndexOf(at)]));
  out.EndObject();
  out.Key("summary").Raw(image.summary.empty() ? "{}" : image.summary);
}

void WriteReasons(JsonWriter& out, const policy::Decision& decision) {
  out.Key("reasons").BeginArray();
  for (const policy::Reason& reason : decision.reasons) {
    out.BeginObject()
        .Field("effect", policy::Name(reason.effect))
        .Field("policy", reason.policy)
        .Field("rule", reason.rule);
    out.Field("message", reason.message).Field("count", reason.count).Key("findings").BeginArray();
    for (const std::string& finding : reason.findings) out.String(finding);
    out.EndArray().EndObject();
  }
  out.EndArray();
}

void WriteRevisions(JsonWriter& out, const service::Revisions& revisions) {
  out.Key("revisions")
      .BeginObject()
      .Field("facts", revisions.facts)
      .Field("data", revisions.data)
      .Field("policy", revisions.policy);
  out.Field("trust", revisions.trust).Field("exceptions", revisions.exceptions).EndObject();
}

void Write(JsonWriter& out, const service::Verdict& verdict) {
  out.Field("decision", policy::Name(verdict.decision.outcome)).Field("state", service::Name(verdict.pending));
  WriteReasons(out, verdict.decision);
  WriteRevisions(out, verdict.revisions);
  TimeField(out, "judged", verdict.as_of);
  TimeField(out, "valid_until", verdict.decision.valid_until);
}

Result<Response> ListImages(Call& call, ApiDeps& deps) {
  BW_TRY(auto name, RepositoryOf(call));
  BW_TRY(auto page, PageOf(call));
  BW_TRY(auto images, deps.images.List(call.caller, name, page));
  return PageAnswer(
      [&](JsonWriter& out) {
        for (const service::ImageRow& image : images.items) {
          out.BeginObject();
          Write(out, image);
          out.EndObject();
        }
      },
      images.next);
}

// The decision at the top is that of a pull: what `bulwark why` is asked for.
Result<Response> ExplainImage(Call& call, ApiDeps& deps) {
  BW_TRY(auto name, RepositoryOf(call));
  BW_TRY(auto reference, ReferenceOf(call));
  BW_TRY(service::Why why, deps.images.Explain(call.caller, name, reference));
  return ObjectAnswer(200, [&](JsonWriter& out) {
    out.Field("repository", why.repository);
    Write(out, why.image);
    Write(out, why.verdicts[IndexOf(PointOfUse::kPull)]);
    out.Key("points").BeginObject();
    for (PointOfUse at : kPoints) {
      out.Key(policy::Name(at)).BeginObject();
      Write(out, why.verdicts[IndexOf(at)]);
      out.EndObject();
    }
    out.EndObject().Key("children").BeginArray();
    for (const service::ChildRow& child : why.children) {
      out.BeginObject()
          .Field("digest", child.digest.str())
          .Field("platform", child.platform)
          .Field("present", child.present);
      out.Field("runnable", child.runnable);
      if (child.present) out.Field("decision", policy::Name(child.pull));
      out.EndObject();
    }
    out.EndArray();
  });
}

Result<Response> ReportImage(Call& call, ApiDeps& deps) {
  BW_TRY(auto name, RepositoryOf(call));
  BW_TRY(auto reference, ReferenceOf(call));
  BW_TRY(auto format, call.query.One("format"));
  BW_TRY(auto as_of, call.query.One("as_of"));
  std::optional<Time> time;
  if (as_of) { BW_TRY(time, ParseTime(*as_of)); }
  std::string_view wanted = format.value_or("json");
  if (wanted != "json" && wanted != "cyclonedx" && wanted != "table")
    return Error{Errc::kInvalid, "format: json, cyclonedx or table"};
  BW_TRY(auto report, deps.images.Report(call.caller, name, reference, time));
  if (wanted == "cyclonedx")
    return Response::Json(200, report::RenderCycloneDx(report), "application/vnd.cyclonedx+json");
  if (wanted == "table") return Response::Text(200, report::RenderTable(report, {}));
  return Response::Json(200, report::RenderJson(report));
}

}  // namespace

std::vector<Route> ImageRoutes(ApiDeps& deps) {
  using net::Method;
  std::vector<Route> rows;
  rows.push_back({Method::kGet, "/api/v1/repositories/{name}/images", Access::kReadReport, Bind(ListImages, deps)});
  rows.push_back({Method::kGet, "/api/v1/repositories/{name}/images/{reference}/why", Access::kReadReport,
                  Bind(ExplainImage, deps)});
  rows.push_back({Method::kGet, "/api/v1/repositories/{name}/images/{reference}/report", Access::kReadReport,
                  Bind(ReportImage, deps)});
  return rows;
}

}  // namespace bulwark::http
