#pragma once
// The first administrator (DESIGN 2.18).

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "storage/db/database.h"

namespace bulwark::auth {

// The password in BULWARK_ADMIN_PASSWORD, or in the file that BULWARK_ADMIN_PASSWORD_FILE names (one line end is cut
// off). Both variables are overwritten and removed, so that neither /proc/self/environ nor a child shows them. Call it
// first in `serve`, before there are threads. kInvalid: both are set; the file cannot be read.
Result<std::optional<std::string>> TakeAdminPassword();

// Creates user `admin` with the role on "**", audited, unless an administrator exists (also a disabled one): then `given` is
// ignored and nothing is returned. Without `given` the password is random, returned once to be shown to a person, and can
// only be used to set a new one. kInvalid: `given` is no good password; kConflict: users exist but no administrator.
Result<std::optional<std::string>> Bootstrap(storage::Database& database, const Clock& clock,
                                             const std::optional<std::string>& given);

}  // namespace bulwark::auth
