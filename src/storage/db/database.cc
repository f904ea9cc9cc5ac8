#include "storage/db/database.h"

namespace bulwark::storage {

Result<std::optional<std::int64_t>> ReadTx::Int(std::string_view sql, std::initializer_list<Param> params) const {
  std::optional<std::int64_t> out;
  BW_CHECK(Each(sql, params, [&](const Row& row) {
    if (!row.IsNull(0)) out = row.Int(0);
    return false;
  }));
  return out;
}

Result<std::optional<std::string>> ReadTx::Text(std::string_view sql, std::initializer_list<Param> params) const {
  std::optional<std::string> out;
  BW_CHECK(Each(sql, params, [&](const Row& row) {
    if (!row.IsNull(0)) out = std::string(row.Text(0));
    return false;
  }));
  return out;
}

}  // namespace bulwark::storage
