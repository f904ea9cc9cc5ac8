// First byte modulo 3: JSON, YAML, CSV. Whatever is read must give a file that opens.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "advisory/feeds.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark::advisory;
  if (size == 0) return 0;
  Builder builder;
  FeedOutput out(builder, "fuzz");
  const Document document{"fuzz", static_cast<Syntax>(data[0] % 3),
                          {reinterpret_cast<const char*>(data + 1), size - 1}};
  for (const Feed& feed : Feeds()) {
    feed.recognizes(document);
    (void)feed.read(document, out).ok();
  }
  auto bytes = builder.Finish();
  if (!bytes || !IndexOfBytes(*std::move(bytes)).ok()) std::abort();
  return 0;
}
