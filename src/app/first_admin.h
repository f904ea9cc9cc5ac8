#pragma once
// How the first administrator learns his password (DESIGN 2.18).

#include <string>

#include "base/result.h"
#include "storage/db/database.h"

namespace bulwark::app {

// To the terminal if standard error is one, else to a 0600 file in the data directory; never to a log. kIo.
Status ShowFirstPassword(const std::string& data, const std::string& password);

// Removes that file once the administrator has set a password of his own.
Status RemoveUsedPassword(const std::string& data, const storage::Database& database);

}  // namespace bulwark::app
