#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include <unistd.h>

#include "audit/audit.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "service/registry_parts.h"

namespace bulwark::service {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kFollowFrom = 64 * limits::kKiB;  // smaller blobs are looked at when they are whole
constexpr std::uint64_t kBehind = 64 * limits::kMiB;      // from here on the upload is slowed down for the analyser
constexpr auto kLongestPause = std::chrono::milliseconds(20);

Error UnknownUpload() { return {Errc::kNotFound, "BLOB_UPLOAD_UNKNOWN: no such upload here"}; }

// A JSON document (config, SBOM, signature) is no layer; if a manifest calls it one, it is read then.
bool LooksLikeJson(int fd) {
  std::array<char, 1> first{};
  return ::pread(fd, first.data(), first.size(), 0) == 1 && first[0] == '{';
}

}  // namespace

struct Uploads::Session {
  storage::UploadSession row;
  std::unique_ptr<storage::BlobWriter> writer;
  std::unique_ptr<LayerFollower> follower;
  bool busy = true;
  bool dead = false;  // committed or cancelled
  Time used{};
};

// Holds the session until it is dropped.
class Uploads::Stream final : public UploadStream {
 public:
  Stream(Uploads& uploads, std::shared_ptr<Session> session, Caller caller, RepoName name)
      : uploads_(uploads), session_(std::move(session)), caller_(std::move(caller)), name_(std::move(name)) {}
  ~Stream() override { uploads_.Release(session_); }

  Status Append(ByteSpan bytes) override {
    const std::uint64_t limit = uploads_.d_.blob_bytes;
    if (session_->writer->size() > limit || bytes.size() > limit - session_->writer->size())
      return {Errc::kLimit, "SIZE_INVALID: a blob has at most " + FormatBytes(limit) + " here"};
    BW_CHECK(session_->writer->Append(bytes));
    if (!session_->follower && session_->writer->size() >= kFollowFrom) Follow();
    if (!session_->follower) return {};
    session_->follower->Grew(session_->writer->size());
    SlowDown();
    return {};
  }

  Result<UploadState> End() override {
    RegistryDeps& d = uploads_.d_;
    BW_CHECK(d.database.Write([&](storage::Tx& tx) { return storage::RenewUpload(tx, session_->row, d.clock.Now(), d.uploads); }));
    return UploadState{session_->row.id, session_->writer->size()};
  }

  Result<BlobStat> Commit(const Digest& digest) override {
    RegistryDeps& d = uploads_.d_;
    const std::uint64_t size = session_->writer->size();
    BW_TRY(bool known, d.layers.IsKnown(digest));
    if (known) {
      session_->follower.reset();  // these bytes were read before, if they are what the digest says
    } else if (!session_->follower && size > 0 && !LooksLikeJson(session_->writer->spool_fd())) {
      Follow();
    }
    if (session_->follower) session_->follower->Finished(size);
    audit::Event event = d.rights.Event(caller_, "blob.push", ObjectName(name_, digest));
    Status done = storage::FinishUpload(d.database, session_->row, *session_->writer, digest, d.clock,
                                        [&](storage::Tx& tx) -> Status {
                                          const auto repository = session_->row.repository;
                                          BW_TRY(auto completed, storage::BlobArrived(tx, repository, digest, d.clock.Now()));
                                          BW_CHECK(MarkCompleted(tx, repository, completed));
                                          return audit::Record(tx, event);
                                        });
    if (!done) {
      session_->follower.reset();  // facts count only for a confirmed digest (DESIGN 2.9)
      if (done.error().code == Errc::kDigest)
        return Error{Errc::kDigest, "DIGEST_INVALID: the bytes received are not " + digest.str()};
      uploads_.Forget(session_);  // the writer may be spent; what is left of the spool is opened by the next request
      return done.error();
    }
    if (session_->follower) d.layers.Adopt(digest, std::move(session_->follower));
    uploads_.Forget(session_);
    return BlobStat{digest, size};
  }

 private:
  void Follow() {
    auto follower = uploads_.d_.analyzer.Follow(session_->writer->spool_fd());
    if (!follower) {  // the blob is read from the store when a manifest needs it
      LogWarning("analysis of an upload did not start: " + follower.error().message);
      return;
    }
    session_->follower = *std::move(follower);
    session_->follower->Grew(session_->writer->size());
  }

  // At most 10 % of the time that the bytes took to come.
  void SlowDown() {
    auto now = steady_clock::now();
    if (session_->follower->behind() > kBehind) {
      auto pause = std::min<steady_clock::duration>((now - last_) / 10, kLongestPause);
      std::this_thread::sleep_for(pause);
    }
    last_ = now;
  }

  Uploads& uploads_;
  std::shared_ptr<Session> session_;
  Caller caller_;
  RepoName name_;
  steady_clock::time_point last_ = steady_clock::now();
};

Result<UploadState> Uploads::Start(const Caller& caller, const RepoName& name) {
  BW_TRY(auto repository, RepositoryForPush(d_, caller, name, "blob.push"));
  if (caller.principal.kind == auth::PrincipalKind::kAnonymous) return {Errc::kUnauthenticated, "log in to push"};
  BW_CHECK(d_.blobs.CheckSpace(0));
  auto row = d_.database.Write([&](storage::Tx& tx) {
    return storage::CreateUpload(tx, repository.id, storage::PrincipalId{caller.principal.id}, d_.clock.Now(),
                                 d_.uploads);
  });
  if (!row && row.error().code == Errc::kLimit)
    return d_.rights.Refuse(caller, "blob.push", name.str(),
                            {Errc::kLimit, "TOOMANYREQUESTS: too many open uploads; finish or cancel some"});
  if (!row) return row.error();
  return UploadState{row->id, 0};
}

Result<storage::UploadSession> Uploads::Find(const Caller& caller, const RepoName& name, std::string_view id) {
  BW_TRY(auto repository, d_.rights.Repository(caller, name, auth::Verb::kPush, "blob.push"));
  BW_TRY(auto row, d_.database.Read([&](const storage::ReadTx& tx) {
    return storage::FindUpload(tx, id, repository.id, storage::PrincipalId{caller.principal.id}, d_.clock.Now());
  }));
  if (!row) return UnknownUpload();
  return *std::move(row);
}

Result<std::shared_ptr<Uploads::Session>> Uploads::Take(const storage::UploadSession& row) {
  MutexLock lock(mutex_);
  if (auto it = sessions_.find(row.id); it != sessions_.end()) {
    if (it->second->busy) return {Errc::kConflict, "BLOB_UPLOAD_INVALID: another request is sending to this upload"};
    it->second->busy = true;
    return it->second;
  }
  auto session = std::make_shared<Session>();
  session->row = row;
  BW_TRY(session->writer, d_.blobs.Upload(row.id));
  sessions_[row.id] = session;
  return session;
}

void Uploads::Release(const std::shared_ptr<Session>& session) {
  MutexLock lock(mutex_);
  session->busy = false;
  session->used = d_.clock.Now();
}

void Uploads::Forget(const std::shared_ptr<Session>& session) {
  MutexLock lock(mutex_);
  session->dead = true;
  auto it = sessions_.find(session->row.id);
  if (it != sessions_.end() && it->second == session) sessions_.erase(it);
}

Result<UploadState> Uploads::State(const Caller& caller, const RepoName& name, std::string_view id) {
  BW_TRY(auto row, Find(caller, name, id));
  BW_TRY(auto session, Take(row));
  UploadState state{row.id, session->writer->size()};
  Release(session);
  return state;
}

Result<std::unique_ptr<UploadStream>> Uploads::Continue(const Caller& caller, const RepoName& name, std::string_view id,
                                                        std::optional<std::uint64_t> offset) {
  BW_TRY(auto row, Find(caller, name, id));
  BW_TRY(auto session, Take(row));
  std::uint64_t size = session->writer->size();
  auto stream =
      std::make_unique<Stream>(*this, std::move(session), caller, name);  // releases the session, also on refusal
  if (offset && *offset != size) return {Errc::kRange, "BLOB_UPLOAD_INVALID: next byte is " + std::to_string(size)};
  return std::unique_ptr<UploadStream>(std::move(stream));
}

Status Uploads::Cancel(const Caller& caller, const RepoName& name, std::string_view id) {
  BW_TRY(auto row, Find(caller, name, id));
  BW_TRY(auto session, Take(row));
  Status done = d_.database.Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(storage::DeleteUpload(tx, row));
    return audit::Record(tx, d_.rights.Event(caller, "blob.push.cancel", name.str()));
  });
  if (!done) {
    Release(session);
    return done;
  }
  session->follower.reset();
  session->writer->Cancel();
  Forget(session);
  return {};
}

void Uploads::CloseIdle(Millis idle) {
  std::vector<std::shared_ptr<Session>> closing;  // closed outside the lock
  MutexLock lock(mutex_);
  Time now = d_.clock.Now();
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    bool close = !it->second->busy && now - it->second->used > idle;
    if (close) closing.push_back(std::move(it->second));
    it = close ? sessions_.erase(it) : std::next(it);
  }
}

}  // namespace bulwark::service
