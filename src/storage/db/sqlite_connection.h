#pragma once
// One SQLite connection: prepared statements, parameters, rows, errors. Used by one thread at a time.

#include <cstdint>
#include <initializer_list>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "storage/db/database.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bulwark::storage {

inline constexpr int kBusyMilliseconds = 10'000;  // that a statement waits for a lock of another

enum class Access { kReadOnly, kReadWrite };

class SqliteConnection final : public Tx {
 public:
  // `vfs`: the name of a registered VFS, or null for SQLite's own.
  static Result<std::unique_ptr<SqliteConnection>> Open(const std::string& path, const char* vfs, Access access);
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  Status Each(std::string_view sql, std::initializer_list<Param> params,
              const std::function<bool(const Row&)>& each) const override;
  Result<std::int64_t> Exec(std::string_view sql, std::initializer_list<Param> params = {}) override;
  std::int64_t last_insert_id() const override;

  // Whether anything but tables of `quiet` was changed since it was asked last.
  bool TakeLoud() { return std::exchange(loud_, false); }
  void SetQuiet(std::vector<std::string_view> quiet) { quiet_ = std::move(quiet); }

  // Several statements without parameters.
  Status Script(std::string_view sql);
  // False once SQLite rolled the transaction back by itself (full disk, I/O error).
  bool in_transaction() const;
  sqlite3* handle() const { return db_; }

 private:
  struct Statement {
    std::string sql;
    sqlite3_stmt* stmt = nullptr;
    bool busy = false;  // being stepped: the same SQL may be run again by the callback
  };
  class Lease;  // of a statement; resets it at the end

  explicit SqliteConnection(sqlite3* db) : db_(db) {}
  Result<sqlite3_stmt*> Prepare(std::string_view sql) const;
  void EvictOne() const;
  Error LastError(std::string_view sql) const;

  sqlite3* db_;
  mutable bool loud_ = false;
  std::vector<std::string_view> quiet_;
  mutable std::list<Statement> statements_;  // most recently used first
  mutable std::unordered_map<std::string_view, std::list<Statement>::iterator> by_sql_;
};

}  // namespace bulwark::storage
