#pragma once
// The database: transactions over SQL that SQLite and PostgreSQL share (DESIGN 2.14). Closures have no side effects
// besides assigning to what they captured; they may be retried.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/byte_source.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"

namespace bulwark::storage {

// A bound parameter; text and bytes are only viewed and live until the call ends. "?1", "?2", … in SQL.
class Param {
 public:
  Param(std::nullptr_t) {}  // NOLINT: implicit by design, all of them
  template <typename T, std::enable_if_t<std::is_integral_v<T> || std::is_enum_v<T>, int> = 0>
  Param(T value) : value_(static_cast<std::int64_t>(value)) {}                                // NOLINT
  Param(Time value) : value_(static_cast<std::int64_t>(value.time_since_epoch().count())) {}  // NOLINT
  Param(std::string_view text) : value_(text) {}                                              // NOLINT
  Param(const std::string& text) : value_(std::string_view(text)) {}                          // NOLINT
  Param(const char* text) : value_(std::string_view(text)) {}                                 // NOLINT
  Param(ByteSpan bytes) : value_(bytes) {}                                                    // NOLINT
  Param(const Bytes& bytes) : value_(ByteSpan(bytes)) {}                                      // NOLINT
  using Value = std::variant<std::monostate, std::int64_t, std::string_view, ByteSpan>;
  const Value& value() const { return value_; }

 private:
  Value value_;
};

// One row of a result; views are valid until the callback returns. Columns count from 0.
class Row {
 public:
  virtual ~Row() = default;
  virtual bool IsNull(int column) const = 0;
  virtual std::int64_t Int(int column) const = 0;
  virtual std::string_view Text(int column) const = 0;
  virtual ByteSpan Blob(int column) const = 0;
  Time TimeAt(int column) const { return Time(Millis(Int(column))); }
};

class ReadTx {
 public:
  virtual ~ReadTx() = default;
  // Calls `each` for every row until it returns false. kIo, kCorrupt, kInternal (bad SQL).
  virtual Status Each(std::string_view sql, std::initializer_list<Param> params,
                      const std::function<bool(const Row&)>& each) const = 0;
  // One column of one row.
  Result<std::optional<std::int64_t>> Int(std::string_view sql, std::initializer_list<Param> params) const;
  Result<std::optional<std::string>> Text(std::string_view sql, std::initializer_list<Param> params) const;
};

class Tx : public ReadTx {
 public:
  // Runs one statement; the number of rows it changed. kExists on a violated uniqueness.
  virtual Result<std::int64_t> Exec(std::string_view sql, std::initializer_list<Param> params = {}) = 0;
  virtual std::int64_t last_insert_id() const = 0;
};

// Each folder owns its tables: migrations are numbered per folder, run once each in order, and never edited.
struct Migration {
  std::string_view folder;
  int number;
  std::string_view sql;  // several statements
};

class Database {
 public:
  virtual ~Database() = default;
  // Durable when it returns ok (group commit). An error from the closure rolls back and is returned.
  virtual Status WriteAny(const std::function<Status(Tx&)>& body) = 0;
  virtual Status ReadAny(const std::function<Status(const ReadTx&)>& body) const = 0;
  virtual Status Migrate(std::span<const Migration> migrations) = 0;
  // Raised by every commit that changed a table, but for those that the database was told are quiet, before its writers
  // are answered. What is read after this number was is true for as long as the number stays (DESIGN 2.16). Any thread.
  virtual std::uint64_t generation() const = 0;

  // With a value: database.Write([&](Tx& tx) -> Result<int> {…}).
  template <typename F>
  auto Write(F&& body) -> std::invoke_result_t<F, Tx&> {
    using R = std::invoke_result_t<F, Tx&>;
    if constexpr (std::is_same_v<R, Status>) {
      return WriteAny(body);
    } else {
      std::optional<R> out;
      Status status = WriteAny([&](Tx& tx) -> Status {
        out.emplace(body(tx));
        if (!out->ok()) return out->error();
        return {};
      });
      if (!status) return status.error();
      return *std::move(out);
    }
  }
  template <typename F>
  auto Read(F&& body) const -> std::invoke_result_t<F, const ReadTx&> {
    using R = std::invoke_result_t<F, const ReadTx&>;
    if constexpr (std::is_same_v<R, Status>) {
      return ReadAny(body);
    } else {
      std::optional<R> out;
      Status status = ReadAny([&](const ReadTx& tx) -> Status {
        out.emplace(body(tx));
        if (!out->ok()) return out->error();
        return {};
      });
      if (!status) return status.error();
      return *std::move(out);
    }
  }
};

}  // namespace bulwark::storage
