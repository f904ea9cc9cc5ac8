#pragma once
// The inflated bytes of a layer blob in chunks, hashed on a second thread while the first goes on inflating and
// walking.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "formats/tar.h"
#include "image/layer_record.h"

namespace bulwark::image {

// Tells gzip, zstd and plain bytes apart as containerd does, by content. `head`: the first bytes, 8 are enough.
Compression SniffCompression(ByteSpan head);

// Not thread-safe for its user.
class InflatedStream final : public formats::ChunkSource {
 public:
  // Takes what `blob` still holds behind `head`, which was read from it already. `blob` outlives the stream.
  InflatedStream(ByteSource& blob, Bytes head, Compression compression);
  ~InflatedStream() override;

  // Points are thinned out when there are limits::kSeekPoints.
  std::vector<SeekPoint> TakePoints();

  // Empty at the end, and where damage or a limit ends the stream early: problem() tells.
  Result<ByteSpan> Next() override;

  // Why the stream ended before its end, if it did.
  const std::optional<std::string>& problem() const { return problem_; }
  // The blob itself failed: what Next returned was its error.
  bool source_failed() const { return source_failed_; }
  std::uint64_t inflated() const { return inflated_; }
  std::size_t decoder_memory() const;
  // Reads the blob to its end; its size.
  Result<std::uint64_t> Drain();
  // sha256 of all chunks given. Call once, after the last Next.
  Digest FinishDigest();

 private:
  class Blob;
  class Hashing;
  struct Decoder;

  void AddPoint(SeekPoint point);

  std::unique_ptr<Blob> blob_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Hashing> hashing_;
  std::vector<SeekPoint> points_;
  std::uint64_t spacing_;
  std::uint64_t inflated_ = 0;
  bool ended_ = false;
  bool source_failed_ = false;
  std::optional<std::string> problem_;
};

}  // namespace bulwark::image
