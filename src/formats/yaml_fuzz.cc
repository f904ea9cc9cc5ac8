// Whatever bytes come, the reader answers; its canonical text is itself a document.
#include <cstdlib>

#include "formats/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto documents = bulwark::formats::ParseYamlDocuments(text, {.bytes = 1 << 18, .nodes = 10'000});
  if (!documents.ok()) return 0;
  for (const auto& d : *documents) {
    if (bulwark::formats::YamlCanonical(d).empty()) std::abort();
  }
  return 0;
}
