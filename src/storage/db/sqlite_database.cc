#include "storage/db/sqlite_database.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <map>
#include <thread>
#include <utility>

#include <sqlite3.h>

#include "base/log.h"
#include "base/sync.h"
#include "crypto/hash.h"
#include "storage/db/sqlite_connection.h"
#include "storage/db/sqlite_vfs.h"

namespace bulwark::storage {
namespace {

constexpr std::size_t kRewriteBytes = 1 << 20;

// A closure that waits for the writer; lives on its caller's stack until `done`.
struct Request {
  const std::function<Status(Tx&)>* body;
  Status status;
  std::exception_ptr thrown;
  bool done = false;
};

class SqliteDatabase final : public Database {
 public:
  static Result<std::unique_ptr<Database>> Open(const std::string& path, FileSystem& files,
                                                const SqliteOptions& options);
  ~SqliteDatabase() override;

  Status WriteAny(const std::function<Status(Tx&)>& body) override;
  Status ReadAny(const std::function<Status(const ReadTx&)>& body) const override;
  Status Migrate(std::span<const Migration> migrations) override;
  std::uint64_t generation() const override { return generation_.load(std::memory_order_acquire); }

 private:
  SqliteDatabase(std::string path, const SqliteOptions& options) : path_(std::move(path)), options_(options) {}
  Status Start(FileSystem& files);
  Result<std::unique_ptr<SqliteConnection>> Connect(Access access) const;

  // The writer's thread.
  void RunWriter();
  void RunBatch(std::vector<Request*>& batch);
  Status RunClosures(std::vector<Request*>& batch);
  void RunClosure(Request& request);
  Status Control(std::string_view sql);
  void Checkpoint(int mode);
  void MakeRoom();

  Result<std::unique_ptr<SqliteConnection>> TakeReader() const;
  void GiveBack(std::unique_ptr<SqliteConnection> reader) const;

  std::string path_;
  SqliteOptions options_;
  std::unique_ptr<SqliteVfs> vfs_;            // null: SQLite's own; outlives all connections
  std::unique_ptr<SqliteConnection> writer_;  // only the writer's thread uses it once that runs
  int wal_pages_ = 0;                         // the writer's thread
  bool log_in_the_way_ = false;               // the writer's thread: a transaction failed
  std::chrono::steady_clock::time_point room_made_{};
  std::atomic<std::uint64_t> generation_ = 0;

  mutable Mutex mutex_;
  ConditionVariable queued_;
  ConditionVariable finished_;
  std::deque<Request*> queue_ BW_GUARDED_BY(mutex_);
  bool stopping_ BW_GUARDED_BY(mutex_) = false;

  mutable Mutex readers_mutex_;
  mutable ConditionVariable reader_free_;
  mutable std::vector<std::unique_ptr<SqliteConnection>> readers_ BW_GUARDED_BY(readers_mutex_);
  mutable std::size_t readers_open_ BW_GUARDED_BY(readers_mutex_) = 0;

  std::thread thread_;
};

Result<std::unique_ptr<Database>> SqliteDatabase::Open(const std::string& path, FileSystem& files,
                                                       const SqliteOptions& options) {
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(path, options));
  if (auto started = database->Start(files); !started) return started.error().Wrap("open database " + path);
  return std::unique_ptr<Database>(std::move(database));
}

Status CheckFormat(SqliteConnection& connection) {
  BW_TRY(auto magic, connection.Int("PRAGMA application_id", {}));
  BW_TRY(auto format, connection.Int("PRAGMA user_version", {}));
  BW_TRY(auto tables, connection.Int("SELECT count(*) FROM sqlite_schema", {}));
  if (magic == 0 && format == 0 && tables == 0) {
    BW_CHECK(connection.Script("PRAGMA application_id = " + std::to_string(kDatabaseMagic)));
    return connection.Script("PRAGMA user_version = " + std::to_string(kDatabaseFormat));
  }
  if (magic != kDatabaseMagic) return Error{Errc::kCorrupt, "this is a database of another program"};
  if (format > kDatabaseFormat)
    return Error{Errc::kUnsupported, "written by a newer Bulwark (format " + std::to_string(*format) + ")"};
  return {};
}

// A process may have died after an fsync of its log had failed. What that fsync should have written is on no disk, but the
// page cache shows it, no later fsync writes it (https://wiki.postgresql.org/wiki/Fsync_Errors), and SQLite takes it for
// committed: what is committed after it, or checkpointed, would be lost or torn by the next power cut. So every page is
// dirtied again, by its own bytes, before SQLite reads the log.
Status MakeDurable(FileSystem& files, const std::string& path) {
  auto file = files.Open(path, OpenMode::kReadWrite);
  if (!file) return file.error().code == Errc::kNotFound ? Status() : Status(std::move(file).error());
  BW_TRY(const std::uint64_t size, (*file)->Size());
  Bytes part;
  for (std::uint64_t at = 0; at < size; at += part.size()) {
    part.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kRewriteBytes, size - at)));
    BW_CHECK((*file)->ReadAt(at, part));
    BW_CHECK((*file)->WriteAt(at, part));
  }
  return size > 0 ? (*file)->SyncData() : Status();
}

Status SqliteDatabase::Start(FileSystem& files) {
  if (&files != &PosixFileSystem()) { BW_TRY(vfs_, SqliteVfs::Register(files)); }
  BW_CHECK(MakeDurable(files, path_ + "-wal"));
  BW_TRY(writer_, Connect(Access::kReadWrite));
  BW_CHECK(CheckFormat(*writer_));
  writer_->SetQuiet(options_.quiet);
  // A new file: neither SQLite's VFS nor ours has synced its directory entry yet.
  auto slash = path_.rfind('/');
  BW_CHECK(files.SyncDirectory(slash == std::string::npos ? "." : path_.substr(0, slash)));
  sqlite3_wal_hook(
      writer_->handle(),
      [](void* pages, sqlite3*, const char*, int n) {
        *static_cast<int*>(pages) = n;
        return SQLITE_OK;
      },
      &wal_pages_);
  thread_ = std::thread([this] { RunWriter(); });
  return {};
}

Result<std::unique_ptr<SqliteConnection>> SqliteDatabase::Connect(Access access) const {
  BW_TRY(auto connection, SqliteConnection::Open(path_, vfs_ ? vfs_->name() : nullptr, access));
  std::string script =
      "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -" +
      std::to_string(access == Access::kReadWrite ? options_.writer_cache_kib : options_.cache_kib) + ";";
  if (access == Access::kReadWrite) {
    // Debian's SQLite overwrites deleted rows with zeros unless told not to; disks are encrypted or not as a whole.
    script +=
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;"
        "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_spill = OFF;"
        "PRAGMA journal_size_limit = " + std::to_string(kDatabaseLogBytes) + ";";
  } else {
    script += "PRAGMA query_only = ON;";
    if (!vfs_) script += "PRAGMA mmap_size = " + std::to_string(options_.mmap_mib << 20) + ";";
  }
  BW_CHECK(connection->Script(script));
  return connection;
}

SqliteDatabase::~SqliteDatabase() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  queued_.notify_all();
  if (thread_.joinable()) thread_.join();
  MutexLock lock(readers_mutex_);
  readers_.clear();  // before the writer, which then checkpoints and removes the log
}

Status SqliteDatabase::WriteAny(const std::function<Status(Tx&)>& body) {
  if (std::this_thread::get_id() == thread_.get_id())
    return Error{Errc::kInternal, "a write inside a write transaction"};
  Request request{&body, {}, nullptr, false};
  {
    MutexLock lock(mutex_);
    queue_.push_back(&request);
    queued_.notify_one();
    while (!request.done) finished_.wait(mutex_);
  }
  if (request.thrown) std::rethrow_exception(request.thrown);
  return std::move(request.status);
}

void SqliteDatabase::RunWriter() {
  std::vector<Request*> batch;
  for (;;) {
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) queued_.wait(mutex_);
      if (queue_.empty()) return;
      const std::size_t n = std::min(queue_.size(), options_.batch);
      batch.assign(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(n));
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(n));
    }
    RunBatch(batch);
    {
      MutexLock lock(mutex_);
      for (Request* r : batch) r->done = true;
    }
    // From here on the requests may be gone.
    finished_.notify_all();
    if (wal_pages_ >= options_.checkpoint_pages) Checkpoint(SQLITE_CHECKPOINT_PASSIVE);
    if (std::exchange(log_in_the_way_, false)) MakeRoom();
  }
}

// When SQLite gives up the whole transaction because of one closure (full disk, I/O error), that closure gets the error
// and the others are run again without it.
void SqliteDatabase::RunBatch(std::vector<Request*>& batch) {
  std::vector<Request*> open = batch;
  while (!open.empty()) {
    const std::size_t before = open.size();
    Status status = Control("BEGIN IMMEDIATE");
    if (status) status = RunClosures(open);
    if (status) status = Control("COMMIT");
    if (writer_->TakeLoud()) generation_.fetch_add(1, std::memory_order_acq_rel);
    if (status) return;
    log_in_the_way_ = true;
    if (writer_->in_transaction()) {
      if (auto undone = Control("ROLLBACK"); !undone) LogError("database: " + undone.error().message);
    }
    if (open.size() < before) continue;  // RunClosures took the culprit out
    for (Request* r : open)
      if (r->status.ok() && !r->thrown) r->status = status.error();
    return;
  }
}

// On an error with one request less in `batch`: that one lost the transaction and has its error.
Status SqliteDatabase::RunClosures(std::vector<Request*>& batch) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i]->status = {};
    batch[i]->thrown = nullptr;
    BW_CHECK(Control("SAVEPOINT closure"));
    RunClosure(*batch[i]);
    if (!writer_->in_transaction()) {
      if (batch[i]->status.ok()) batch[i]->status = Error{Errc::kIo, "the database gave up the transaction"};
      batch.erase(batch.begin() + static_cast<std::ptrdiff_t>(i));
      return Error{Errc::kIo, "transaction lost"};
    }
    if (!batch[i]->status.ok() || batch[i]->thrown) BW_CHECK(Control("ROLLBACK TO closure"));
    BW_CHECK(Control("RELEASE closure"));
  }
  return {};
}

void SqliteDatabase::RunClosure(Request& request) {
  try {
    request.status = (*request.body)(*writer_);
  } catch (...) { request.thrown = std::current_exception(); }
}

Status SqliteDatabase::Control(std::string_view sql) {
  auto ran = writer_->Exec(sql);
  return ran ? Status() : Status(std::move(ran).error());
}

// Outside of anybody's commit. Passive: never waits for readers; what they still need is copied the next time.
void SqliteDatabase::Checkpoint(int mode) {
  const int rc = sqlite3_wal_checkpoint_v2(writer_->handle(), nullptr, mode, nullptr, nullptr);
  if (rc != SQLITE_OK && rc != SQLITE_BUSY)
    LogWarning(std::string("database: checkpoint: ") + sqlite3_errmsg(writer_->handle()));
  wal_pages_ = 0;
}

// The disk may be full: the log is copied back and given up, once a second at most. Waits for no reader: while one holds
// the log, a part is copied.
void SqliteDatabase::MakeRoom() {
  const auto now = std::chrono::steady_clock::now();
  if (now - room_made_ < std::chrono::seconds(1)) return;
  room_made_ = now;
  sqlite3_busy_timeout(writer_->handle(), 0);
  Checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  sqlite3_busy_timeout(writer_->handle(), kBusyMilliseconds);
}

Status SqliteDatabase::ReadAny(const std::function<Status(const ReadTx&)>& body) const {
  BW_TRY(std::unique_ptr<SqliteConnection> reader, TakeReader());
  // Ends the snapshot and gives the connection back, whichever way the closure leaves.
  struct Guard {
    const SqliteDatabase& database;
    std::unique_ptr<SqliteConnection>& reader;
    ~Guard() {
      if (auto ended = reader->Exec("COMMIT"); !ended) LogWarning(ended.error().message);
      database.GiveBack(std::move(reader));
    }
  };
  auto begun = reader->Exec("BEGIN");
  if (!begun) {
    GiveBack(std::move(reader));
    return std::move(begun).error();
  }
  Guard guard{*this, reader};
  return body(*reader);
}

Result<std::unique_ptr<SqliteConnection>> SqliteDatabase::TakeReader() const {
  {
    MutexLock lock(readers_mutex_);
    while (readers_.empty() && readers_open_ >= options_.readers) reader_free_.wait(readers_mutex_);
    if (!readers_.empty()) {
      auto reader = std::move(readers_.back());  // the one whose cache is warm
      readers_.pop_back();
      return reader;
    }
    ++readers_open_;
  }
  auto reader = Connect(Access::kReadOnly);
  if (reader) return reader;
  MutexLock lock(readers_mutex_);
  --readers_open_;
  reader_free_.notify_one();
  return reader;
}

void SqliteDatabase::GiveBack(std::unique_ptr<SqliteConnection> reader) const {
  MutexLock lock(readers_mutex_);
  readers_.push_back(std::move(reader));
  reader_free_.notify_one();
}

// number -> checksum of what ran.
Result<std::map<std::int64_t, std::string>> AppliedOf(const ReadTx& tx, std::string_view folder) {
  std::map<std::int64_t, std::string> out;
  BW_CHECK(tx.Each("SELECT number, checksum FROM migrations WHERE folder = ?1", {folder}, [&](const Row& row) {
    out.emplace(row.Int(0), row.Text(1));
    return true;
  }));
  return out;
}

Status Apply(SqliteConnection& connection, const Migration& migration, std::map<std::int64_t, std::string>& applied) {
  const std::string checksum = crypto::Sha256(AsBytes(migration.sql)).hex();
  const std::string name = std::string(migration.folder) + " " + std::to_string(migration.number);
  if (auto found = applied.find(migration.number); found != applied.end()) {
    if (found->second != checksum) return Error{Errc::kCorrupt, "migration " + name + " was edited after it ran"};
    applied.erase(found);
    return {};
  }
  if (auto ran = connection.Script(migration.sql); !ran) return ran.error().Wrap("migration " + name);
  auto noted = connection.Exec("INSERT INTO migrations (folder, number, checksum) VALUES (?1, ?2, ?3)",
                               {migration.folder, migration.number, checksum});
  return noted ? Status() : Status(noted.error());
}

// All in one transaction: a program that starts sees the schema before or after, never between.
Status SqliteDatabase::Migrate(std::span<const Migration> migrations) {
  std::map<std::string_view, std::vector<const Migration*>> folders;
  for (const Migration& m : migrations) folders[m.folder].push_back(&m);
  for (auto& [folder, list] : folders)
    std::sort(list.begin(), list.end(), [](const Migration* a, const Migration* b) { return a->number < b->number; });
  return WriteAny([&](Tx& tx) -> Status {
    auto& connection = static_cast<SqliteConnection&>(tx);
    BW_CHECK(connection.Script(
        "CREATE TABLE IF NOT EXISTS migrations (folder TEXT NOT NULL, number INTEGER NOT NULL, checksum TEXT NOT NULL, "
        "PRIMARY KEY (folder, number)) STRICT"));
    for (auto& [folder, list] : folders) {
      BW_TRY(auto applied, AppliedOf(tx, folder));
      for (const Migration* m : list) BW_CHECK(Apply(connection, *m, applied));
      if (!applied.empty())
        return Error{Errc::kUnsupported, "a newer Bulwark wrote the tables of " + std::string(folder) + " (migration " +
                                             std::to_string(applied.rbegin()->first) + ")"};
    }
    return {};
  });
}

}  // namespace

Result<std::unique_ptr<Database>> OpenSqlite(const std::string& path, FileSystem& files, const SqliteOptions& options) {
  return SqliteDatabase::Open(path, files, options);
}

}  // namespace bulwark::storage
