#pragma once
// The tables of folder "service": layer records, inventories, verdicts, policies, exceptions, jobs
// (docs/formats/service-tables.md).

#include <span>

#include "storage/db/database.h"

namespace bulwark::service {

std::span<const storage::Migration> Migrations();

}  // namespace bulwark::service
