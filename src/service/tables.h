#pragma once
// The tables of folder "service": layer records, inventories, verdicts, policies, exceptions, jobs
// (docs/formats/service-tables.md).

#include <span>
#include <string_view>
#include <vector>

#include "storage/db/database.h"

namespace bulwark::service {

std::span<const storage::Migration> Migrations();
// Tables, of any folder, on whose rows no answer to a pull rests: for storage::SqliteOptions::quiet.
std::vector<std::string_view> QuietTables();

}  // namespace bulwark::service
