#pragma once
// Walks a layer blob once, front to back: sniff compression, inflate, tar, index, digests, seek points (DESIGN 2.8).

#include <functional>
#include <memory>
#include <string_view>

#include "base/byte_source.h"
#include "base/result.h"
#include "image/layer_record.h"

namespace bulwark::image {

// What the walker asks and tells while it reads. Implemented by catalog/ (and by tests).
class LayerVisitor {
 public:
  virtual ~LayerVisitor() = default;
  // How many bytes of this regular file are wanted: 0 for none, else its data comes to OnFile whole if it is at most
  // limits::kCatalogedFileBytes and fits beside the index (kLayerWorkingBytes); larger: OnTooLarge.
  virtual bool Wants(const Entry& entry) = 0;
  // Of a regular file that Wants has refused: is it wanted for its first bytes? They are kStartBytes, or all it has. If so
  // it comes like a wanted one.
  static constexpr std::size_t kStartBytes = 4096;
  virtual bool WantsStart(const Entry&, ByteSpan) { return false; }
  virtual void OnFile(std::uint32_t index, const Entry& entry, ByteSpan data) = 0;
  // Data of a wanted file that is too large, part by part in order, before OnTooLarge; false: no more of it is wanted.
  // Not called for sparse files.
  virtual bool OnPart(std::uint32_t, const Entry&, ByteSpan) { return false; }
  virtual void OnTooLarge(std::uint32_t index, const Entry& entry) = 0;
};

// Reads the whole of `blob`. Foreign bytes never make it fail: damage, limits and odd ends become gaps of the record
// (complete = false where something was not read). An error is one of `blob` itself.
Result<LayerRecord> WalkLayer(ByteSource& blob, LayerVisitor& visitor);

// Reads single files of an already walked layer through its seek points. `entries` are indexes into record.entries,
// ascending; each file's bytes go to visitor.OnFile. kCorrupt if the blob does not fit the record.
Status ReadEntries(const RandomSource& blob, const LayerRecord& record, const std::vector<std::uint32_t>& entries,
                   LayerVisitor& visitor);

}  // namespace bulwark::image
