#pragma once
// For tests of content, uploads and collector: a fresh database with two repositories, and verbs that make things in
// it.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "crypto/hash.h"
#include "storage/content.h"
#include "storage/db/sqlite_database.h"
#include "storage/test_directory.h"
#include "storage/uploads.h"

namespace bulwark::storage {

inline constexpr PrincipalId kAlice{1}, kBob{2};
inline constexpr const char* kImageType = "application/vnd.oci.image.manifest.v1+json";

struct PutArgs {
  std::string body = "{}";
  std::vector<Digest> blobs = {};
  std::string tag = {};
  std::optional<Digest> subject = {};
  std::string artifact_type = {};
  std::string config_media_type = {};
  std::string annotations = {};
  std::optional<std::uint64_t> blob_size = {};
  bool required = true;
  PrincipalId by = kAlice;
};

inline RepoName Repo(std::string_view name) { return *RepoName::Parse(name); }
inline TagName TagOf(std::string_view name) { return *TagName::Parse(name); }

class ContentFixture : public ::testing::Test {
 protected:
  template <typename F>
  auto Write(F&& body) {
    return database_->Write(std::forward<F>(body));
  }
  template <typename F>
  auto Read(F&& body) const {
    return database_->Read(std::forward<F>(body));
  }

  void SetUp() override {
    auto opened = OpenSqlite(dir_.path() + "/bulwark.db", PosixFileSystem());
    ASSERT_TRUE(opened) << opened.error().message;
    database_ = *std::move(opened);
    ASSERT_TRUE(database_->Migrate(ContentMigrations()));
    app_ = MakeRepository("team-a/app");
    other_ = MakeRepository("team-b/other");
    project_ = Read([&](const ReadTx& tx) { return FindProject(tx, "team-a"); }).value()->id;
  }

  RepositoryId MakeRepository(std::string_view name) {
    auto made = Write([&](Tx& tx) -> Result<Repository> {
      BW_CHECK(EnsureProject(tx, Repo(name).project(), now_));
      return CreateRepository(tx, Repo(name), now_);
    });
    EXPECT_TRUE(made) << made.error().message;
    return made->id;
  }

  // The rows of a finished upload, without a file.
  Digest AddBlob(RepositoryId repository, PrincipalId principal, std::string_view bytes) {
    const Digest digest = crypto::Sha256(AsBytes(bytes));
    Status added = Write([&](Tx& tx) -> Status {
      BW_TRY(UploadSession session, CreateUpload(tx, repository, principal, now_));
      BW_CHECK(ReserveBlob(tx, digest, session.id, now_));
      return RecordBlob(tx, session, {{0, digest}, bytes.size()}, now_);
    });
    EXPECT_TRUE(added) << added.error().message;
    return digest;
  }

  Result<PutOutcome> TryPut(RepositoryId repository, const PutArgs& args) {
    NewManifest m;
    m.digest = crypto::Sha256(AsBytes(args.body));
    m.media_type = kImageType;
    m.artifact_type = args.artifact_type;
    m.config_media_type = args.config_media_type;
    m.annotations = args.annotations;
    m.subject = args.subject;
    for (const Digest& d : args.blobs) m.edges.push_back({EdgeKind::kBlob, d, args.blob_size, args.required});
    m.bytes = AsBytes(args.body);
    std::optional<TagName> tag;
    if (!args.tag.empty()) tag = TagOf(args.tag);
    return Write([&](Tx& tx) { return PutManifest(tx, repository, m, tag, args.by, now_); });
  }

  Digest Put(RepositoryId repository, const PutArgs& args) {
    auto put = TryPut(repository, args);
    EXPECT_TRUE(put) << put.error().message;
    return crypto::Sha256(AsBytes(args.body));
  }

  std::optional<BlobPresence> PresenceOf(RepositoryId repository, const Digest& digest) const {
    auto presence = Read([&](const ReadTx& tx) { return BlobInRepository(tx, repository, digest, now_); });
    EXPECT_TRUE(presence) << presence.error().message;
    return *presence;
  }
  bool Present(RepositoryId repository, const Digest& digest) const {
    return PresenceOf(repository, digest).has_value();
  }
  bool NeedsRenewal(RepositoryId repository, const Digest& digest, PrincipalId principal) const {
    return *Read([&](const ReadTx& tx) { return LeaseNeedsRenewal(tx, repository, digest, principal, now_); });
  }

  TestDirectory dir_;
  std::unique_ptr<Database> database_;
  Time now_ = Time(Millis(1'800'000'000'000));
  ProjectId project_{};
  RepositoryId app_{}, other_{};
};

}  // namespace bulwark::storage
