// Tags, repositories, referrers, and the version check.
#include "http/registry/registry.h"

#include "formats/json.h"
#include "http/registry/parse.h"

namespace bulwark::http {
namespace {

using formats::JsonWriter;
using net::Response;

constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";

Result<Response> Version(Call&, RegistryDeps&) { return Response::Json(200, "{}"); }

void WriteStrings(JsonWriter& json, std::string_view key, const std::vector<std::string>& items) {
  json.Key(key).BeginArray();
  for (const std::string& item : items) json.String(item);
  json.EndArray();
}

// Path-relative, so that it fits whatever name the client used for us.
void AddNextLink(Response& response, const std::string& path, std::size_t n, const service::Page& page) {
  if (!page.more || page.items.empty() || n == 0) return;
  response.Set("Link", "<" + path + "?n=" + std::to_string(n) + "&last=" + net::PercentEncode(page.items.back()) + ">; rel=\"next\"");
}

Result<Response> ListTags(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  BW_TRY(const PageQuery query, ParsePage(call.query));
  BW_TRY(const service::Page page, deps.registry.ListTags(call.caller, name, query.n, query.last));
  JsonWriter json;
  json.BeginObject().Field("name", name.str());
  WriteStrings(json, "tags", page.items);
  Response response = Response::Json(200, json.EndObject().Take());
  AddNextLink(response, "/v2/" + name.str() + "/tags/list", query.n, page);
  return response;
}

Result<Response> ListRepositories(Call& call, RegistryDeps& deps) {
  BW_TRY(const PageQuery query, ParsePage(call.query));
  BW_TRY(const service::Page page, deps.registry.ListRepositories(call.caller, query.n, query.last));
  JsonWriter json;
  json.BeginObject();
  WriteStrings(json, "repositories", page.items);
  Response response = Response::Json(200, json.EndObject().Take());
  AddNextLink(response, "/v2/_catalog", query.n, page);
  return response;
}

void WriteDescriptor(JsonWriter& json, const service::ReferrerDescriptor& referrer) {
  json.BeginObject().Field("mediaType", referrer.media_type).Field("digest", referrer.digest.str()).Field("size", referrer.size);
  if (!referrer.artifact_type.empty()) json.Field("artifactType", referrer.artifact_type);
  if (!referrer.annotations_json.empty()) json.Key("annotations").Raw(referrer.annotations_json);
  json.EndObject();
}

Result<Response> ListReferrers(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  BW_TRY(const Digest digest, DigestOf(call));
  BW_TRY(const auto asked, call.query.One("artifactType"));
  std::optional<std::string> artifact_type;
  if (asked && !asked->empty()) artifact_type = std::string(*asked);
  BW_TRY(const auto last, call.query.One("last"));
  BW_TRY(const auto page, deps.registry.Referrers(call.caller, name, digest, artifact_type, last.value_or("")));
  JsonWriter json;
  json.BeginObject().Field("schemaVersion", 2).Field("mediaType", kIndexType).Key("manifests").BeginArray();
  for (const auto& referrer : page.items) WriteDescriptor(json, referrer);
  Response response = Response::Json(200, json.EndArray().EndObject().Take(), kIndexType);
  if (artifact_type) response.Set("OCI-Filters-Applied", "artifactType");
  if (page.next) {
    std::string link = "</v2/" + name.str() + "/referrers/" + digest.str() + "?last=" + net::PercentEncode(*page.next);
    if (artifact_type) link += "&artifactType=" + net::PercentEncode(*artifact_type);
    response.Set("Link", link + ">; rel=\"next\"");
  }
  return response;
}

}  // namespace

std::vector<Route> ListRoutes(RegistryDeps& deps) {
  using net::Method;
  return {
      {Method::kGet, "/v2/", Access::kAuthenticated, Bind(Version, deps)},
      {Method::kGet, "/v2/_catalog", Access::kAuthenticated, Bind(ListRepositories, deps)},
      {Method::kGet, "/v2/{name}/tags/list", Access::kPull, Bind(ListTags, deps)},
      {Method::kGet, "/v2/{name}/referrers/{digest}", Access::kPull, Bind(ListReferrers, deps)},
  };
}

std::vector<Route> RegistryRoutes(RegistryDeps& deps) {
  std::vector<Route> all;
  for (auto* rows : {&ListRoutes, &TokenRoutes, &BlobRoutes, &UploadRoutes, &ManifestRoutes})
    for (Route& row : rows(deps)) all.push_back(std::move(row));
  return all;
}

}  // namespace bulwark::http
