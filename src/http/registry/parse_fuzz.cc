// Ranges, Content-Ranges and page queries: what is accepted lies within its bounds.
#include <cstdlib>

#include "base/limits.h"
#include "http/registry/parse.h"

using namespace bulwark;
using namespace bulwark::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, std::uint64_t{INT64_MAX}}) {
    auto range = ParseRange(text, length);
    if (range.ok() && *range && ((*range)->first > (*range)->last || (*range)->last >= length)) std::abort();
  }
  auto content = ParseContentRange(text);
  if (content.ok() && *content && ((*content)->first > (*content)->last || (*content)->length() == 0)) std::abort();
  auto query = net::QueryParameters::Parse(text);
  if (!query.ok()) return 0;
  auto page = ParsePage(*query);
  if (page.ok() && (page->n > limits::kPageMaximum || page->last.size() > limits::kNameBytes)) std::abort();
  return 0;
}
