#include "http/api/json_body.h"

#include "base/limits.h"
#include "base/strings.h"

namespace bulwark::http {

Result<formats::json::object> ParseBody(const Call& call, std::string_view body,
                                        std::initializer_list<std::string_view> known) {
  std::string_view type = call.Header("Content-Type");
  type = Trim(type.substr(0, type.find(';')));
  if (!EqualsIgnoreCase(type, "application/json")) return Error{Errc::kInvalid, "the body must be application/json"};
  BW_TRY(formats::json::value value,
         formats::ParseJson(body, {limits::kApiBodyBytes, limits::kJsonDepth, formats::CaseTwins::kRefuse}));
  formats::json::object* object = value.if_object();
  if (!object) return Error{Errc::kInvalid, "the body must be a JSON object"};
  BW_CHECK(formats::OnlyKeys(*object, known));
  return std::move(*object);
}

Result<storage::PageRequest> PageOf(const Call& call) {
  storage::PageRequest page;
  BW_TRY(auto limit, call.query.One("limit"));
  if (limit) {
    auto number = ParseUint(*limit);
    if (!number || *number < 1 || *number > limits::kPageMaximum)
      return Error{Errc::kInvalid, "limit: a number from 1 to " + std::to_string(limits::kPageMaximum)};
    page.limit = *number;
  }
  BW_TRY(auto after, call.query.One("after"));
  page.after = after.value_or("");
  return page;
}

net::Response PageAnswer(const std::function<void(formats::JsonWriter&)>& items,
                         const std::optional<std::string>& next) {
  formats::JsonWriter out;
  out.BeginObject().Key("items").BeginArray();
  items(out);
  out.EndArray();
  if (next) out.Field("next", *next);
  out.EndObject();
  return net::Response::Json(200, out.Take());
}

net::Response ObjectAnswer(int status, const std::function<void(formats::JsonWriter&)>& fields) {
  formats::JsonWriter out;
  out.BeginObject();
  fields(out);
  out.EndObject();
  return net::Response::Json(status, out.Take());
}

Result<service::RepoName> RepositoryOf(const Call& call) { return service::RepoName::Parse(call.Param("name")); }
Result<service::Reference> ReferenceOf(const Call& call) { return service::ParseReference(call.Param("reference")); }

Result<std::int64_t> IdOf(const Call& call) {
  auto id = ParseUint(call.Param("id"));
  if (!id || *id == 0 || *id > INT64_MAX) return Error{Errc::kNotFound, "no such id"};
  return static_cast<std::int64_t>(*id);
}

void TimeField(formats::JsonWriter& out, std::string_view key, Time time) {
  if (time != kNever) out.Field(key, FormatTime(time));
}

}  // namespace bulwark::http
