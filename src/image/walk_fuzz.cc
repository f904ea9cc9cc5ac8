// Walks the input as a layer and merges it with itself; every entry that was read must read the same again.

#include <cstdlib>
#include <map>

#include "image/merge.h"
#include "image/walk.h"

namespace {

using bulwark::ByteSpan;
using bulwark::image::Entry;

class Keeper final : public bulwark::image::LayerVisitor {
 public:
  bool Wants(const Entry& entry) override { return entry.size < 100000 && files.size() < 20; }
  void OnFile(std::uint32_t index, const Entry&, ByteSpan data) override {
    files[index].assign(data.begin(), data.end());
  }
  void OnTooLarge(std::uint32_t, const Entry&) override {}
  std::map<std::uint32_t, bulwark::Bytes> files;
};

bool Wants(std::string_view path) { return path.size() % 2 == 0; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bulwark::MemorySource source({data, size});
  Keeper first, second;
  auto record = bulwark::image::WalkLayer(source, first);
  if (!record || record->blob_size != size) std::abort();
  if (record->is_layer) {
    std::vector<std::uint32_t> indexes;
    for (auto& [index, bytes] : first.files) indexes.push_back(index);
    bulwark::MemorySource again({data, size});
    auto read = bulwark::image::ReadEntries(again, *record, indexes, second);
    if (!read || first.files != second.files) std::abort();
  }
  (void)bulwark::image::Merge({&*record, &*record}, Wants, Wants);
  return 0;
}
