#pragma once
// Layer bytes -> layer record, and layer records -> inventory. The only two doors of this folder; what runs inside the
// sandboxed worker is AnalyzeLayer and ReadAgain.

#include <string>
#include <vector>

#include "base/byte_source.h"
#include "catalog/cataloger.h"
#include "catalog/inventory.h"
#include "image/layer_record.h"
#include "image/merge.h"

namespace bulwark::catalog {

// Walks the blob and runs every cataloguer that wants a file.
Result<image::LayerRecord> AnalyzeLayer(ByteSource& blob);

// Reads the entries that merge found unread, as if they had the final paths; adds their facts to the record.
Status ReadAgain(const RandomSource& blob, image::LayerRecord& record, const std::vector<image::Unread>& unread);

// A program given by itself (scan of a single binary or file): one pretended entry at `path`.
image::LayerRecord AnalyzeFile(const std::string& path, ByteSpan bytes, std::uint32_t mode);

// image::Merge with this folder's paths, then the assembly steps: distribution, ownership, lock file against
// node_modules, removed evidence. If `unread` comes back non-empty the caller reads those files again and repeats;
// a caller that cannot reports them as blind gaps (AsGaps).
struct Assembled {
  Inventory inventory;
  std::vector<image::Unread> unread;
};
Assembled Assemble(const std::vector<const image::LayerRecord*>& layers, const std::vector<Digest>& layer_digests);
std::vector<image::Gap> AsGaps(const std::vector<image::Unread>& unread);

}  // namespace bulwark::catalog
