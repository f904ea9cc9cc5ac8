#include <algorithm>
#include <cstdlib>

#include "catalog/go_build_info.h"

// The whole program at once, and in parts: what the parts find, the whole must not miss unless its headers are broken.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark;
  ByteSpan program(data, size);
  (void)catalog::FindGoBuildInfo(program);
  (void)catalog::ParseGoModules(AsText(program));
  catalog::GoBuildInfoSearch whole, parts;
  whole.Feed(program);
  for (std::size_t at = 0; at < size; at += 37) parts.Feed(program.subspan(at, std::min<std::size_t>(37, size - at)));
  auto a = whole.Finish(), b = parts.Finish();
  if (a.ok() != b.ok() || (a.ok() && a->has_value() != b->has_value())) std::abort();
  return 0;
}
