// Whatever is in the file, the reader answers, and what it accepts keeps its promises.
#include <cstdlib>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto config = bulwark::config::ParseConfig({reinterpret_cast<const char*>(data), size});
  if (config.ok() && (config->listeners.empty() || !CheckListeners(*config).ok())) std::abort();
  return 0;
}
