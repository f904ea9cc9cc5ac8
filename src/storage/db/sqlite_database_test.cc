#include "storage/db/sqlite_database.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "storage/db/sqlite_connection.h"
#include "storage/directory_lock.h"
#include "storage/faulty_file_system.h"
#include "storage/test_directory.h"

namespace bulwark::storage {
namespace {

constexpr Migration kTables[] = {
    {"test", 1, "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, bytes BLOB) STRICT;"},
    {"test", 2, "CREATE TABLE child (t INTEGER NOT NULL REFERENCES t(id)) STRICT; CREATE INDEX child_t ON child(t);"},
};

class SqliteDatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Open();
    ASSERT_TRUE(database_->Migrate(kTables));
  }
  void Open() {
    database_.reset();
    auto opened = OpenSqlite(dir_.path() + "/bulwark.db", PosixFileSystem());
    ASSERT_TRUE(opened) << opened.error().message;
    database_ = *std::move(opened);
  }
  Status Insert(std::string_view name) {
    return database_->Write([&](Tx& tx) -> Status {
      BW_CHECK(tx.Exec("INSERT INTO t (name) VALUES (?1)", {name}));
      return {};
    });
  }
  std::int64_t Count() {
    return *database_->Read([](const ReadTx& tx) { return tx.Int("SELECT count(*) FROM t", {}); }).value();
  }

  TestDirectory dir_;
  std::unique_ptr<Database> database_;
};

TEST_F(SqliteDatabaseTest, WritesAndReadsEveryType) {
  const Bytes bytes = {0, 1, 255};
  auto id = database_->Write([&](Tx& tx) -> Result<std::int64_t> {
    BW_TRY(std::int64_t n, tx.Exec("INSERT INTO t (name, bytes) VALUES (?1, ?2), ('empty', ?3), ('null', ?4)",
                                   {"a", bytes, ByteSpan(), nullptr}));
    EXPECT_EQ(n, 3);
    return tx.last_insert_id();
  });
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_EQ(*id, 3);
  std::vector<std::string> seen;
  ASSERT_TRUE(database_->Read([&](const ReadTx& tx) {
    return tx.Each("SELECT name, bytes FROM t ORDER BY id", {}, [&](const Row& row) {
      seen.push_back(std::string(row.Text(0)) + (row.IsNull(1) ? "-" : std::to_string(row.Blob(1).size())));
      return true;
    });
  }));
  EXPECT_EQ(seen, (std::vector<std::string>{"a3", "empty0", "null-"}));
}

TEST_F(SqliteDatabaseTest, ChangesRaiseTheGenerationButThoseOfQuietTables) {
  database_.reset();
  database_ = *OpenSqlite(dir_.path() + "/bulwark.db", PosixFileSystem(), {.quiet = {"child"}});
  ASSERT_TRUE(Insert("a"));
  const std::uint64_t before = database_->generation();
  auto run = [&](std::string_view sql) {
    ASSERT_TRUE(database_->Write([&](Tx& tx) -> Status {
      BW_CHECK(tx.Exec(sql));
      return {};
    }));
  };
  run("INSERT INTO child (t) VALUES (1)");
  run("DELETE FROM child");
  run("UPDATE t SET name = 'b' WHERE id = 99");  // nothing
  EXPECT_EQ(database_->generation(), before);
  run("UPDATE t SET name = 'b' WHERE id = 1");
  EXPECT_EQ(database_->generation(), before + 1);
  ASSERT_TRUE(database_->Write([&](Tx& tx) -> Status {
    BW_CHECK(tx.Int("UPDATE t SET name = 'd' WHERE id = 1 RETURNING id", {}));
    return {};
  }));
  EXPECT_EQ(database_->generation(), before + 2);
  run("WITH x(n) AS (SELECT 'c') INSERT INTO t (name) SELECT n FROM x");  // not understood: may be anything
  EXPECT_EQ(database_->generation(), before + 3);
}

TEST_F(SqliteDatabaseTest, ErrorOfClosureRollsBack) {
  Status status = database_->Write([&](Tx& tx) -> Status {
    BW_CHECK(tx.Exec("INSERT INTO t (name) VALUES ('a')"));
    return Error{Errc::kDenied, "no"};
  });
  EXPECT_EQ(status.error().code, Errc::kDenied);
  EXPECT_EQ(Count(), 0);
}

TEST_F(SqliteDatabaseTest, ExceptionReachesItsCallerAndRollsBack) {
  EXPECT_THROW((void)database_->Write([&](Tx& tx) -> Status {
    (void)tx.Exec("INSERT INTO t (name) VALUES ('a')");
    throw std::logic_error("bug");
  }),
               std::logic_error);
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Insert("b"));
}

TEST_F(SqliteDatabaseTest, ErrorCodes) {
  ASSERT_TRUE(Insert("a"));
  EXPECT_EQ(Insert("a").error().code, Errc::kExists);
  auto run = [&](std::string_view sql) {
    return database_->Write([&](Tx& tx) -> Status {
      auto n = tx.Exec(sql);
      return n ? Status() : Status(n.error());
    });
  };
  EXPECT_EQ(run("INSERT INTO child (t) VALUES (99)").error().code, Errc::kConflict);
  EXPECT_EQ(run("INSERT INTO nowhere VALUES (1)").error().code, Errc::kInternal);
  EXPECT_EQ(run("INSERT INTO t (name) VALUES (NULL)").error().code, Errc::kInternal);
  EXPECT_EQ(run("SELECT 1; SELECT 2").error().code, Errc::kInternal);
  EXPECT_EQ(run("").error().code, Errc::kInternal);
}

TEST_F(SqliteDatabaseTest, ReadersCannotWriteAndWritesDoNotNest) {
  auto read = database_->Read([&](const ReadTx& tx) { return tx.Int("DELETE FROM t RETURNING id", {}); });
  EXPECT_FALSE(read);
  Status nested = database_->Write([&](Tx&) -> Status { return Insert("inner"); });
  EXPECT_EQ(nested.error().code, Errc::kInternal);
}

TEST_F(SqliteDatabaseTest, SameStatementInsideItsOwnCallback) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(Insert(name));
  int pairs = 0;
  ASSERT_TRUE(database_->Read([&](const ReadTx& tx) {
    auto all = [&](const std::function<bool(const Row&)>& each) { return tx.Each("SELECT id FROM t", {}, each); };
    return all([&](const Row&) { return all([&](const Row&) { return ++pairs > 0; }).ok(); });
  }));
  EXPECT_EQ(pairs, 9);
}

TEST_F(SqliteDatabaseTest, ReaderKeepsItsSnapshot) {
  ASSERT_TRUE(Insert("a"));
  ASSERT_TRUE(database_->Read([&](const ReadTx& tx) -> Status {
    auto count = [&] { return **tx.Int("SELECT count(*) FROM t", {}); };
    EXPECT_EQ(count(), 1);
    BW_CHECK(Insert("b"));
    EXPECT_EQ(count(), 1);
    return {};
  }));
  EXPECT_EQ(Count(), 2);
}

TEST_F(SqliteDatabaseTest, ManyWritersAndReaders) {
  constexpr int kThreads = 8, kEach = 50;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        // Every fifth collides with another thread's and must fail alone.
        std::string name = i % 5 == 4 ? "shared" : std::to_string(t) + "." + std::to_string(i);
        if (!Insert(name)) ++failed;
        std::int64_t n = Count();
        if (n < 1) ++failed;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(failed, kThreads * kEach / 5 - 1);
  EXPECT_EQ(Count(), kThreads * kEach * 4 / 5 + 1);
}

TEST_F(SqliteDatabaseTest, SurvivesReopening) {
  ASSERT_TRUE(Insert("a"));
  Open();
  ASSERT_TRUE(database_->Migrate(kTables));
  EXPECT_EQ(Count(), 1);
}

TEST_F(SqliteDatabaseTest, MigrationsRunOnceAndAreNotEdited) {
  ASSERT_TRUE(database_->Migrate(kTables));
  const Migration edited[] = {{"test", 1, "CREATE TABLE other (id INTEGER) STRICT"}, kTables[1]};
  EXPECT_EQ(database_->Migrate(edited).error().code, Errc::kCorrupt);
  EXPECT_EQ(database_->Migrate(std::span(kTables).first(1)).error().code, Errc::kUnsupported);
  const Migration broken[] = {{"other", 1, "CREATE TABLE o (id INTEGER) STRICT; CREATE TABLE o (id INTEGER) STRICT"}};
  EXPECT_FALSE(database_->Migrate(broken));
  const Migration mended[] = {{"other", 1, "CREATE TABLE o (id INTEGER) STRICT"}};
  EXPECT_TRUE(database_->Migrate(mended)) << "the broken one must have left nothing";
}

TEST(OpenSqliteTest, RefusesWhatIsNotOurs) {
  TestDirectory dir;
  auto code_of = [&](const std::string& name) {
    auto opened = OpenSqlite(dir.path() + "/" + name, PosixFileSystem());
    return opened ? std::string("ok") : std::string(Name(opened.error().code));
  };
  std::ofstream(dir.path() + "/garbage") << std::string(8192, 'x');
  EXPECT_EQ(code_of("garbage"), "corrupt");
  EXPECT_EQ(code_of("missing/x.db"), "i/o error");
  EXPECT_EQ(code_of("fresh"), "ok");
  EXPECT_EQ(code_of("fresh"), "ok");
}

TEST(OpenSqliteTest, WorksThroughItsOwnVfs) {
  // A FileSystem other than the global one makes SQLite go through sqlite_vfs.h.
  class Forward final : public FileSystem {
   public:
    Result<std::unique_ptr<File>> Open(const std::string& p, OpenMode m) override {
      return PosixFileSystem().Open(p, m);
    }
    Status Rename(const std::string& a, const std::string& b) override { return PosixFileSystem().Rename(a, b); }
    Status Remove(const std::string& p) override { return PosixFileSystem().Remove(p); }
    Status MakeDirectory(const std::string& p) override { return PosixFileSystem().MakeDirectory(p); }
    Status SyncDirectory(const std::string& p) override { return PosixFileSystem().SyncDirectory(p); }
    Result<std::uint64_t> FreeBytes(const std::string& d) const override { return PosixFileSystem().FreeBytes(d); }
    Status Each(const std::string& d, const std::function<void(const std::string&)>& e) const override {
      return PosixFileSystem().Each(d, e);
    }
  } files;
  TestDirectory dir;
  for (int round = 0; round < 3; ++round) {
    auto opened = OpenSqlite(dir.path() + "/x.db", files, {.checkpoint_pages = 20});
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_TRUE((*opened)->Migrate(kTables));
    for (int i = 0; i < 60; ++i) {
      const std::string name = std::to_string(round) + "." + std::to_string(i) + std::string(3000, 'x');
      ASSERT_TRUE((*opened)->Write([&](Tx& tx) -> Status {
        BW_CHECK(tx.Exec("INSERT INTO t (name) VALUES (?1)", {name}));
        return {};
      }));
    }
  }
  auto opened = OpenSqlite(dir.path() + "/x.db", PosixFileSystem());
  ASSERT_TRUE(opened);
  auto n = (*opened)->Read([](const ReadTx& tx) { return tx.Int("SELECT count(*) FROM t", {}); });
  EXPECT_EQ(**n, 180);
  auto check = (*opened)->Read([](const ReadTx& tx) { return tx.Text("PRAGMA integrity_check", {}); });
  EXPECT_EQ(**check, "ok");
}

TEST(OpenSqliteTest, AFullDiskMakesRoomInTheLog) {
  TestDirectory dir;
  const std::string path = dir.path() + "/x.db";
  FaultyFileSystem files(dir.path());
  auto opened = OpenSqlite(path, files, {.checkpoint_pages = 1'000'000});
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_TRUE((*opened)->Migrate(kTables));
  auto write = [&](int i) {
    return (*opened)->Write([&](Tx& tx) -> Status {
      auto done = tx.Exec("INSERT INTO t (name) VALUES (?1)", {std::to_string(i) + std::string(3000, 'x')});
      return done ? Status() : Status(done.error());
    });
  };
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(write(i));
  const auto before = std::filesystem::file_size(path), log = std::filesystem::file_size(path + "-wal");
  files.FailNth(1, FaultyFileSystem::Fault::kNoSpace, [](auto call) { return call == FaultyFileSystem::Call::kWrite; });
  EXPECT_FALSE(write(50));
  for (int i = 51; i < 60; ++i) EXPECT_TRUE(write(i));
  EXPECT_GT(std::filesystem::file_size(path), before) << "copied into the database";
  EXPECT_LT(std::filesystem::file_size(path + "-wal"), log) << "given up";
}

// A pull of a long list must not hold up all writes while the disk is full.
TEST(OpenSqliteTest, AFullDiskWaitsForNoReader) {
  TestDirectory dir;
  FaultyFileSystem files(dir.path());
  auto opened = OpenSqlite(dir.path() + "/x.db", files);
  ASSERT_TRUE(opened) << opened.error().message;
  Database& database = **opened;
  ASSERT_TRUE(database.Migrate(kTables));
  auto write = [&] { return database.Write([](Tx& tx) { return tx.Exec("INSERT INTO t (name) VALUES (hex(randomblob(9)))", {}); }); };
  ASSERT_TRUE(write());
  Status read = database.Read([&](const ReadTx& tx) -> Status {
    BW_CHECK(tx.Int("SELECT count(*) FROM t", {}));
    files.FailNth(1, FaultyFileSystem::Fault::kNoSpace, [](auto call) { return call == FaultyFileSystem::Call::kWrite; });
    EXPECT_FALSE(write());
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(write());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(kBusyMilliseconds) / 2);
    return {};
  });
  EXPECT_TRUE(read);
}

TEST(DirectoryLockTest, OneHolder) {
  TestDirectory dir;
  const std::string data = dir.path() + "/a/b";
  {
    auto first = DirectoryLock::Take(data);
    ASSERT_TRUE(first) << first.error().message;
    auto second = DirectoryLock::Take(data);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::kConflict);
    EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_TRUE(DirectoryLock::Take(data));
}

}  // namespace
}  // namespace bulwark::storage
