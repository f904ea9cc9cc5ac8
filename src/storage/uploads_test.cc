#include "storage/uploads.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "storage/blob/file_driver.h"
#include "storage/content_fixture.h"
#include "storage/pull_counter.h"

namespace bulwark::storage {
namespace {

class UploadsTest : public ContentFixture {
 protected:
  void SetUp() override {
    ContentFixture::SetUp();
    driver_ = *OpenFileDriver(dir_.path(), PosixFileSystem());
  }
  UploadSession Begin(RepositoryId repository, PrincipalId principal) {
    return *Write([&](Tx& tx) { return CreateUpload(tx, repository, principal, now_); });
  }
  bool Finds(const UploadSession& s, RepositoryId repository, PrincipalId principal) {
    return Read([&](const ReadTx& tx) { return FindUpload(tx, s.id, repository, principal, now_); })->has_value();
  }
  std::unique_ptr<BlobWriter> Spool(const UploadSession& session, std::string_view bytes) {
    auto writer = *driver_->Upload(session.id);
    EXPECT_TRUE(writer->Append(AsBytes(bytes)));
    return writer;
  }
  std::int64_t Reservations() {
    return **Read([](const ReadTx& tx) { return tx.Int("SELECT count(*) FROM reservations", {}); });
  }

  std::unique_ptr<BlobDriver> driver_;
  FakeClock clock_{now_};
};

// specs/attacks.md, upload-session-foreign.
TEST_F(UploadsTest, SessionIsFoundOnlyByItsOwnerInItsRepository) {
  const UploadSession s = Begin(app_, kAlice);
  EXPECT_EQ(s.id.size(), 32u);
  EXPECT_TRUE(Finds(s, app_, kAlice));
  EXPECT_FALSE(Finds(s, app_, kBob));
  EXPECT_FALSE(Finds(s, other_, kAlice));
  UploadSession forged = s;
  forged.principal = kBob;
  EXPECT_EQ(Write([&](Tx& tx) { return DeleteUpload(tx, forged); }).error().code, Errc::kNotFound);
  EXPECT_EQ(Write([&](Tx& tx) { return RenewUpload(tx, forged, now_); }).error().code, Errc::kNotFound);
  ASSERT_TRUE(Write([&](Tx& tx) { return DeleteUpload(tx, s); }));
  EXPECT_FALSE(Finds(s, app_, kAlice));
}

TEST_F(UploadsTest, SessionExpiresUnlessRenewed) {
  const UploadSession s = Begin(app_, kAlice);
  now_ += std::chrono::hours(23);
  ASSERT_TRUE(Write([&](Tx& tx) { return RenewUpload(tx, s, now_); }));
  now_ += std::chrono::hours(23);
  EXPECT_TRUE(Finds(s, app_, kAlice));
  now_ += std::chrono::hours(1);
  EXPECT_FALSE(Finds(s, app_, kAlice));
  EXPECT_EQ(Write([&](Tx& tx) { return RenewUpload(tx, s, now_); }).error().code, Errc::kNotFound);
}

TEST_F(UploadsTest, SessionsOfAUserAreCapped) {
  Status filled = Write([&](Tx& tx) -> Status {
    for (std::uint64_t i = 0; i < limits::kUploadSessionsPerUser; ++i) BW_CHECK(CreateUpload(tx, app_, kAlice, now_));
    return {};
  });
  ASSERT_TRUE(filled);
  auto create = [&](PrincipalId principal) {
    return Write([&](Tx& tx) { return CreateUpload(tx, app_, principal, now_); });
  };
  EXPECT_EQ(create(kAlice).error().code, Errc::kLimit);
  EXPECT_TRUE(create(kBob));
  now_ += limits::kUploadLifetime;
  EXPECT_TRUE(create(kAlice)) << "expired ones do not count";
}

TEST_F(UploadsTest, FinishMakesTheBlobItsUploaders) {
  const UploadSession s = Begin(app_, kAlice);
  auto writer = Spool(s, "hello");
  const Digest digest = crypto::Sha256(AsBytes("hello"));
  bool joined = false;
  Status finished = FinishUpload(*database_, s, *writer, digest, clock_, [&](Tx&) -> Status {
    joined = true;
    return {};
  });
  ASSERT_TRUE(finished) << finished.error().message;
  EXPECT_TRUE(joined);
  EXPECT_EQ(PresenceOf(app_, digest)->uploaders, std::vector<PrincipalId>{kAlice});
  EXPECT_FALSE(Present(other_, digest));
  EXPECT_FALSE(Finds(s, app_, kAlice));
  EXPECT_EQ(Reservations(), 0);
  EXPECT_EQ(driver_->Stat({0, digest})->size, 5u);
}

TEST_F(UploadsTest, WrongDigestKeepsTheSession) {
  const UploadSession s = Begin(app_, kAlice);
  auto writer = Spool(s, "hello");
  const Digest wrong = crypto::Sha256(AsBytes("other"));
  EXPECT_EQ(FinishUpload(*database_, s, *writer, wrong, clock_).error().code, Errc::kDigest);
  EXPECT_TRUE(Finds(s, app_, kAlice));
  EXPECT_EQ(Reservations(), 0);
  EXPECT_FALSE(Present(app_, wrong));
  EXPECT_TRUE(FinishUpload(*database_, s, *writer, crypto::Sha256(AsBytes("hello")), clock_));
}

TEST_F(UploadsTest, AnErrorInTheLastStepRecordsNothing) {
  const UploadSession s = Begin(app_, kAlice);
  auto writer = Spool(s, "hello");
  const Digest digest = crypto::Sha256(AsBytes("hello"));
  Status finished =
      FinishUpload(*database_, s, *writer, digest, clock_, [](Tx&) -> Status { return Error{Errc::kDenied, "quota"}; });
  EXPECT_EQ(finished.error().code, Errc::kDenied);
  EXPECT_FALSE(Present(app_, digest));
  EXPECT_EQ(Reservations(), 0);
}

// Knowing a digest must not open a blob of another tenant, not even while an upload of it is finishing.
TEST_F(UploadsTest, ReservationIsNoRight) {
  const Digest secret = AddBlob(other_, kBob, "secret");
  const UploadSession s = Begin(app_, kAlice);
  ASSERT_TRUE(Write([&](Tx& tx) { return ReserveBlob(tx, secret, s.id, now_); }));
  EXPECT_FALSE(Present(app_, secret));
  EXPECT_EQ(TryPut(app_, {.body = "m", .blobs = {secret}}).error().code, Errc::kNotFound);
}

TEST_F(UploadsTest, RecordNeedsItsReservation) {
  const UploadSession s = Begin(app_, kAlice);
  const Digest digest = crypto::Sha256(AsBytes("x"));
  EXPECT_EQ(Write([&](Tx& tx) { return RecordBlob(tx, s, {{0, digest}, 1}, now_); }).error().code, Errc::kConflict);
}

TEST_F(UploadsTest, DeadBlobIsNotReserved) {
  const Digest digest = AddBlob(app_, kAlice, "x");
  ASSERT_TRUE(Write([&](Tx& tx) -> Status {
    BW_CHECK(tx.Exec("UPDATE blobs SET dead = 1"));
    return {};
  }));
  EXPECT_EQ(Write([&](Tx& tx) { return ReserveBlob(tx, digest, "ab", now_); }).value(), Reservation::kDying);
  EXPECT_EQ(Reservations(), 0);
  EXPECT_FALSE(Present(app_, digest));
  EXPECT_EQ(Write([&](Tx& tx) { return RenewLease(tx, app_, digest, kAlice, now_); }).error().code, Errc::kNotFound);
  EXPECT_EQ(Write([&](Tx& tx) { return Mount(tx, app_, other_, digest, kAlice, now_); }).error().code, Errc::kNotFound);
}

TEST_F(UploadsTest, PullCounterAddsUpAndKeepsWhatCouldNotBeWritten) {
  PullCounter counter;
  const Digest d = crypto::Sha256(AsBytes("m"));
  EXPECT_TRUE(counter.Add(app_, d, kBob, now_));
  EXPECT_TRUE(counter.Add(app_, d, kBob, now_ + Millis(1)));
  auto rename = [&](std::string_view sql) {
    return Write([&](Tx& tx) -> Status {
      BW_CHECK(tx.Exec(sql));
      return {};
    });
  };
  ASSERT_TRUE(rename("ALTER TABLE pulls RENAME TO gone"));
  EXPECT_FALSE(counter.Flush(*database_));
  ASSERT_TRUE(rename("ALTER TABLE gone RENAME TO pulls"));
  EXPECT_TRUE(counter.Add(app_, d, kBob, now_));
  ASSERT_TRUE(counter.Flush(*database_));
  ASSERT_TRUE(counter.Flush(*database_));
  EXPECT_EQ(**Read([](const ReadTx& tx) { return tx.Int("SELECT sum(count) FROM pulls", {}); }), 3);
}

}  // namespace
}  // namespace bulwark::storage
