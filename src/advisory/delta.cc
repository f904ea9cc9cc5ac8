#include "advisory/delta.h"

#include <utility>

namespace bulwark::advisory {
namespace {

using Keys = std::vector<std::pair<versions::PackageKey, std::uint64_t>>;

Result<Keys> KeysOf(const Index& index) {
  Keys out;
  if (!index.EachKey([&](const versions::PackageKey& key, std::uint64_t content) { out.emplace_back(key, content); })) {
    return Error{Errc::kUnsupported, "an advisory index that cannot list its packages"};
  }
  return out;
}

}  // namespace

Result<std::vector<versions::PackageKey>> ChangedKeys(const Index& before, const Index& after) {
  BW_TRY(const Keys a, KeysOf(before));
  BW_TRY(const Keys b, KeysOf(after));
  std::vector<versions::PackageKey> out;
  auto x = a.begin();
  auto y = b.begin();
  while (x != a.end() || y != b.end()) {
    if (y == b.end() || (x != a.end() && x->first < y->first)) {
      out.push_back((x++)->first);
    } else if (x == a.end() || y->first < x->first) {
      out.push_back((y++)->first);
    } else {
      if (x->second != y->second) out.push_back(x->first);
      ++x, ++y;
    }
  }
  return out;
}

}  // namespace bulwark::advisory
