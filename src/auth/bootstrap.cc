#include "auth/bootstrap.h"

#include <cstdlib>
#include <cstring>

#include "audit/audit.h"
#include "auth/auth.h"
#include "auth/password.h"
#include "base/byte_source.h"

namespace bulwark::auth {
namespace {

constexpr std::string_view kAdmin = "admin";
constexpr std::uint64_t kFileBytes = 4096;

std::optional<std::string> TakeVariable(const char* name) {
  char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before threads
  if (!value) return std::nullopt;
  std::string out(value);
  explicit_bzero(value, out.size());  // the bytes that /proc/self/environ shows
  unsetenv(name);                     // NOLINT(concurrency-mt-unsafe)
  return out;
}

enum class Administrators { kExist, kNone, kNoneAmongUsers };

Result<Administrators> CountAdministrators(const storage::ReadTx& tx) {
  // Also a disabled one: switching the last administrator off must not open the door for whoever sets the environment.
  BW_TRY(auto administrator, tx.Int("SELECT user_id FROM grants WHERE role = 'admin' AND repositories = '**' LIMIT 1", {}));
  if (administrator) return Administrators::kExist;
  BW_TRY(auto user, tx.Int("SELECT id FROM users LIMIT 1", {}));
  return user ? Administrators::kNoneAmongUsers : Administrators::kNone;
}

Status RecordBySystem(storage::Tx& tx, Time now, std::string_view action, std::string_view reason) {
  audit::Event event;
  event.at = now;
  event.actor = "system";
  event.action = action;
  event.object = "user:" + std::string(kAdmin);
  event.reason = reason;
  return audit::Record(tx, std::move(event));
}

}  // namespace

Result<std::optional<std::string>> TakeAdminPassword() {
  auto direct = TakeVariable("BULWARK_ADMIN_PASSWORD");
  auto path = TakeVariable("BULWARK_ADMIN_PASSWORD_FILE");
  if (direct && path) return {Errc::kInvalid, "set BULWARK_ADMIN_PASSWORD or BULWARK_ADMIN_PASSWORD_FILE, not both"};
  if (!path) return direct;
  auto read = ReadFile(*path, kFileBytes);
  if (!read.ok()) return Error{Errc::kInvalid, read.error().Wrap("BULWARK_ADMIN_PASSWORD_FILE").message};
  std::string password = *std::move(read);
  if (password.ends_with('\n')) password.pop_back();
  if (password.ends_with('\r')) password.pop_back();
  return std::optional(std::move(password));
}

Result<std::optional<std::string>> Bootstrap(storage::Database& database, const Clock& clock,
                                             const std::optional<std::string>& given) {
  std::optional<std::string> none;
  BW_TRY(Administrators state, database.Read(CountAdministrators));
  if (state == Administrators::kExist) return none;
  if (state == Administrators::kNoneAmongUsers) {
    return {Errc::kConflict, "there are users but no administrator: run `bulwark user reset-admin`"};
  }
  if (given) {
    Status good = CheckNewPassword(kAdmin, *given);
    if (!good.ok()) return good.error().Wrap("the first administrator's password");
  }
  std::string password = given ? *given : GeneratePassword();
  BW_TRY(std::string hash, HashPassword(password));
  Time now = clock.Now();
  BW_CHECK(database.Write([&](storage::Tx& tx) -> Status {
    BW_TRY(User user, CreateUser(tx, kAdmin, hash, PrincipalKind::kUser, now));
    if (!given) {
      BW_CHECK(SetPassword(tx, user.id, hash, true));
    }
    BW_CHECK(AddGrant(tx, user.id, "admin", "**"));
    BW_CHECK(RecordBySystem(tx, now, "user.create", given ? "first administrator, password given" : "first administrator, random password"));
    return RecordBySystem(tx, now, "grant.add", "admin on **");
  }));
  return given ? none : std::optional(std::move(password));
}

}  // namespace bulwark::auth
