#include "audit/audit.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "storage/db/sqlite_database.h"
#include "storage/file_system.h"
#include "storage/test_directory.h"

namespace bulwark::audit {
namespace {

class Audit : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = storage::OpenSqlite(directory_.path() + "/bulwark.db", storage::PosixFileSystem());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    database_ = *std::move(opened);
    ASSERT_TRUE(database_->Migrate(Migrations()).ok());
  }

  Status Write(const Event& event) {
    return database_->Write([&](storage::Tx& tx) { return Record(tx, event); });
  }
  Status Tamper(std::string_view sql) {
    return database_->Write([&](storage::Tx& tx) -> Status {
      BW_CHECK(tx.Exec(sql));
      return {};
    });
  }
  std::string VerifyError() {
    Status status = database_->Read([](const storage::ReadTx& tx) { return Verify(tx); });
    if (status.ok()) return "";
    EXPECT_EQ(status.error().code, Errc::kCorrupt);
    return status.error().message;
  }
  std::vector<Event> All(std::int64_t after = 0, std::size_t limit = 1000) {
    auto events = database_->Read([&](const storage::ReadTx& tx) { return List(tx, after, limit); });
    EXPECT_TRUE(events.ok());
    return events.ok() ? *events : std::vector<Event>();
  }
  static Event Push(std::string object) {
    Event event;
    event.at = Time(Millis(1'790'000'000'123));
    event.actor = "alice";
    event.actor_id = 7;
    event.action = "manifest.push";
    event.object = std::move(object);
    event.remote = "192.0.2.1";
    return event;
  }

  storage::TestDirectory directory_;
  std::unique_ptr<storage::Database> database_;
};

TEST_F(Audit, KeepsEveryFieldInOrder) {
  Event refused = Push("team-a/app@sha256:1");
  refused.outcome = Outcome::kRefused;
  refused.reason = "rule fixable-critical";
  ASSERT_TRUE(Write(refused).ok());
  ASSERT_TRUE(Write(Push("team-a/app@sha256:2")).ok());
  auto events = All();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].sequence, 1);
  EXPECT_EQ(events[0].at, refused.at);
  EXPECT_EQ(events[0].actor, "alice");
  EXPECT_EQ(events[0].actor_id, 7);
  EXPECT_EQ(events[0].action, "manifest.push");
  EXPECT_EQ(events[0].object, "team-a/app@sha256:1");
  EXPECT_EQ(events[0].outcome, Outcome::kRefused);
  EXPECT_EQ(events[0].reason, "rule fixable-critical");
  EXPECT_EQ(events[0].remote, "192.0.2.1");
  EXPECT_EQ(events[1].sequence, 2);
  EXPECT_EQ(VerifyError(), "");
}

TEST_F(Audit, ListsByPage) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Write(Push(std::to_string(i))).ok());
  auto page = All(2, 2);
  ASSERT_EQ(page.size(), 2u);
  EXPECT_EQ(page[0].sequence, 3);
  EXPECT_EQ(page[1].sequence, 4);
  EXPECT_TRUE(All(5, 2).empty());
}

// The row goes with the transaction that it describes.
TEST_F(Audit, VanishesWithItsTransaction) {
  Status status = database_->Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(Record(tx, Push("x")));
    return {Errc::kConflict, "no"};
  });
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(All().empty());
  EXPECT_EQ(VerifyError(), "");
}

TEST_F(Audit, FindsEveryChange) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"UPDATE audit SET at = at + 1 WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET actor = 'bob' WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET actor_id = 8 WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET action = 'manifest.pull' WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET object = 'x' WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET outcome = 2 WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET reason = 'x' WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET remote = 'x' WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET hash = zeroblob(32) WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET hash = x'00' WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET previous_hash = zeroblob(32) WHERE sequence = 2", "audit row 2 does not continue the row before it"},
      {"DELETE FROM audit WHERE sequence = 2", "audit row 3 is not preceded by row 2"},
      {"DELETE FROM audit WHERE sequence = 1", "audit row 2 is not preceded by row 1"},
      // The bytes move from one field to the next: the same concatenation, another meaning.
      {"UPDATE audit SET actor = 'alic', action = 'emanifest.push' WHERE sequence = 2", "audit row 2 was changed"},
      {"UPDATE audit SET sequence = sequence + 10 WHERE sequence = 3", "audit row 13 is not preceded by row 12"},
  };
  for (const auto& [sql, want] : cases) {
    ASSERT_TRUE(Tamper("DELETE FROM audit").ok());
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(Write(Push("m" + std::to_string(i))).ok());
    ASSERT_EQ(VerifyError(), "");
    ASSERT_TRUE(Tamper(sql).ok()) << sql;
    EXPECT_EQ(VerifyError(), want) << sql;
  }
}

TEST_F(Audit, EscapesAndCutsForeignText) {
  Event event = Push("a\nb\x1b[31m\xff");
  event.reason = std::string(100'000, 'x');
  ASSERT_TRUE(Write(event).ok());
  auto events = All();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].object.find_first_of("\n\x1b\xff"), std::string::npos);
  EXPECT_LE(events[0].reason.size(), limits::kAuditFieldBytes + 3);
  EXPECT_EQ(VerifyError(), "");
}

TEST_F(Audit, RefusesActionsThatAreNoNames) {
  for (const char* action : {"", "Manifest.push", "a b", "a\n"}) {
    Event event = Push("x");
    event.action = action;
    EXPECT_FALSE(Write(event).ok()) << action;
  }
}

}  // namespace
}  // namespace bulwark::audit
