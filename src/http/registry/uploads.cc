// Uploads (distribution-spec 1.1, "Push"): started, continued by chunks, finished, or all in one request.
#include "http/registry/registry.h"

#include <memory>
#include <utility>

#include "base/limits.h"
#include "http/errors.h"
#include "http/registry/parse.h"

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 inlines one side of the pair by which Asio makes and frees coroutine frames, and takes it for a mismatch.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace bulwark::http {
namespace {

using net::Response;
using net::Task;
using service::RepoName;
using service::UploadState;

// Path-relative: whoever stands between us and the client, it fits.
std::string UploadLocation(const RepoName& name, const std::string& id) { return "/v2/" + name.str() + "/blobs/uploads/" + id; }

// What is there, as "0-<last>"; "0-0" also for nothing, as registries have always said.
std::string ReceivedRange(std::uint64_t offset) { return "0-" + std::to_string(offset > 0 ? offset - 1 : 0); }

Response UploadAnswer(int status, const RepoName& name, const UploadState& state) {
  Response response = Response::Empty(status);
  response.Set("Location", UploadLocation(name, state.id));
  response.Set("Range", ReceivedRange(state.offset));
  response.Set("Docker-Upload-UUID", state.id);
  return response;
}

Response BlobCreated(const RepoName& name, const Digest& digest) {
  return Response::Empty(201).With("Location", "/v2/" + name.str() + "/blobs/" + digest.str()).With("Docker-Content-Digest", digest.str());
}

Error UploadError(Error error) {
  if (error.code == Errc::kNotFound) return WithOciCode(std::move(error), "BLOB_UPLOAD_UNKNOWN");
  // Another request holds the session, or it came in the wrong order: the client asks where the upload stands and goes on.
  if (error.code == Errc::kConflict) error.code = Errc::kInvalid;
  if (error.code == Errc::kInvalid || error.code == Errc::kRange) return WithOciCode(std::move(error), "BLOB_UPLOAD_INVALID");
  return error;
}

// An error as an answer; one about order carries where the upload really is.
Response UploadErrorAnswer(const Error& error, const RepoName& name, std::optional<UploadState> state) {
  Response response = ErrorResponse(UploadError(error), ErrorStyle::kOci);
  if (state && error.code == Errc::kRange) {
    response.Set("Location", UploadLocation(name, state->id));
    response.Set("Range", ReceivedRange(state->offset));
  }
  return response;
}

// The bytes of this request's body into an upload. The stream is made, fed and let go on the pool, and it is let go before
// the answer: the client's next request must find the session free.
class Receiver {
 public:
  Receiver(Call& call, RegistryDeps& deps, const RepoName& name) : call_(call), deps_(deps), name_(name) {}

  // Everything up to the last byte of the body, which has to be as long as `range` says. Lets go on error.
  Task<void> Receive(std::string_view upload_id, std::optional<ByteRange> range) {
    Status received = co_await Pump(upload_id, range);
    if (received.ok()) co_return received;
    auto release = [this]() -> Status {
      stream_.reset();
      return Status();
    };
    BW_CO_CHECK(co_await net::RunBlocking(deps_.pool, release));
    co_return received;
  }

  Task<UploadState> End() {
    auto end = [this] { return std::exchange(stream_, nullptr)->End(); };
    auto state = co_await net::RunBlocking(deps_.pool, end);
    co_return state;
  }

  Task<service::BlobStat> Commit(const Digest& digest) {
    auto commit = [this, &digest] { return std::exchange(stream_, nullptr)->Commit(digest); };
    auto stat = co_await net::RunBlocking(deps_.pool, commit);
    co_return stat;
  }

 private:
  Task<void> Pump(std::string_view upload_id, std::optional<ByteRange> range) {
    const auto& announced = call_.request.content_length;
    if (range && announced && *announced != range->length())
      co_return Error{Errc::kInvalid, "SIZE_INVALID: Content-Length and Content-Range differ"};
    std::optional<std::uint64_t> offset;
    if (range) offset = range->first;
    auto open = [&]() -> Status {
      BW_TRY(stream_, deps_.registry.ContinueUpload(call_.caller, name_, upload_id, offset));
      return Status();
    };
    BW_CO_CHECK(co_await net::RunBlocking(deps_.pool, open));
    std::function<Status(ByteSpan)> append = [this](ByteSpan bytes) { return stream_->Append(bytes); };
    auto pumped = co_await net::PumpBody(call_.request, deps_.pool, range ? range->length() : INT64_MAX, append);
    if (!pumped.ok()) co_return std::move(pumped).error();
    if (range && *pumped != range->length()) co_return Error{Errc::kInvalid, "SIZE_INVALID: the body is shorter than its Content-Range"};
    co_return Status();
  }

  Call& call_;
  RegistryDeps& deps_;
  const RepoName& name_;
  std::unique_ptr<service::UploadStream> stream_;
};

Task<Response> AnswerUploadError(Error error, Call& call, const RepoName& name, RegistryDeps& deps) {
  std::optional<UploadState> state;
  if (error.code == Errc::kRange) {
    auto ask = [&]() -> Status {
      auto found = deps.registry.UploadStatus(call.caller, name, call.Param("id"));
      if (found.ok()) state = *std::move(found);
      return Status();
    };
    BW_CO_CHECK(co_await net::RunBlocking(deps.pool, ask));
  }
  co_return UploadErrorAnswer(error, name, state);
}

// What a POST asks for.
struct StartQuery {
  std::optional<Digest> mount, digest;
  std::optional<RepoName> from;
};

Result<StartQuery> ParseStart(const net::QueryParameters& query) {
  StartQuery out;
  BW_TRY(const auto mount, query.One("mount"));
  BW_TRY(const auto from, query.One("from"));
  BW_TRY(const auto digest, query.One("digest"));
  if (mount) {
    BW_TRY(out.mount, ParseDigest(*mount));
  }
  if (digest) {
    BW_TRY(out.digest, ParseDigest(*digest));
  }
  if (from && !from->empty()) {
    auto name = RepoName::Parse(*from);
    if (!name.ok()) return WithOciCode(name.error(), "NAME_INVALID");
    out.from = *std::move(name);
  }
  return out;
}

// A mount, or else a new session.
Result<Response> MountOrStart(Call& call, const RepoName& name, const StartQuery& query, RegistryDeps& deps) {
  if (query.mount) {
    auto mounted = deps.registry.MountBlob(call.caller, name, *query.mount, query.from);
    if (!mounted.ok() && query.from && mounted.error().code == Errc::kUnauthenticated)
      call.missing_scope = "repository:" + query.from->str() + ":pull";
    if (!mounted.ok()) return std::move(mounted).error();
    if (*mounted) return BlobCreated(name, (*mounted)->digest);
  }
  BW_TRY(const UploadState state, deps.registry.StartUpload(call.caller, name));
  return UploadAnswer(202, name, state);
}

Task<Response> StartUpload(Call& call, RegistryDeps& deps) {
  BW_CO_TRY(const auto name, NameOf(call));
  BW_CO_TRY(const StartQuery query, ParseStart(call.query));
  if (!query.digest) {
    auto start = [&] { return MountOrStart(call, name, query, deps); };
    auto started = co_await net::RunBlocking(deps.pool, start);
    co_return started;
  }
  auto start = [&] { return deps.registry.StartUpload(call.caller, name); };
  auto state = co_await net::RunBlocking(deps.pool, start);
  if (!state.ok()) co_return std::move(state).error();
  Receiver receiver(call, deps, name);
  Status received = co_await receiver.Receive(state->id, std::nullopt);
  if (received.ok()) {
    auto committed = co_await receiver.Commit(*query.digest);
    if (committed.ok()) co_return BlobCreated(name, committed->digest);
    received = std::move(committed).error();
  }
  co_return UploadErrorAnswer(received.error(), name, std::nullopt);
}

Task<Response> PatchUpload(Call& call, RegistryDeps& deps) {
  BW_CO_TRY(const auto name, NameOf(call));
  BW_CO_TRY(const auto range, ParseContentRange(call.Header("Content-Range")));
  Receiver receiver(call, deps, name);
  Status received = co_await receiver.Receive(call.Param("id"), range);
  if (received.ok()) {
    auto state = co_await receiver.End();
    if (state.ok()) co_return UploadAnswer(202, name, *state);
    received = std::move(state).error();
  }
  auto answer = co_await AnswerUploadError(std::move(received).error(), call, name, deps);
  co_return answer;
}

Task<Response> PutUpload(Call& call, RegistryDeps& deps) {
  BW_CO_TRY(const auto name, NameOf(call));
  BW_CO_TRY(const auto digest_text, call.query.One("digest"));
  if (!digest_text) co_return Error{Errc::kInvalid, "DIGEST_INVALID: the query names no digest"};
  BW_CO_TRY(const Digest digest, ParseDigest(*digest_text));
  BW_CO_TRY(const auto range, ParseContentRange(call.Header("Content-Range")));
  Receiver receiver(call, deps, name);
  Status received = co_await receiver.Receive(call.Param("id"), range);
  if (received.ok()) {
    auto committed = co_await receiver.Commit(digest);
    if (committed.ok()) co_return BlobCreated(name, committed->digest);
    received = std::move(committed).error();
  }
  auto answer = co_await AnswerUploadError(std::move(received).error(), call, name, deps);
  co_return answer;
}

Result<Response> GetUpload(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  auto state = deps.registry.UploadStatus(call.caller, name, call.Param("id"));
  if (!state.ok()) return UploadError(state.error());
  return UploadAnswer(204, name, *state);
}

Result<Response> DeleteUpload(Call& call, RegistryDeps& deps) {
  BW_TRY(const auto name, NameOf(call));
  const Status cancelled = deps.registry.CancelUpload(call.caller, name, call.Param("id"));
  if (!cancelled.ok()) return UploadError(cancelled.error());
  return Response::Empty(204);
}

}  // namespace

std::vector<Route> UploadRoutes(RegistryDeps& deps) {
  using net::Method;
  return {
      {Method::kPost, "/v2/{name}/blobs/uploads/", Access::kPush, Bind(StartUpload, deps)},
      {Method::kPatch, "/v2/{name}/blobs/uploads/{id}", Access::kPush, Bind(PatchUpload, deps)},
      {Method::kPut, "/v2/{name}/blobs/uploads/{id}", Access::kPush, Bind(PutUpload, deps)},
      {Method::kGet, "/v2/{name}/blobs/uploads/{id}", Access::kPush, Bind(GetUpload, deps)},
      {Method::kDelete, "/v2/{name}/blobs/uploads/{id}", Access::kPush, Bind(DeleteUpload, deps)},
  };
}

}  // namespace bulwark::http
