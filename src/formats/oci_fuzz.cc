// Any bytes as manifest, config and statement: no crash, and what is accepted keeps the promises of oci.h.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/limits.h"
#include "formats/oci.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto document = formats::ParseOciDocument("", text)) {
    bool index = document->kind == formats::DocumentKind::kIndex;
    if (index == document->config.has_value()) std::abort();
    if (!document->layers.empty() && !document->manifests.empty()) std::abort();
    if (document->layers.size() + document->manifests.size() > limits::kManifestDescriptors) std::abort();
  }
  (void)formats::ParseOciDocument(formats::kOciManifest, text);
  (void)formats::ParseOciDocument(formats::kOciIndex, text);
  (void)formats::ParseImageConfig(text);
  (void)formats::ParseStatement(text);
  return 0;
}
