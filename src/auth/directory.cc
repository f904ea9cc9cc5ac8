// Tables users, grants and tokens. Ids are never used twice, so nothing that outlives an account (a token, an audit row,
// a blob's uploader) can come to mean another one.

#include <array>

#include "auth/auth.h"
#include "auth/scope.h"

namespace bulwark::auth {
namespace {

constexpr std::string_view kUserColumns = "id, name, kind, disabled, must_change_password, created";

constexpr std::string_view kTables = R"sql(
CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  kind INTEGER NOT NULL,
  password_hash TEXT NOT NULL,
  disabled INTEGER NOT NULL,
  must_change_password INTEGER NOT NULL,
  created INTEGER NOT NULL
) STRICT;
CREATE TABLE grants (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES users(id),
  role TEXT NOT NULL,
  repositories TEXT NOT NULL,
  UNIQUE (user_id, role, repositories)
) STRICT;
CREATE TABLE tokens (
  hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id),
  scopes TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_user ON tokens(user_id);
CREATE INDEX tokens_by_expiry ON tokens(expires);
)sql";

// The columns of kUserColumns.
User ReadUser(const storage::Row& row) {
  User user;
  user.id = row.Int(0);
  user.name = row.Text(1);
  user.kind = static_cast<PrincipalKind>(row.Int(2));
  user.disabled = row.Int(3) != 0;
  user.must_change_password = row.Int(4) != 0;
  user.created = row.TimeAt(5);
  return user;
}

Status ChangeUser(storage::Tx& tx, std::string_view sql, std::initializer_list<storage::Param> params) {
  BW_TRY(std::int64_t changed, tx.Exec(sql, params));
  if (changed == 0) return {Errc::kNotFound, "no such user"};
  return {};
}

Status DropTokens(storage::Tx& tx, std::int64_t user_id) {
  BW_CHECK(tx.Exec("DELETE FROM tokens WHERE user_id = ?1", {user_id}));
  return {};
}

}  // namespace

std::span<const storage::Migration> Migrations() {
  static constexpr std::array<storage::Migration, 1> kMigrations = {{{"auth", 1, kTables}}};
  return kMigrations;
}

Result<User> CreateUser(storage::Tx& tx, std::string_view name, std::string_view password_hash, PrincipalKind kind, Time now) {
  auto normal = NormaliseUserName(name);
  if (!normal || *normal != name) {
    return {Errc::kInvalid, "a user name is 1 to 64 of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit"};
  }
  if (*normal == "anonymous" || *normal == "system") return {Errc::kInvalid, "this user name is reserved"};
  if (kind != PrincipalKind::kUser && kind != PrincipalKind::kService && kind != PrincipalKind::kCluster) {
    return {Errc::kInvalid, "an account is a user, a service or a cluster"};
  }
  auto inserted = tx.Exec(
      "INSERT INTO users (name, kind, password_hash, disabled, must_change_password, created) VALUES (?1, ?2, ?3, 0, 0, ?4)",
      {name, kind, password_hash, now});
  if (!inserted.ok() && inserted.error().code == Errc::kExists) return {Errc::kExists, "a user of that name exists"};
  if (!inserted.ok()) return inserted.error();
  return User{tx.last_insert_id(), *normal, kind, false, false, now};
}

Result<std::optional<User>> FindUser(const storage::ReadTx& tx, std::string_view name) {
  std::optional<User> out;
  BW_CHECK(tx.Each("SELECT " + std::string(kUserColumns) + " FROM users WHERE name = ?1", {name}, [&](const storage::Row& row) {
    out = ReadUser(row);
    return false;
  }));
  return out;
}

Result<std::vector<User>> ListUsers(const storage::ReadTx& tx, std::int64_t after, std::size_t limit) {
  std::vector<User> out;
  BW_CHECK(tx.Each("SELECT " + std::string(kUserColumns) + " FROM users WHERE id > ?1 ORDER BY id LIMIT ?2", {after, limit},
                   [&](const storage::Row& row) {
                     out.push_back(ReadUser(row));
                     return true;
                   }));
  return out;
}

Status SetPassword(storage::Tx& tx, std::int64_t user_id, std::string_view password_hash, bool must_change) {
  BW_CHECK(ChangeUser(tx, "UPDATE users SET password_hash = ?2, must_change_password = ?3 WHERE id = ?1",
                      {user_id, password_hash, must_change}));
  return DropTokens(tx, user_id);
}

Status SetDisabled(storage::Tx& tx, std::int64_t user_id, bool disabled) {
  BW_CHECK(ChangeUser(tx, "UPDATE users SET disabled = ?2 WHERE id = ?1", {user_id, disabled}));
  return DropTokens(tx, user_id);
}

Status DeleteUser(storage::Tx& tx, std::int64_t user_id) {
  BW_CHECK(DropTokens(tx, user_id));
  BW_CHECK(tx.Exec("DELETE FROM grants WHERE user_id = ?1", {user_id}));
  return ChangeUser(tx, "DELETE FROM users WHERE id = ?1", {user_id});
}

Result<Grant> AddGrant(storage::Tx& tx, std::int64_t user_id, std::string_view role, std::string_view repositories) {
  if (!VerbsOf(role)) return {Errc::kInvalid, "no such role; there are admin, security, auditor, maintainer, developer, puller"};
  BW_CHECK(CheckRepositoryGlob(repositories));
  BW_TRY(auto user, tx.Int("SELECT id FROM users WHERE id = ?1", {user_id}));
  if (!user) return {Errc::kNotFound, "no such user"};
  auto inserted = tx.Exec("INSERT INTO grants (user_id, role, repositories) VALUES (?1, ?2, ?3)", {user_id, role, repositories});
  if (!inserted.ok() && inserted.error().code == Errc::kExists) return {Errc::kExists, "the user has this grant"};
  if (!inserted.ok()) return inserted.error();
  return Grant{tx.last_insert_id(), user_id, std::string(role), std::string(repositories)};
}

Status RemoveGrant(storage::Tx& tx, std::int64_t grant_id) {
  BW_TRY(std::int64_t removed, tx.Exec("DELETE FROM grants WHERE id = ?1", {grant_id}));
  if (removed == 0) return {Errc::kNotFound, "no such grant"};
  return {};
}

Status RemoveGrantsWithin(storage::Tx& tx, const std::string& project) {
  BW_CHECK(tx.Exec("DELETE FROM grants WHERE substr(repositories, 1, length(?1)) = ?1", {project + "/"}));
  return {};
}

Result<std::vector<Grant>> ListGrants(const storage::ReadTx& tx, std::int64_t user_id) {
  std::vector<Grant> out;
  BW_CHECK(tx.Each("SELECT id, user_id, role, repositories FROM grants WHERE user_id = ?1 ORDER BY id", {user_id},
                   [&](const storage::Row& row) {
                     out.push_back({row.Int(0), row.Int(1), std::string(row.Text(2)), std::string(row.Text(3))});
                     return true;
                   }));
  return out;
}

Result<bool> AnyAdministrator(const storage::ReadTx& tx) {
  BW_TRY(auto found, tx.Int("SELECT 1 FROM users u JOIN grants g ON g.user_id = u.id "
                            "WHERE g.role = 'admin' AND g.repositories = '**' AND u.disabled = 0 LIMIT 1", {}));
  return found.has_value();
}

}  // namespace bulwark::auth
