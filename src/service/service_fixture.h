#pragma once
// For tests: a whole service over a real database, real files and the real cataloguers run in this process, with images
// made of tars in memory.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "advisory/builder.h"
#include "advisory/index.h"
#include "audit/audit.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "catalog/analyze.h"
#include "crypto/hash.h"
#include "formats/json.h"
#include "formats/oci.h"
#include "service/engine.h"
#include "service/inputs.h"
#include "service/pull_recorder.h"
#include "service/service.h"
#include "service/tables.h"
#include "storage/blob/file_driver.h"
#include "storage/content.h"
#include "storage/db/sqlite_database.h"
#include "storage/test_directory.h"

namespace bulwark::service {

// Runs the cataloguers where it stands.
class InProcessAnalyzer final : public Analyzer {
 public:
  std::atomic<bool> broken = false;  // every analysis fails as if its worker had crashed
  std::atomic<bool> late = false;    // followers never finish
  std::atomic<int> analysed = 0;

  class Follower final : public LayerFollower {
   public:
    Follower(InProcessAnalyzer& owner, int fd) : owner_(owner), fd_(::dup(fd)) {}
    void Grew(std::uint64_t) override {}
    void Finished(std::uint64_t size) override { size_ = size; }
    std::uint64_t behind() const override { return 0; }
    Result<image::LayerRecord> Wait(std::chrono::milliseconds timeout) override {
      if (owner_.late) {
        std::this_thread::sleep_for(timeout);
        return {Errc::kUnavailable, "not yet"};
      }
      return owner_.Read(fd_.get(), size_);
    }

   private:
    InProcessAnalyzer& owner_;
    UniqueFd fd_;
    std::uint64_t size_ = 0;
  };

  Result<std::unique_ptr<LayerFollower>> Follow(int fd) override {
    return std::unique_ptr<LayerFollower>(std::make_unique<Follower>(*this, fd));
  }
  Result<image::LayerRecord> Read(int fd, std::uint64_t size) override {
    ++analysed;
    if (broken) return {Errc::kInternal, "the worker died of signal 11"};
    FileSource source(fd, size);
    return catalog::AnalyzeLayer(source);
  }
  Result<image::LayerRecord> ReadAgain(int fd, std::uint64_t size, const image::LayerRecord& record,
                                       const std::vector<image::Unread>& unread) override {
    FileSource source(fd, size);
    image::LayerRecord out = record;
    BW_CHECK(catalog::ReadAgain(source, out, unread));
    return out;
  }
};

// Blobs of another driver, with what a test wants to happen.
class HookedDriver final : public storage::BlobDriver {
 public:
  explicit HookedDriver(std::unique_ptr<storage::BlobDriver> inner) : inner_(std::move(inner)) {}
  std::function<void()> unlink = [] {};
  std::atomic<bool> full = false;

  Result<storage::BlobInfo> Stat(const storage::BlobKey& key) const override { return inner_->Stat(key); }
  Result<std::unique_ptr<storage::BlobReader>> Open(const storage::BlobKey& key) const override { return inner_->Open(key); }
  Result<std::unique_ptr<storage::BlobWriter>> Upload(const std::string& id) override { return inner_->Upload(id); }
  Status CheckSpace(std::uint64_t bytes) const override {
    return full ? Status(Error{Errc::kUnavailable, "No space left"}) : inner_->CheckSpace(bytes);
  }
  Status Remove(const storage::BlobKey& key) override {
    unlink();
    return inner_->Remove(key);
  }
  Status Each(const std::function<bool(const storage::BlobInfo&)>& each) const override { return inner_->Each(each); }
  Status EachUpload(const std::function<bool(const std::string&)>& each) const override { return inner_->EachUpload(each); }

 private:
  std::unique_ptr<storage::BlobDriver> inner_;
};

inline Digest DigestOf(std::string_view bytes) { return crypto::Sha256(AsBytes(bytes)); }

// A ustar archive of regular files.
inline std::string Tar(const std::map<std::string, std::string>& files) {
  std::string out;
  for (const auto& [name, data] : files) {
    std::string header(512, '\0');
    auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
    char size[13];
    std::snprintf(size, sizeof size, "%011o", static_cast<unsigned>(data.size()));
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, size);
    put(136, "00000000000");
    put(148, "        ");
    header[156] = '0';
    put(257, std::string("ustar\00000", 8));
    unsigned sum = 0;
    for (unsigned char c : header) sum += c;
    char text[8];
    std::snprintf(text, sizeof text, "%06o", sum);
    put(148, std::string(text, 7));
    header[155] = ' ';
    out += header + data + std::string((512 - data.size() % 512) % 512, '\0');
  }
  return out + std::string(1024, '\0');
}

// A layer of Debian 12 with the given packages (name -> version) in its dpkg status.
inline std::string DebianLayer(const std::map<std::string, std::string>& packages) {
  std::string status;
  for (const auto& [name, version] : packages)
    status += "Package: " + name + "\nStatus: install ok installed\nVersion: " + version + "\nArchitecture: amd64\n\n";
  return Tar({{"etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n"},
              {"var/lib/dpkg/status", status}});
}

struct Image {
  std::string config, manifest;
  std::vector<std::string> layers;
  std::string media_type{formats::kOciManifest};
  Digest digest() const { return DigestOf(manifest); }
};

inline std::string DescriptorJson(std::string_view type, const std::string& bytes, const std::string& extra = "") {
  return R"({"mediaType":")" + std::string(type) + R"(","digest":")" + DigestOf(bytes).str() + R"(","size":)" +
         std::to_string(bytes.size()) + extra + "}";
}

inline Image ManifestOf(std::string config, std::string_view config_type, std::vector<std::string> layers,
                        std::string_view layer_type, const std::string& extra = "") {
  Image image;
  image.config = std::move(config);
  image.layers = std::move(layers);
  std::string list;
  for (const std::string& layer : image.layers) list += (list.empty() ? "" : ",") + DescriptorJson(layer_type, layer);
  image.manifest = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)" + extra +
                   R"("config":)" + DescriptorJson(config_type, image.config) + R"(,"layers":[)" + list + "]}";
  return image;
}

inline Image ImageOf(std::vector<std::string> layers, const std::string& architecture = "amd64") {
  std::string ids;
  for (const std::string& layer : layers) ids += (ids.empty() ? "\"" : ",\"") + DigestOf(layer).str() + "\"";
  std::string config =
      R"({"architecture":")" + architecture + R"(","os":"linux","rootfs":{"type":"layers","diff_ids":[)" + ids + "]}}";
  return ManifestOf(std::move(config), formats::kOciConfig, std::move(layers),
                    "application/vnd.oci.image.layer.v1.tar");
}

struct IndexEntry {
  const Image* image;
  std::string platform_json = R"({"os":"linux","architecture":"amd64"})";
};
inline Image IndexOf(const std::vector<IndexEntry>& entries) {
  Image image;
  image.media_type = formats::kOciIndex;
  std::string list;
  for (const IndexEntry& entry : entries)
    list += (list.empty() ? "" : ",") +
            DescriptorJson(entry.image->media_type, entry.image->manifest, R"(,"platform":)" + entry.platform_json);
  image.manifest =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)" + list + "]}";
  return image;
}

// What an advisory says in these tests.
struct Vulnerability {
  std::string id, package, fixed;  // fixed empty: open
  advisory::Severity severity = advisory::Severity::kHigh;
  Time fixed_at = kNever;  // unknown counts as old
  bool exploited = false;
};

class ServiceFixture : public ::testing::Test {
 protected:
  static constexpr Millis kDay = std::chrono::hours(24);

  void SetUp() override {
    database_ = Must(storage::OpenSqlite(directory_path_ + "/bulwark.db", storage::PosixFileSystem(), {.quiet = QuietTables()}));
    for (auto migrations : {storage::ContentMigrations(), auth::Migrations(), audit::Migrations(), Migrations()})
      ASSERT_TRUE(database_->Migrate(migrations));
    blobs_ = Must(storage::OpenFileDriver(directory_path_, storage::PosixFileSystem()));
    authenticator_ = auth::MakeAuthenticator(*database_, clock_);
    MakeUsers();
    Start(IndexWith({}));
  }
  void TearDown() override { service_.reset(); }

  void Start(std::shared_ptr<const advisory::Index> index, ServiceOptions options = {}) {
    service_.reset();
    service_ = Must(
        Service::Open({*database_, *blobs_, *authenticator_, analyzer_, clock_}, std::move(index), std::move(options)));
  }
  void StartWith(const std::vector<std::string>& policies, std::shared_ptr<const advisory::Index> index) {
    ServiceOptions options;
    for (const std::string& yaml : policies) options.policies.push_back(Must(policy::ParsePolicy(yaml)));
    Start(std::move(index), std::move(options));
  }

  // For the vulnerability and package of the tests' images.
  policy::Exception Accepted(const std::string& repository) {
    policy::Exception e;
    e.vulnerability = "CVE-2024-5171";
    e.package = "libaom";
    e.repository = repository;
    e.reference = "*";
    e.reason = "risk_accepted";
    e.note = "not reachable";
    e.expires = clock_.Now() + 10 * kDay;
    return e;
  }

  void MakeUsers() {
    Status made = database_->Write([&](storage::Tx& tx) -> Status {
      BW_CHECK(storage::CreateProject(tx, "team-a", clock_.Now()));
      BW_CHECK(storage::CreateProject(tx, "team-b", clock_.Now()));
      BW_CHECK(User(tx, "admin", "admin", "**"));
      BW_CHECK(User(tx, "alice", "developer", "team-a/**"));
      BW_CHECK(User(tx, "carol", "developer", "team-a/**"));
      BW_CHECK(User(tx, "bob", "developer", "team-b/**"));
      BW_CHECK(User(tx, "maria", "maintainer", "team-a/**"));
      BW_CHECK(User(tx, "pat", "puller", "team-a/**"));
      BW_CHECK(User(tx, "sue", "security", "**"));
      BW_CHECK(User(tx, "kube", "puller", "**", auth::PrincipalKind::kCluster));
      return {};
    });
    ASSERT_TRUE(made) << made.error().message;
  }
  Status User(storage::Tx& tx, const std::string& name, std::string_view role, std::string_view where,
              auth::PrincipalKind kind = auth::PrincipalKind::kUser) {
    BW_TRY(auto user, auth::CreateUser(tx, name, "$argon2id$unusable", kind, clock_.Now()));
    BW_CHECK(auth::AddGrant(tx, user.id, role, where));
    users_[name] = {kind, user.id, name, false, std::nullopt};
    return {};
  }

  // As by Basic authentication: states no intent but to pull.
  Caller As(const std::string& name) { return {users_.at(name), "10.0.0.1", "test"}; }
  // Under a token with that scope.
  Caller As(const std::string& name, const std::string& repository, std::vector<auth::Verb> verbs) {
    Caller caller = As(name);
    caller.principal.scopes = std::vector<auth::Scope>{{repository, std::move(verbs)}};
    return caller;
  }
  Caller Pusher(const std::string& name, const std::string& repository) {
    return As(name, repository, {auth::Verb::kPull, auth::Verb::kPush});
  }

  std::shared_ptr<const advisory::Index> IndexWith(const std::vector<Vulnerability>& vulnerabilities) {
    advisory::Builder builder;
    std::uint64_t records = 0;
    for (const Vulnerability& v : vulnerabilities) {
      advisory::Record record;
      record.id = v.id;
      record.package = {"Debian:12", v.package};
      record.state = v.fixed.empty() ? advisory::State::kOpen : advisory::State::kFixed;
      record.ranges = {{"0", v.fixed, ""}};
      record.severity = v.severity;
      record.source = "debian";
      record.fixed_at = v.fixed_at;
      Must(builder.Add(record));
      if (v.exploited) Must(builder.AddKnownExploited({v.id, clock_.Now()}));
      ++records;
    }
    builder.Cover("Debian:12");
    builder.AddSource({"debian", records, 0, clock_.Now()});
    return Must(advisory::IndexOfBytes(Must(builder.Finish())));
  }

  static RepoName Repo(std::string_view name) { return *RepoName::Parse(name); }
  static Reference Ref(std::string_view text) { return *ParseReference(text); }
  Registry& registry() { return service_->registry(); }

  Result<BlobStat> PushBlob(const Caller& caller, std::string_view repository, const std::string& bytes) {
    BW_TRY(UploadState upload, registry().StartUpload(caller, Repo(repository)));
    BW_TRY(auto stream, registry().ContinueUpload(caller, Repo(repository), upload.id, 0));
    BW_CHECK(stream->Append(AsBytes(bytes)));
    return stream->Commit(DigestOf(bytes));
  }
  Result<PushedManifest> Push(const Caller& caller, std::string_view repository, const Image& image,
                              std::string_view reference) {
    if (!image.config.empty()) BW_CHECK(PushBlob(caller, repository, image.config));
    for (const std::string& layer : image.layers) BW_CHECK(PushBlob(caller, repository, layer));
    return registry().PutManifest(caller, Repo(repository), Ref(reference), image.media_type, image.manifest, {});
  }
  // "" or the refusal.
  std::string Pull(const Caller& caller, std::string_view repository, std::string_view reference) {
    auto answer = registry().GetManifest(caller, Repo(repository), Ref(reference));
    return answer ? "" : std::string(Name(answer.error().code)) + " " + answer.error().message;
  }
  std::string ReadBlob(const Caller& caller, std::string_view repository, const std::string& bytes) {
    auto answer = registry().OpenBlob(caller, Repo(repository), DigestOf(bytes));
    return answer ? "" : std::string(Name(answer.error().code)) + " " + answer.error().message;
  }
  void Drain() {
    for (int i = 0; i < 1000; ++i) {
      bool facts = Must(service_->engine().RunFactsJob());
      if (Must(service_->engine().RunPending(1000)) == 0 && !facts) return;
    }
    FAIL() << "verdicts never settle";
  }
  std::vector<audit::Event> Events() {
    return Must(database_->Read([&](const storage::ReadTx& tx) { return audit::List(tx, 0, 10000); }));
  }
  std::size_t CountEvents(std::string_view action, audit::Outcome outcome = audit::Outcome::kDone) {
    std::size_t n = 0;
    for (const audit::Event& event : Events()) n += event.action == action && event.outcome == outcome ? 1 : 0;
    return n;
  }

  template <typename T>
  static T Must(Result<T> result) {
    if (!result) {
      ADD_FAILURE() << result.error().message;
      std::abort();
    }
    return *std::move(result);
  }
  static void Must(Status status) {
    if (!status) {
      ADD_FAILURE() << status.error().message;
      std::abort();
    }
  }

  storage::TestDirectory own_directory_;
  std::string directory_path_ = own_directory_.path();
  FakeClock clock_{Time(Millis(1'800'000'000'000))};
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<storage::BlobDriver> blobs_;
  std::unique_ptr<auth::Authenticator> authenticator_;
  InProcessAnalyzer analyzer_;
  std::unique_ptr<Service> service_;
  std::map<std::string, auth::Principal> users_;
};

// In place of the built-in policy: denies what is fixable and at least high, everywhere. `more` are further keys.
inline std::string StrictPolicy(const std::string& more = "on_push: quarantine\n",
                                const std::string& at = "push, pull, admission") {
  return "policy: default\napplies_to: {repositories: [\"**\"], at: [" + at +
         "]}\nmode: enforce\nrules:\n  - id: fixable-high\n    deny: {severity: high, fix: available}\n" + more;
}
// Pushes are not judged, pulls are.
inline const char* const kOpenPushes =
    "policy: pushes\napplies_to: {repositories: [\"**\"], at: [push]}\nmode: audit\n";

}  // namespace bulwark::service
