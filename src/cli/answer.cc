#include "cli/answer.h"

#include <boost/json/object.hpp>

#include "base/log.h"

namespace bulwark::cli {

std::string Text(const formats::json::object& from, std::string_view key) {
  auto value = formats::JsonOptionalString(from, key);
  return value && *value ? Printable(**value) : std::string();
}

}  // namespace bulwark::cli
