#include "cli/item_table.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/log.h"
#include "formats/json.h"

namespace bulwark::cli {
namespace {

std::string Scalar(const formats::json::value* value) {
  if (!value) return {};
  if (value->is_string()) return Printable(std::string_view(value->get_string()), 200);
  if (value->is_int64()) return std::to_string(value->get_int64());
  if (value->is_uint64()) return std::to_string(value->get_uint64());
  if (value->is_bool()) return value->get_bool() ? "yes" : "no";
  return {};
}

}  // namespace

Result<std::string> ItemTable(std::string_view text, const std::vector<std::string_view>& columns) {
  formats::JsonLimits limits;
  limits.bytes = 256 << 20;
  BW_TRY(auto value, formats::ParseJson(text, limits));
  const auto* object = value.if_object();
  if (!object) return Error{Errc::kInvalid, "the registry's answer is not a list"};
  BW_TRY(const auto* items, formats::JsonArray(*object, "items"));
  std::vector<std::vector<std::string>> rows(1);
  for (auto column : columns) rows[0].emplace_back(column);
  for (const auto& item : *items) {
    if (!item.if_object()) continue;
    std::vector<std::string> row;
    for (auto column : columns) row.push_back(Scalar(item.if_object()->if_contains(column)));
    rows.push_back(std::move(row));
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace bulwark::cli
