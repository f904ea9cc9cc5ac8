// Whatever bytes come, the reader answers; what it accepts survives writing and reading again.
#include <cstdlib>

#include <boost/json/serialize.hpp>

#include "formats/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto value = bulwark::formats::ParseJson(text, {.bytes = 1 << 20});
  if (!value.ok()) return 0;
  std::string again = boost::json::serialize(*value);
  if (!bulwark::formats::ParseJson(again).ok()) std::abort();
  return 0;
}
