#pragma once

#include <string>

#include "base/result.h"

namespace bulwark::app {

// Recovery (DESIGN 2.18): gives the user `admin` a new password and the role on "**", enables it, and records that, with the data
// directory locked. kConflict while a registry runs on it; kNotFound if there is no database or no such user.
Status ResetAdmin(const std::string& data_directory, const std::string& password);

}  // namespace bulwark::app
