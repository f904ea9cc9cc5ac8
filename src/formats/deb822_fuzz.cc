#include "formats/deb822.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (auto syntax : {formats::Deb822::Syntax::kControl, formats::Deb822::Syntax::kHeaders}) {
    formats::Deb822 reader(text, syntax);
    std::size_t stanzas = 0;
    while (auto next = reader.Next()) {
      if (++stanzas > size) std::abort();  // every call must move on
      if (!next->ok()) continue;
      for (const auto& field : (*next)->fields()) {
        if (formats::Unfold(field.value).size() > field.value.size()) std::abort();
      }
    }
  }
  return 0;
}
