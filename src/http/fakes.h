#pragma once
// Doubles of the authenticator and the registry for the tests of http/: in memory, simple, strict where handlers rely on it.

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "auth/auth.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/sync.h"
#include "crypto/hash.h"
#include "service/registry.h"

namespace bulwark::http {

// Passwords are "<name>-password". alice: developer of team-a/**; pat: puller of team-a/app; mia: maintainer of team-a/**; admin: all;
// fresh: must change the password first.
class FakeAuthenticator final : public auth::Authenticator {
 public:
  Result<auth::Principal> Password(std::string_view user, std::string_view password, std::string_view) override {
    static const std::vector<std::string> kUsers = {"admin", "alice", "pat", "mia", "fresh"};
    for (std::size_t i = 0; i < kUsers.size(); ++i)
      if (kUsers[i] == user && password == kUsers[i] + "-password") return Named(kUsers[i], static_cast<std::int64_t>(i) + 1);
    return Error{Errc::kUnauthenticated, "log-in needed"};
  }
  Result<auth::Principal> Bearer(std::string_view token) override {
    MutexLock lock(mutex_);
    const auto found = tokens_.find(std::string(token));
    if (found == tokens_.end()) return Error{Errc::kUnauthenticated, "log-in needed"};
    return found->second;
  }
  Result<auth::IssuedToken> Issue(const auth::Principal& principal, const std::vector<std::string>& scopes) override {
    if (scopes.size() > limits::kTokenScopes) return Error{Errc::kLimit, "too many scopes"};
    auth::Principal holder = principal;
    holder.scopes.emplace();
    for (const std::string& text : scopes)
      for (std::string_view part : Split(text, ' ')) AddScope(principal, part, *holder.scopes);
    MutexLock lock(mutex_);
    const std::string token = "token-" + std::to_string(tokens_.size());
    tokens_[token] = holder;
    return auth::IssuedToken{token, Time(std::chrono::seconds(1300)), *holder.scopes};
  }
  Result<bool> Allowed(const auth::Principal& principal, auth::Verb verb, std::string_view repository) override {
    const bool held = UserMay(principal.name, verb, repository);
    if (!held || !principal.scopes) return held;
    for (const auth::Scope& scope : *principal.scopes)
      if (scope.repository == repository && std::count(scope.verbs.begin(), scope.verbs.end(), verb)) return true;
    return false;
  }
  Result<bool> AllowedAnywhere(const auth::Principal& principal, auth::Verb) override {
    return principal.name == "admin" && !principal.scopes;
  }
  Result<bool> AllowedThroughout(const auth::Principal& principal, auth::Verb verb, std::string_view) override {
    return AllowedAnywhere(principal, verb);
  }
  void Forget() override {}

 private:
  static auth::Principal Named(const std::string& name, std::int64_t id) {
    auth::Principal principal;
    principal.kind = auth::PrincipalKind::kUser;
    principal.id = id;
    principal.name = name;
    principal.must_change_password = name == "fresh";
    return principal;
  }
  static bool UserMay(std::string_view user, auth::Verb verb, std::string_view repository) {
    using auth::Verb;
    if (user == "admin") return true;
    if (user == "pat") return repository == "team-a/app" && verb == Verb::kPull;
    if (!repository.starts_with("team-a/")) return false;
    if (user == "alice") return verb == Verb::kPull || verb == Verb::kPush || verb == Verb::kReadReport;
    return user == "mia" && (verb == Verb::kPull || verb == Verb::kPush || verb == Verb::kDelete);
  }
  void AddScope(const auth::Principal& principal, std::string_view text, std::vector<auth::Scope>& out) {
    const auto parts = Split(text, ':');
    if (parts.size() != 3 || parts[0] != "repository") return;
    auth::Scope scope{std::string(parts[1]), {}};
    for (std::string_view verb : Split(parts[2], ','))
      if (auto known = auth::ParseVerb(verb); known && UserMay(principal.name, *known, parts[1])) scope.verbs.push_back(*known);
    if (!scope.verbs.empty()) out.push_back(std::move(scope));
  }

  Mutex mutex_;
  std::map<std::string, auth::Principal> tokens_ BW_GUARDED_BY(mutex_);
};

class FakeReader final : public storage::BlobReader {
 public:
  explicit FakeReader(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const override { return MemorySource(AsBytes(bytes_)).ReadAt(offset, into); }
  int fd() const override { return -1; }

 private:
  std::string bytes_;
};

// A manifest whose bytes contain "denied" is refused to readers; one that contains "held" is stored with a warning.
class FakeRegistry final : public service::Registry {
 public:
  using Caller = service::Caller;
  using RepoName = service::RepoName;

  std::atomic<int> pulls = 0;    // GetManifest calls
  std::atomic<int> at_hand = 0;  // answered from there

  Result<service::BlobStat> StatBlob(const Caller&, const RepoName& name, const Digest& digest) override {
    MutexLock lock(mutex_);
    BW_TRY(const std::string* bytes, FindBlob(name, digest));
    return service::BlobStat{digest, bytes->size()};
  }
  Result<service::OpenedBlob> OpenBlob(const Caller&, const RepoName& name, const Digest& digest) override {
    MutexLock lock(mutex_);
    BW_TRY(const std::string* bytes, FindBlob(name, digest));
    return service::OpenedBlob{{digest, bytes->size()}, std::make_unique<FakeReader>(*bytes)};
  }
  Status DeleteBlob(const Caller&, const RepoName& name, const Digest& digest) override {
    MutexLock lock(mutex_);
    BW_CHECK(FindBlob(name, digest));
    repositories_[name.str()].blobs.erase(digest);
    return {};
  }

  Result<service::UploadState> StartUpload(const Caller&, const RepoName& name) override {
    MutexLock lock(mutex_);
    const std::string id = "upload" + std::to_string(++uploads_made_);
    uploads_[id] = {name.str(), "", false};
    return service::UploadState{id, 0};
  }
  Result<std::optional<service::BlobStat>> MountBlob(const Caller& caller, const RepoName& to, const Digest& digest,
                                                     const std::optional<RepoName>& from) override {
    MutexLock lock(mutex_);
    if (!from) return std::optional<service::BlobStat>();
    const auto& scopes = caller.principal.scopes;
    const auto names_source = [&](const auth::Scope& scope) { return scope.repository == from->str(); };
    if (scopes && std::none_of(scopes->begin(), scopes->end(), names_source))
      return Error{Errc::kUnauthenticated, "the token is not for " + from->str()};
    auto found = FindBlob(*from, digest);
    if (!found.ok()) return std::optional<service::BlobStat>();
    repositories_[to.str()].blobs[digest] = **found;
    return std::optional(service::BlobStat{digest, repositories_[to.str()].blobs[digest].size()});
  }
  Result<service::UploadState> UploadStatus(const Caller&, const RepoName& name, std::string_view id) override {
    MutexLock lock(mutex_);
    BW_TRY(Upload * upload, FindUpload(name, id));
    return service::UploadState{std::string(id), upload->bytes.size()};
  }
  Result<std::unique_ptr<service::UploadStream>> ContinueUpload(const Caller&, const RepoName& name, std::string_view id,
                                                                std::optional<std::uint64_t> offset) override {
    MutexLock lock(mutex_);
    BW_TRY(Upload * upload, FindUpload(name, id));
    if (upload->busy) return Error{Errc::kConflict, "BLOB_UPLOAD_INVALID: another request is sending to this upload"};
    if (offset && *offset != upload->bytes.size()) return Error{Errc::kRange, "BLOB_UPLOAD_INVALID: next byte is " + std::to_string(upload->bytes.size())};
    upload->busy = true;
    return std::unique_ptr<service::UploadStream>(std::make_unique<Stream>(*this, std::string(id)));
  }
  Status CancelUpload(const Caller&, const RepoName& name, std::string_view id) override {
    MutexLock lock(mutex_);
    BW_CHECK(FindUpload(name, id));
    uploads_.erase(std::string(id));
    return {};
  }

  Result<service::ManifestAnswer> GetManifest(const Caller& caller, const RepoName& name, const service::Reference& reference) override {
    ++pulls;
    return StatManifest(caller, name, reference);
  }
  // Whatever is there is at hand.
  std::optional<service::ManifestAnswer> ManifestAtHand(const Caller& caller, const RepoName& name, const service::Reference& reference) override {
    auto manifest = StatManifest(caller, name, reference);
    if (!manifest.ok()) return std::nullopt;
    ++at_hand;
    return *manifest;
  }
  Result<service::ManifestAnswer> StatManifest(const Caller& caller, const RepoName& name, const service::Reference& reference) override {
    MutexLock lock(mutex_);
    BW_TRY(const Manifest* manifest, FindManifest(name, reference));
    if (manifest->bytes.find("denied") != std::string::npos && caller.principal.only_pulls(name.str()))
      return Error{Errc::kDenied, "DENIED: policy \"default\", rule kev: CVE-2021-44228 in log4j-core 2.14.1, fixed in 2.17.1"};
    return service::ManifestAnswer{crypto::Sha256(AsBytes(manifest->bytes)), manifest->type, std::make_shared<const std::string>(manifest->bytes)};
  }
  Result<service::PushedManifest> PutManifest(const Caller&, const RepoName& name, const service::Reference& reference, std::string_view type,
                                              std::string bytes, const std::vector<service::TagName>& more) override {
    MutexLock lock(mutex_);
    if (!bytes.starts_with('{')) return Error{Errc::kInvalid, "not JSON"};
    service::PushedManifest pushed;
    pushed.digest = crypto::Sha256(AsBytes(bytes));
    if (const auto* digest = std::get_if<Digest>(&reference); digest && *digest != pushed.digest) return Error{Errc::kDigest, "other digest"};
    if (bytes.find("subject") != std::string::npos) pushed.subject = crypto::Sha256(AsBytes("subject"));
    if (bytes.find("held") != std::string::npos) pushed.warnings = {"held back: \"why\"\n"};
    Repository& repository = repositories_[name.str()];
    if (const auto* tag = std::get_if<service::TagName>(&reference)) repository.tags[tag->str()] = pushed.digest;
    for (const auto& tag : more) repository.tags[tag.str()] = pushed.digest;
    repository.manifests[pushed.digest] = {std::move(bytes), std::string(type)};
    return pushed;
  }
  Status DeleteManifest(const Caller&, const RepoName& name, const service::Reference& reference) override {
    MutexLock lock(mutex_);
    BW_CHECK(FindManifest(name, reference));
    if (const auto* tag = std::get_if<service::TagName>(&reference)) repositories_[name.str()].tags.erase(tag->str());
    else repositories_[name.str()].manifests.erase(std::get<Digest>(reference));
    return {};
  }
  Result<service::Page> ListTags(const Caller&, const RepoName& name, std::size_t n, std::string_view last) override {
    MutexLock lock(mutex_);
    const auto found = repositories_.find(name.str());
    if (found == repositories_.end()) return Error{Errc::kNotFound, "NAME_UNKNOWN: no repository " + name.str()};
    return Cut(found->second.tags, n, last);
  }
  Result<service::Page> ListRepositories(const Caller& caller, std::size_t n, std::string_view last) override {
    MutexLock lock(mutex_);
    std::map<std::string, int> visible;
    for (const auto& entry : repositories_)
      if (caller.principal.name == "admin" || entry.first == "team-a/app") visible[entry.first] = 0;
    return Cut(visible, n, last);
  }
  Result<service::ReferrersPage> Referrers(const Caller&, const RepoName&, const Digest& subject,
                                           const std::optional<std::string>& type, std::string_view) override {
    service::ReferrersPage out;
    if (subject != crypto::Sha256(AsBytes("subject"))) return out;
    for (const char* t : {"application/spdx+json", "application/sig"})
      if (!type || *type == t) out.items.push_back({crypto::Sha256(AsBytes(t)), "application/vnd.oci.image.manifest.v1+json", 10, t, R"({"a":"b"})"});
    return out;
  }

 private:
  struct Manifest {
    std::string bytes, type;
  };
  struct Repository {
    std::map<Digest, std::string> blobs;
    std::map<Digest, Manifest> manifests;
    std::map<std::string, Digest> tags;
  };
  struct Upload {
    std::string repository, bytes;
    bool busy = false;
  };
  class Stream final : public service::UploadStream {
   public:
    Stream(FakeRegistry& registry, std::string id) : registry_(registry), id_(std::move(id)) {}
    ~Stream() override {
      MutexLock lock(registry_.mutex_);
      if (auto it = registry_.uploads_.find(id_); it != registry_.uploads_.end()) it->second.busy = false;
    }
    Status Append(ByteSpan bytes) override {
      MutexLock lock(registry_.mutex_);
      registry_.uploads_[id_].bytes += AsText(bytes);
      return {};
    }
    Result<service::UploadState> End() override {
      MutexLock lock(registry_.mutex_);
      return service::UploadState{id_, registry_.uploads_[id_].bytes.size()};
    }
    Result<service::BlobStat> Commit(const Digest& digest) override {
      MutexLock lock(registry_.mutex_);
      Upload& upload = registry_.uploads_[id_];
      if (crypto::HashWith(digest.algorithm(), AsBytes(upload.bytes)) != digest)
        return Error{Errc::kDigest, "DIGEST_INVALID: the bytes received are not " + digest.str()};
      const std::uint64_t size = upload.bytes.size();
      registry_.repositories_[upload.repository].blobs[digest] = std::move(upload.bytes);
      registry_.uploads_.erase(id_);
      return service::BlobStat{digest, size};
    }

   private:
    FakeRegistry& registry_;
    std::string id_;
  };

  template <typename Map>
  static service::Page Cut(const Map& map, std::size_t n, std::string_view last) {
    service::Page page;
    for (auto it = map.upper_bound(std::string(last)); it != map.end(); ++it) {
      if (page.items.size() == n) {
        page.more = true;
        break;
      }
      page.items.push_back(it->first);
    }
    return page;
  }
  Result<const std::string*> FindBlob(const RepoName& name, const Digest& digest) BW_REQUIRES(mutex_) {
    auto& blobs = repositories_[name.str()].blobs;
    const auto found = blobs.find(digest);
    if (found == blobs.end()) return Error{Errc::kNotFound, "no blob"};
    return &found->second;
  }
  Result<Upload*> FindUpload(const RepoName& name, std::string_view id) BW_REQUIRES(mutex_) {
    const auto found = uploads_.find(std::string(id));
    if (found == uploads_.end() || found->second.repository != name.str()) return Error{Errc::kNotFound, "BLOB_UPLOAD_UNKNOWN: no such upload here"};
    return &found->second;
  }
  Result<const Manifest*> FindManifest(const RepoName& name, const service::Reference& reference) BW_REQUIRES(mutex_) {
    const auto repository = repositories_.find(name.str());
    if (repository == repositories_.end()) return Error{Errc::kNotFound, "NAME_UNKNOWN: no repository " + name.str()};
    Digest digest;
    if (const auto* tag = std::get_if<service::TagName>(&reference)) {
      const auto found = repository->second.tags.find(tag->str());
      if (found != repository->second.tags.end()) digest = found->second;
    } else {
      digest = std::get<Digest>(reference);
    }
    const auto found = repository->second.manifests.find(digest);
    if (found == repository->second.manifests.end()) return Error{Errc::kNotFound, "no manifest"};
    return &found->second;
  }

  Mutex mutex_;
  std::map<std::string, Repository> repositories_ BW_GUARDED_BY(mutex_);
  std::map<std::string, Upload> uploads_ BW_GUARDED_BY(mutex_);
  int uploads_made_ BW_GUARDED_BY(mutex_) = 0;
};

}  // namespace bulwark::http
