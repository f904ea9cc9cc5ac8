#include "audit/audit.h"
#include "base/strings.h"
#include "http/api/api.h"
#include "http/api/json_body.h"
#include "http/errors.h"
#include "http/registry/parse.h"

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

void WriteFeed(const advisory::FeedState& feed, JsonWriter& out) {
  out.BeginObject().Field("name", feed.name).Field("records", feed.records);
  TimeField(out, "date", feed.data_date);
  TimeField(out, "fetched", feed.fetched);
  TimeField(out, "checked", feed.checked);
  if (!feed.error.empty()) {
    out.Field("error", feed.error).Field("failures", feed.failures);
    TimeField(out, "failed", feed.failed);
  }
  if (feed.next_try != Time{}) TimeField(out, "next_try", feed.next_try);
  out.EndObject();
}

// Keeps the file open until the answer is sent.
class OpenDataFile final : public RandomSource {
 public:
  explicit OpenDataFile(std::shared_ptr<const service::DataFile> file) : file_(std::move(file)), source_(file_->fd.get(), file_->size) {}
  std::uint64_t size() const override { return file_->size; }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const override { return source_.ReadAt(offset, into); }

 private:
  std::shared_ptr<const service::DataFile> file_;  // shared as service::DataFile documents
  FileSource source_;
};

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
    if (!status.update_problem.empty()) out.Field("update_problem", status.update_problem);
    out.Key("feeds").BeginArray();
    for (const advisory::FeedState& feed : status.feeds) WriteFeed(feed, out);
    out.EndArray();
  });
}

// The file in use, as another Bulwark takes it (advisories.sources with format: bulwark).
Result<Response> GetDataFile(Call& call, ApiDeps& deps) {
  BW_TRY(auto file, deps.data.File(call.caller));
  BW_TRY(const Digest revision, Digest::Parse(file->revision));
  Response response = Response::Empty(200);
  response.Set("Content-Type", "application/octet-stream");
  response.Set("ETag", EntityTag(revision));
  response.Set("Accept-Ranges", "bytes");
  response.Set("Cache-Control", "private, no-cache");
  if (NoneMatch(call.Header("If-None-Match"), revision)) {
    response.status = 304;
    return response;
  }
  const std::string_view if_range = call.Header("If-Range");
  const bool wanted = if_range.empty() || if_range == EntityTag(revision);
  auto range = ParseRange(wanted ? call.Header("Range") : std::string_view(), file->size);
  if (!range.ok()) {
    Response refused = ErrorResponse(range.error(), ErrorStyle::kProblem);
    refused.Set("Content-Range", "bytes */" + std::to_string(file->size));
    return refused;
  }
  net::FileBody body{std::make_shared<OpenDataFile>(file), file->fd.get(), 0, file->size};
  if (*range) {
    response.status = 206;
    body.offset = (*range)->first;
    body.length = (*range)->length();
    response.Set("Content-Range", "bytes " + std::to_string((*range)->first) + "-" + std::to_string((*range)->last) + "/" + std::to_string(file->size));
  }
  response.body = std::move(body);
  return response;
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
  rows.push_back({Method::kGet, "/api/v1/data/file", Access::kAuthenticated, Bind(GetDataFile, deps)});
  rows.push_back({Method::kPost, "/api/v1/data/reload", Access::kAdmin, Bind(ReloadData, deps)});
  return rows;
}

}  // namespace bulwark::http
