// Paths and queries: a canonical path has one spelling (encoding its segments again gives a path that reads the same).
#include <cstdlib>

#include "net/http_message.h"

using namespace bulwark::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t question = text.find('?');
  const Path path = ParsePath(text.substr(0, question));
  if (path.canonical) {
    std::string again;
    for (const std::string& segment : path.segments) {
      if (segment == "." || segment == "..") std::abort();
      again += "/" + PercentEncode(segment);
    }
    const Path second = ParsePath(again);
    if (!second.canonical || second.segments != path.segments) std::abort();
  }
  if (question == text.npos) return 0;
  auto query = QueryParameters::Parse(text.substr(question + 1));
  if (!query.ok()) return 0;
  std::string again;
  for (const auto& [key, value] : query->pairs()) again += "&" + PercentEncode(key) + "=" + PercentEncode(value);
  auto second = QueryParameters::Parse(again);
  if (!second.ok() || second->pairs() != query->pairs()) std::abort();
  return 0;
}
