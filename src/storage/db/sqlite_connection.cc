#include "storage/db/sqlite_connection.h"

#include <algorithm>
#include <cerrno>

#include <sqlite3.h>

namespace bulwark::storage {
namespace {

// About as many as all folders have; one costs 2 to 5 KiB.
constexpr std::size_t kCachedStatements = 256;

Errc CodeOf(int extended) {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID: return Errc::kExists;
    case SQLITE_CONSTRAINT_FOREIGNKEY: return Errc::kConflict;
    default: break;
  }
  switch (extended & 0xff) {
    case SQLITE_CONSTRAINT: return Errc::kInternal;  // NOT NULL, CHECK: the caller's code let bad data through
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL: return Errc::kUnavailable;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM: return Errc::kIo;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Errc::kCorrupt;
    case SQLITE_TOOBIG: return Errc::kLimit;
    case SQLITE_INTERRUPT: return Errc::kCancelled;
    default: return Errc::kInternal;
  }
}

class StatementRow final : public Row {
 public:
  explicit StatementRow(sqlite3_stmt* stmt) : stmt_(stmt) {}
  bool IsNull(int column) const override { return sqlite3_column_type(stmt_, column) == SQLITE_NULL; }
  std::int64_t Int(int column) const override { return sqlite3_column_int64(stmt_, column); }
  std::string_view Text(int column) const override {
    const auto* text = sqlite3_column_text(stmt_, column);  // before _bytes: it may convert
    return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column))};
  }
  ByteSpan Blob(int column) const override {
    const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(stmt_, column));
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column))};
  }

 private:
  sqlite3_stmt* stmt_;
};

// Static binding: the views live until the statement is reset, which happens before the call returns.
int Bind(sqlite3_stmt* stmt, int index, const Param& param) {
  struct Visitor {
    sqlite3_stmt* stmt;
    int index;
    int operator()(std::monostate) const { return sqlite3_bind_null(stmt, index); }
    int operator()(std::int64_t value) const { return sqlite3_bind_int64(stmt, index, value); }
    int operator()(std::string_view text) const {
      return sqlite3_bind_text64(stmt, index, text.data() ? text.data() : "", text.size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    int operator()(ByteSpan bytes) const {
      if (bytes.empty()) return sqlite3_bind_zeroblob(stmt, index, 0);
      return sqlite3_bind_blob64(stmt, index, bytes.data(), bytes.size(), SQLITE_STATIC);
    }
  };
  return std::visit(Visitor{stmt, index}, param.value());
}

// Of an INSERT, UPDATE or DELETE as this program writes them; "" for anything else.
std::string_view ChangedTable(std::string_view sql) {
  for (std::string_view begin : {"INSERT INTO ", "UPDATE ", "DELETE FROM "}) {
    if (!sql.starts_with(begin)) continue;
    sql.remove_prefix(begin.size());
    return sql.substr(0, sql.find_first_of(" ("));
  }
  return {};
}

}  // namespace

// Takes a statement from the cache (or prepares one), binds, and gives it back reset.
class SqliteConnection::Lease {
 public:
  static Result<Lease> Take(const SqliteConnection& owner, std::string_view sql, std::initializer_list<Param> params) {
    auto found = owner.by_sql_.find(sql);
    if (found == owner.by_sql_.end()) {
      BW_TRY(sqlite3_stmt * stmt, owner.Prepare(sql));
      owner.statements_.push_front({std::string(sql), stmt, true});
      found = owner.by_sql_.emplace(owner.statements_.front().sql, owner.statements_.begin()).first;
      owner.EvictOne();
    } else if (found->second->busy) {
      BW_TRY(sqlite3_stmt * stmt, owner.Prepare(sql));
      return Bound(owner, Lease(stmt, nullptr), sql, params);
    } else {
      owner.statements_.splice(owner.statements_.begin(), owner.statements_, found->second);
    }
    found->second->busy = true;
    return Bound(owner, Lease(found->second->stmt, &*found->second), sql, params);
  }
  Lease(Lease&& other) noexcept : stmt_(std::exchange(other.stmt_, nullptr)), cached_(other.cached_) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (!stmt_) return;
    if (!cached_) {
      sqlite3_finalize(stmt_);
      return;
    }
    sqlite3_reset(stmt_);
    sqlite3_clear_bindings(stmt_);
    cached_->busy = false;
  }
  sqlite3_stmt* get() const { return stmt_; }

 private:
  Lease(sqlite3_stmt* stmt, Statement* cached) : stmt_(stmt), cached_(cached) {}
  static Result<Lease> Bound(const SqliteConnection& owner, Lease lease, std::string_view sql,
                             std::initializer_list<Param> params) {
    int index = 0;
    for (const Param& param : params)
      if (Bind(lease.stmt_, ++index, param) != SQLITE_OK) return owner.LastError(sql);
    return lease;
  }

  sqlite3_stmt* stmt_;
  Statement* cached_;  // null: prepared for this call only
};

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path, const char* vfs,
                                                                 Access access) {
  sqlite3* db = nullptr;
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE;
  if (access == Access::kReadWrite) flags |= SQLITE_OPEN_CREATE;
  const int rc = sqlite3_open_v2(path.c_str(), &db, flags, vfs);
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(db));
  if (rc != SQLITE_OK) return connection->LastError("open " + path);
  sqlite3_busy_timeout(db, kBusyMilliseconds);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (Statement& s : statements_) sqlite3_finalize(s.stmt);
  sqlite3_close(db_);
}

Status SqliteConnection::Each(std::string_view sql, std::initializer_list<Param> params,
                              const std::function<bool(const Row&)>& each) const {
  BW_TRY(Lease lease, Lease::Take(*this, sql, params));
  const bool writes = !sqlite3_stmt_readonly(lease.get());
  const std::int64_t before = sqlite3_total_changes64(db_);
  int rc = SQLITE_ROW;
  for (bool more = true; more && rc == SQLITE_ROW;) {
    rc = sqlite3_step(lease.get());
    if (rc == SQLITE_ROW) more = each(StatementRow(lease.get()));
  }
  // Also of RETURNING, whose changes are counted only at its end: whoever writes is heard.
  const bool changed = writes && (rc == SQLITE_ROW || sqlite3_total_changes64(db_) != before);
  if (changed && std::find(quiet_.begin(), quiet_.end(), ChangedTable(sql)) == quiet_.end())
    loud_ = true;
  return rc == SQLITE_DONE || rc == SQLITE_ROW ? Status() : Status(LastError(sql));
}

Result<std::int64_t> SqliteConnection::Exec(std::string_view sql, std::initializer_list<Param> params) {
  const std::int64_t before = sqlite3_total_changes64(db_);
  BW_CHECK(Each(sql, params, [](const Row&) { return true; }));
  return sqlite3_total_changes64(db_) - before;
}

std::int64_t SqliteConnection::last_insert_id() const { return sqlite3_last_insert_rowid(db_); }

Status SqliteConnection::Script(std::string_view sql) {
  loud_ = true;
  const std::string text(sql);
  const char* rest = text.c_str();
  while (*rest) {
    sqlite3_stmt* stmt = nullptr;
    const char* begin = rest;
    if (sqlite3_prepare_v2(db_, rest, -1, &stmt, &rest) != SQLITE_OK) return LastError(begin);
    if (!stmt) continue;  // white space or a comment
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW) rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE) return LastError(begin);
  }
  return {};
}

bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

Result<sqlite3_stmt*> SqliteConnection::Prepare(std::string_view sql) const {
  sqlite3_stmt* stmt = nullptr;
  const char* rest = nullptr;
  const int rc =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &stmt, &rest);
  if (rc != SQLITE_OK) return LastError(sql);
  const bool only_one =
      std::all_of(rest, sql.data() + sql.size(), [](char c) { return c == ' ' || c == '\n' || c == ';'; });
  if (stmt && only_one) return stmt;
  sqlite3_finalize(stmt);
  return Error{Errc::kInternal, "not exactly one statement: " + std::string(sql)};
}

void SqliteConnection::EvictOne() const {
  if (statements_.size() <= kCachedStatements) return;
  auto last = std::prev(statements_.end());
  if (last->busy) return;
  by_sql_.erase(last->sql);
  sqlite3_finalize(last->stmt);
  statements_.erase(last);
}

// Names the statement, never its parameters: they may be secrets.
Error SqliteConnection::LastError(std::string_view sql) const {
  if (!db_) return Error{Errc::kInternal, "database: out of memory"};
  const int extended = sqlite3_extended_errcode(db_);
  std::string message = "database: ";
  message += sqlite3_errmsg(db_);
  message += " in: ";
  message += sql.substr(0, 120);
  Errc code = CodeOf(extended);
  // A full disk is no broken one, also where SQLite says no more than that a sync or an open failed.
  const int system = code == Errc::kIo ? sqlite3_system_errno(db_) : 0;
  if (system == ENOSPC || system == EDQUOT) code = Errc::kUnavailable;
  return Error{code, std::move(message)};
}

}  // namespace bulwark::storage
