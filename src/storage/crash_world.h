#pragma once
// For the crash tests: a small registry over one directory, random steps on it, and a model of what each step
// acknowledged, against which a recovered directory is compared.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/limits.h"
#include "crypto/hash.h"
#include "storage/blob/file_driver.h"
#include "storage/collector.h"
#include "storage/content.h"
#include "storage/db/sqlite_database.h"
#include "storage/uploads.h"

namespace bulwark::storage {

// What a client may rely on: tags, manifests with their blobs, blobs under a lease.
struct Model {
  std::map<std::string, std::string> tags;                 // tag -> manifest body
  std::map<std::string, std::set<std::string>> manifests;  // body -> bytes of its blobs
  std::map<std::string, Time> leases;                      // blob bytes -> until

  std::set<std::string> VisibleBlobs(Time now) const {
    std::set<std::string> out;
    for (const auto& [body, blobs] : manifests) out.insert(blobs.begin(), blobs.end());
    for (const auto& [bytes, until] : leases)
      if (until > now) out.insert(bytes);
    return out;
  }
};

// The registry: everything that a server opens, over one FileSystem.
class CrashWorld {
 public:
  static constexpr PrincipalId kPusher{1};

  CrashWorld(std::string directory, FileSystem& files, Time now)
      : directory_(std::move(directory)), files_(files), clock_(now) {}

  // What a server does at start. Errors are returned: the fault loop meets them on purpose.
  Status Open() {
    Close();
    BW_TRY(driver_, OpenFileDriver(directory_, files_));
    BW_TRY(database_, OpenSqlite(directory_ + "/bulwark.db", files_, {.readers = 2, .checkpoint_pages = 16}));
    BW_CHECK(database_->Migrate(ContentMigrations()));
    collector_ = std::make_unique<Collector>(*database_, *driver_, clock_);
    BW_CHECK(collector_->Recover());
    BW_CHECK(collector_->AdoptOrphans());
    BW_TRY(repository_, database_->Write([&](Tx& tx) -> Result<RepositoryId> {
      const RepoName name = *RepoName::Parse("crash/test");
      BW_TRY(auto there, ResolveRepository(tx, name));
      if (there) return there->id;
      BW_CHECK(EnsureProject(tx, "crash", clock_.Now()));
      BW_TRY(Repository made, CreateRepository(tx, name, clock_.Now()));
      return made.id;
    }));
    return {};
  }
  void Close() {
    collector_.reset();
    database_.reset();
    driver_.reset();
  }

  Status UploadBlob(const std::string& bytes) {
    BW_TRY(auto session,
           database_->Write([&](Tx& tx) { return CreateUpload(tx, repository_, kPusher, clock_.Now()); }));
    BW_TRY(auto writer, driver_->Upload(session.id));
    BW_CHECK(writer->Append(AsBytes(bytes).first(bytes.size() / 2)));
    BW_CHECK(writer->Append(AsBytes(bytes).subspan(bytes.size() / 2)));
    return FinishUpload(*database_, session, *writer, crypto::Sha256(AsBytes(bytes)), clock_);
  }
  Status PutImage(const std::string& body, const std::set<std::string>& blobs, const std::string& tag) {
    NewManifest m;
    m.digest = crypto::Sha256(AsBytes(body));
    m.media_type = "application/vnd.oci.image.manifest.v1+json";
    m.bytes = AsBytes(body);
    for (const std::string& bytes : blobs)
      m.edges.push_back({EdgeKind::kBlob, crypto::Sha256(AsBytes(bytes)), bytes.size(), true});
    auto put = database_->Write(
        [&](Tx& tx) { return PutManifest(tx, repository_, m, *TagName::Parse(tag), kPusher, clock_.Now()); });
    return put ? Status() : Status(put.error());
  }
  Status DeleteImage(const std::string& body) {
    auto deleted =
        database_->Write([&](Tx& tx) { return DeleteManifest(tx, repository_, crypto::Sha256(AsBytes(body))); });
    return deleted ? Status() : Status(deleted.error());
  }
  Status Collect() {
    auto report = collector_->Run();
    return report ? Status() : Status(report.error());
  }

  Database& database() { return *database_; }
  BlobDriver& driver() { return *driver_; }
  FakeClock& clock() { return clock_; }
  RepositoryId repository() const { return repository_; }

  // Empty if what a client sees is exactly the model at `now`; else the first difference. `bodies` and `blobs` are all
  // that were ever used, so that what should not be there is looked for too.
  std::string DifferenceFrom(const Model& model, Time now, const std::set<std::string>& all_blobs) {
    std::string difference;
    Status read = database_->Read([&](const ReadTx& tx) -> Status {
      BW_TRY(auto tags, ListTags(tx, repository_, {limits::kPageMaximum, ""}));
      std::map<std::string, Digest> seen_tags, want_tags;
      for (const Tag& t : tags.items) seen_tags[t.name] = t.digest;
      for (const auto& [tag, body] : model.tags) want_tags[tag] = crypto::Sha256(AsBytes(body));
      if (seen_tags != want_tags) difference = "tags differ";
      BW_TRY(auto manifests, ListManifests(tx, repository_, {limits::kPageMaximum, ""}));
      std::set<Digest> seen, want;
      for (const Manifest& m : manifests.items) {
        seen.insert(m.digest);
        BW_TRY(Bytes bytes, ManifestBytes(tx, m.id));
        if (crypto::Sha256(bytes) != m.digest) difference = "a manifest's bytes are damaged";
      }
      for (const auto& [body, blobs] : model.manifests) want.insert(crypto::Sha256(AsBytes(body)));
      if (seen != want) difference = "manifests differ";
      const std::set<std::string> visible = model.VisibleBlobs(now);
      for (const std::string& bytes : all_blobs) {
        BW_TRY(auto presence, BlobInRepository(tx, repository_, crypto::Sha256(AsBytes(bytes)), now));
        if (presence.has_value() != visible.contains(bytes))
          difference = presence ? "a blob too many" : "a blob is missing";
      }
      return {};
    });
    return read ? difference : read.error().message;
  }

  // Empty if every live blob row has its whole file and the database is sound.
  std::string Damage() {
    std::string damage;
    Status read = database_->Read([&](const ReadTx& tx) -> Status {
      BW_TRY(auto check, tx.Text("PRAGMA integrity_check", {}));
      if (check != "ok") damage = "integrity_check: " + check.value_or("nothing");
      BW_TRY(auto foreign, tx.Text("SELECT \"table\" FROM pragma_foreign_key_check", {}));
      if (foreign) damage = "a foreign key of " + *foreign;
      return tx.Each("SELECT digest, size FROM blobs WHERE dead = 0", {}, [&](const Row& row) {
        const Digest digest = *Digest::Parse(row.Text(0));
        if (!FileIs(digest, static_cast<std::uint64_t>(row.Int(1))))
          damage = "the file of " + digest.str() + " is absent or damaged";
        return true;
      });
    });
    return read ? damage : read.error().message;
  }
  std::size_t Files() {
    std::size_t n = 0;
    EXPECT_TRUE(driver_->Each([&](const BlobInfo&) { return ++n > 0; }));
    return n;
  }

 private:
  bool FileIs(const Digest& digest, std::uint64_t size) {
    auto reader = driver_->Open({0, digest});
    if (!reader || (*reader)->size() != size) return false;
    Bytes bytes(static_cast<std::size_t>(size));
    return (*reader)->ReadAt(0, bytes).ok() && crypto::Sha256(bytes) == digest;
  }

  std::string directory_;
  FileSystem& files_;
  FakeClock clock_;
  std::unique_ptr<BlobDriver> driver_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Collector> collector_;
  RepositoryId repository_{};
};

}  // namespace bulwark::storage
