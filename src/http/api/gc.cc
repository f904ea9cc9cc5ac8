// Collection: a pass now, what one would remove, and why something is kept.

#include "base/limits.h"
#include "http/api/api.h"
#include "http/api/json_body.h"

namespace bulwark::http {
namespace {

using formats::JsonWriter;
using net::Response;

Result<Response> RunCollection(Call& call, ApiDeps& deps) {
  BW_TRY(auto report, deps.collection.Run(call.caller, limits::kCollectionAnswer));
  return ObjectAnswer(200, [&](JsonWriter& out) {
    out.Field("blobs", report.blobs).Field("bytes", report.bytes).Field("manifests", report.manifests);
    out.Field("uploads", report.uploads).Field("complete", report.complete);
  });
}

void Write(JsonWriter& out, const storage::CollectionPreview::Waiting& waiting) {
  out.BeginObject().Field("repository", waiting.repository).Field("blobs", waiting.blobs).Field("bytes", waiting.bytes);
  TimeField(out, "first", waiting.first);
  TimeField(out, "last", waiting.last);
  out.EndObject();
}

Result<Response> PreviewCollection(Call& call, ApiDeps& deps) {
  BW_TRY(auto preview, deps.collection.Preview(call.caller));
  return ObjectAnswer(200, [&](JsonWriter& out) {
    out.Field("blobs", preview.blobs).Field("bytes", preview.bytes).Field("manifests", preview.manifests);
    out.Field("repositories", preview.repositories).Field("uploads", preview.uploads);
    out.Key("largest").BeginArray();
    for (const auto& blob : preview.largest)
      out.BeginObject().Field("digest", blob.digest.str()).Field("size", blob.size).EndObject();
    out.EndArray().Field("waiting_blobs", preview.waiting_blobs).Field("waiting_bytes", preview.waiting_bytes);
    out.Key("waiting").BeginArray();
    for (const auto& waiting : preview.waiting) Write(out, waiting);
    out.EndArray().Field("grace", preview.grace);
    if (preview.grace > 0) TimeField(out, "grace_until", preview.grace_until);
  });
}

void Write(JsonWriter& out, const service::KeptBecause::Reference& reference) {
  out.BeginObject().Field("repository", reference.repository).Field("manifest", reference.manifest.str());
  if (!reference.role.empty()) out.Field("role", reference.role);
  out.Key("tags").BeginArray();
  for (const std::string& tag : reference.tags) out.String(tag);
  out.EndArray().EndObject();
}

Result<Response> WhyKept(Call& call, ApiDeps& deps) {
  BW_TRY(Digest digest, Digest::Parse(call.Param("digest")));
  BW_TRY(auto why, deps.collection.Why(call.caller, digest));
  return ObjectAnswer(200, [&](JsonWriter& out) {
    out.Field("digest", digest.str()).Field("state", why.state).Field("size", why.size);
    TimeField(out, "created", why.created);
    TimeField(out, "until", why.until);
    out.Key("references").BeginArray();
    for (const auto& reference : why.references) Write(out, reference);
    out.EndArray().Field("more_references", why.more_references).Key("leases").BeginArray();
    for (const auto& lease : why.leases) {
      out.BeginObject().Field("repository", lease.repository).Field("user", lease.user);
      TimeField(out, "until", lease.until);
      out.EndObject();
    }
    out.EndArray().Field("uploads", why.uploads);
  });
}

}  // namespace

std::vector<Route> CollectionRoutes(ApiDeps& deps) {
  using net::Method;
  std::vector<Route> rows;
  rows.push_back({Method::kPost, "/api/v1/gc", Access::kAdmin, Bind(RunCollection, deps)});
  rows.push_back({Method::kGet, "/api/v1/gc/preview", Access::kAdmin, Bind(PreviewCollection, deps)});
  rows.push_back({Method::kGet, "/api/v1/gc/why/{digest}", Access::kAdmin, Bind(WhyKept, deps)});
  for (Route& row : rows) row.lane = Lane::kSlow;  // a pass of many seconds, or a look at every lease
  return rows;
}

}  // namespace bulwark::http
