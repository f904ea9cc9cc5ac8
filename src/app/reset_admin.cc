#include "app/reset_admin.h"

#include <unistd.h>

#include "app/paths.h"
#include "audit/audit.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "storage/db/sqlite_database.h"
#include "storage/directory_lock.h"
#include "storage/file_system.h"

namespace bulwark::app {
namespace {

constexpr std::string_view kAdmin = "admin";

Status Reset(storage::Tx& tx, const std::string& hash) {
  BW_TRY(auto user, auth::FindUser(tx, kAdmin));
  if (!user) return Error{Errc::kNotFound, "there is no user `admin` here; start the registry once"};
  BW_CHECK(auth::SetPassword(tx, user->id, hash, /*must_change=*/false));
  BW_CHECK(auth::SetDisabled(tx, user->id, /*disabled=*/false));
  BW_TRY(auto grants, auth::ListGrants(tx, user->id));
  bool granted = false;
  for (const auto& grant : grants) granted = granted || (grant.role == "admin" && grant.repositories == "**");
  if (!granted) BW_CHECK(auth::AddGrant(tx, user->id, "admin", "**"));
  audit::Event event;
  event.at = SystemClock().Now();
  event.actor = "system";
  event.action = "user.reset-admin";
  event.object = "user:admin";
  event.reason = "from the command line, with the data directory locked";
  return audit::Record(tx, std::move(event));
}

}  // namespace

Status ResetAdmin(const std::string& data_directory, const std::string& password) {
  BW_CHECK(auth::CheckNewPassword(kAdmin, password));
  const std::string path = DatabasePath(data_directory);
  if (::access(path.c_str(), R_OK | W_OK) != 0) return Error{Errc::kNotFound, "no database in " + data_directory};
  auto lock = storage::DirectoryLock::Take(data_directory);
  if (!lock) return lock.error().Wrap("stop the registry first");
  BW_TRY(auto database, storage::OpenSqlite(path, storage::PosixFileSystem()));
  BW_TRY(std::string hash, auth::HashPassword(password));
  return database->Write([&](storage::Tx& tx) { return Reset(tx, hash); });
}

}  // namespace bulwark::app
