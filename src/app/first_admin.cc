#include "app/first_admin.h"

#include <cstdio>

#include <unistd.h>

#include "app/paths.h"
#include "auth/auth.h"
#include "base/byte_source.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace bulwark::app {

Status ShowFirstPassword(const std::string& data, const std::string& password) {
  if (::isatty(STDERR_FILENO) == 1) {
    std::fprintf(stderr, "\n  First log-in: user admin, password %s\n  It can only be used to set a new one.\n\n",
                 password.c_str());
    return {};
  }
  const std::string path = FirstPasswordPath(data);
  BW_CHECK(WriteFileAtomically(path, password + "\n", 0600));
  LogInfo("the first administrator's password is in " + path + "; it can only be used to set a new one");
  return {};
}

Status RemoveUsedPassword(const std::string& data, const storage::Database& database) {
  const std::string path = FirstPasswordPath(data);
  if (::access(path.c_str(), F_OK) != 0) return {};
  BW_TRY(auto admin, database.Read([](const storage::ReadTx& tx) { return auth::FindUser(tx, "admin"); }));
  if (admin && admin->must_change_password) return {};
  if (::unlink(path.c_str()) != 0) return ErrnoError("removing " + path);
  return {};
}

}  // namespace bulwark::app
