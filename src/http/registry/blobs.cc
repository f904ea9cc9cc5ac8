#include "http/registry/registry.h"

#include "http/errors.h"
#include "http/registry/parse.h"

namespace bulwark::http {
namespace {

using net::Response;

void SetBlobHeaders(Response& response, const Digest& digest) {
  response.Set("Content-Type", "application/octet-stream");
  response.Set("Docker-Content-Digest", digest.str());
  response.Set("ETag", EntityTag(digest));
  response.Set("Accept-Ranges", "bytes");
  // The bytes never change, but the right to them may: ask again each time.
  response.Set("Cache-Control", "private, no-cache");
}

Result<Response> NotSatisfiable(const Error& error, std::uint64_t size) {
  return ErrorResponse(WithOciCode(error, "BLOB_UNKNOWN"), ErrorStyle::kOci).With("Content-Range", "bytes */" + std::to_string(size));
}

Result<Response> GetBlob(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  BW_TRY(const Digest digest, DigestOf(call));
  auto opened = deps.registry.OpenBlob(call.caller, name, digest);
  if (!opened.ok()) return opened.error().code == Errc::kNotFound ? WithOciCode(opened.error(), "BLOB_UNKNOWN") : opened.error();
  Response response = Response::Empty(200);
  SetBlobHeaders(response, digest);
  if (NoneMatch(call.Header("If-None-Match"), digest)) {
    response.status = 304;
    return response;
  }
  const std::uint64_t size = opened->stat.size;
  std::shared_ptr<const storage::BlobReader> reader = std::move(opened->reader);  // owned by the answer alone
  net::FileBody body{reader, reader->fd(), 0, size};
  const std::string_view if_range = call.Header("If-Range");
  const bool wanted = if_range.empty() || if_range == EntityTag(digest);
  auto range = ParseRange(wanted ? call.Header("Range") : std::string_view(), size);
  if (!range.ok()) return NotSatisfiable(range.error(), size);
  if (*range) {
    response.status = 206;
    body.offset = (*range)->first;
    body.length = (*range)->length();
    response.Set("Content-Range", "bytes " + std::to_string((*range)->first) + "-" + std::to_string((*range)->last) + "/" + std::to_string(size));
  }
  response.body = std::move(body);
  return response;
}

Result<Response> HeadBlob(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  BW_TRY(const Digest digest, DigestOf(call));
  auto stat = deps.registry.StatBlob(call.caller, name, digest);
  if (!stat.ok()) return stat.error().code == Errc::kNotFound ? WithOciCode(stat.error(), "BLOB_UNKNOWN") : stat.error();
  Response response = Response::Empty(NoneMatch(call.Header("If-None-Match"), digest) ? 304 : 200);
  SetBlobHeaders(response, digest);
  response.head_length = stat->size;
  return response;
}

Result<Response> DeleteBlob(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  BW_TRY(const Digest digest, DigestOf(call));
  const Status deleted = deps.registry.DeleteBlob(call.caller, name, digest);
  if (deleted.ok()) return Response::Empty(202);
  if (deleted.error().code == Errc::kUnsupported) return ErrorResponse(405, "UNSUPPORTED", "deleting is switched off", ErrorStyle::kOci);
  return deleted.error().code == Errc::kNotFound ? WithOciCode(deleted.error(), "BLOB_UNKNOWN") : deleted.error();
}

}  // namespace

std::vector<Route> BlobRoutes(RegistryDeps& deps) {
  using net::Method;
  return {
      {Method::kGet, "/v2/{name}/blobs/{digest}", Access::kPull, Bind(GetBlob, deps)},
      {Method::kHead, "/v2/{name}/blobs/{digest}", Access::kPull, Bind(HeadBlob, deps)},
      {Method::kDelete, "/v2/{name}/blobs/{digest}", Access::kDelete, Bind(DeleteBlob, deps)},
  };
}

}  // namespace bulwark::http
