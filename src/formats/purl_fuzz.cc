// What parses must build, and the canonical text must parse to the same parts and build to itself.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "formats/purl.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark::formats;
  const auto parsed = ParsePurl({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  const auto built = BuildPurl(*parsed);
  if (!built) {
    if (built.error().code != bulwark::Errc::kLimit) std::abort();  // escapes may make it longer than the limit
    return 0;
  }
  const auto again = ParsePurl(*built);
  if (!again || *again != *parsed || *BuildPurl(*again) != *built) std::abort();
  return 0;
}
