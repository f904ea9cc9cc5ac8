#include "http/errors.h"

#include "base/log.h"
#include "base/strings.h"
#include "formats/json.h"
#include "service/registry.h"

namespace bulwark::http {
namespace {

struct Row {
  Errc errc;
  int status;
  std::string_view oci_code;  // where the route says nothing better
};

constexpr Row kRows[] = {
    {Errc::kInvalid, 400, "UNSUPPORTED"},     {Errc::kNotFound, 404, "NAME_UNKNOWN"},
    {Errc::kExists, 409, "DENIED"},           {Errc::kConflict, 409, "DENIED"},
    {Errc::kUnauthenticated, 401, "UNAUTHORIZED"}, {Errc::kDenied, 403, "DENIED"},
    {Errc::kRange, 416, "BLOB_UPLOAD_INVALID"}, {Errc::kDigest, 400, "DIGEST_INVALID"},
    {Errc::kLimit, 413, "SIZE_INVALID"},      {Errc::kCorrupt, 500, "UNKNOWN"},
    {Errc::kUnsupported, 400, "UNSUPPORTED"}, {Errc::kUnavailable, 503, "UNAVAILABLE"},
    {Errc::kIo, 500, "UNKNOWN"},              {Errc::kCancelled, 503, "UNAVAILABLE"},
    {Errc::kInternal, 500, "UNKNOWN"},
};

// Codes that decide the status whatever the Errc (distribution-spec 1.1, "Endpoints": end-7 answers 404 for missing blobs).
struct CodeRow {
  std::string_view code;
  int status;
};
constexpr CodeRow kCodes[] = {
    {"MANIFEST_BLOB_UNKNOWN", 404}, {"TOOMANYREQUESTS", 429}, {"MANIFEST_INVALID", 400},
    {"NAME_INVALID", 400},          {"DIGEST_INVALID", 400},  {"PAGINATION_NUMBER_INVALID", 400},
};

const Row& RowOf(Errc errc) {
  for (const Row& row : kRows)
    if (row.errc == errc) return row;
  return kRows[std::size(kRows) - 1];
}

std::string OciDocument(std::string_view code, std::string_view message) {
  formats::JsonWriter json;
  json.BeginObject().Key("errors").BeginArray().BeginObject();
  json.Field("code", code).Field("message", message);
  json.EndObject().EndArray().EndObject();
  return json.Take();
}

std::string ProblemDocument(int status, std::string_view code, std::string_view message) {
  formats::JsonWriter json;
  json.BeginObject().Field("type", "about:blank").Field("title", net::ReasonPhrase(status)).Field("status", status);
  json.Field("detail", message);
  if (!code.empty()) json.Field("code", code);
  json.EndObject();
  return json.Take();
}

}  // namespace

ErrorStyle StyleOf(std::string_view raw_path) {
  return raw_path == "/v2" || raw_path.starts_with("/v2/") ? ErrorStyle::kOci : ErrorStyle::kProblem;
}

int StatusOf(const Error& error) {
  const std::string_view code = service::OciCode(error).code;
  for (const CodeRow& row : kCodes)
    if (row.code == code) return row.status;
  return RowOf(error.code).status;
}

std::string OciCodeOf(const Error& error) {
  const std::string_view code = service::OciCode(error).code;
  return std::string(code.empty() ? RowOf(error.code).oci_code : code);
}

Error WithOciCode(Error error, std::string_view code) {
  if (service::OciCode(error).code.empty()) error.message = std::string(code) + ": " + error.message;
  return error;
}

net::Response ErrorResponse(const Error& error, ErrorStyle style) {
  const int status = StatusOf(error);
  if (status < 500) {
    const std::string code = style == ErrorStyle::kOci ? OciCodeOf(error) : std::string(service::OciCode(error).code);
    return ErrorResponse(status, code, service::OciCode(error).message, style);
  }
  // What broke inside is for the operator; the client learns whether trying again may help.
  // A client that went away is no trouble of ours.
  if (error.code != Errc::kCancelled) LogError("answered " + std::to_string(status) + ": " + Printable(error.message));
  if (status != 503) return ErrorResponse(status, style == ErrorStyle::kOci ? "UNKNOWN" : "", "internal error", style);
  return ErrorResponse(status, style == ErrorStyle::kOci ? "UNAVAILABLE" : "", "temporarily unavailable, try again", style).With("Retry-After", "1");
}

net::Response ErrorResponse(int status, std::string_view oci_code, std::string_view message, ErrorStyle style) {
  if (style == ErrorStyle::kOci) return net::Response::Json(status, OciDocument(oci_code, message));
  return net::Response::Json(status, ProblemDocument(status, oci_code, message), "application/problem+json");
}

}  // namespace bulwark::http
