// Random access to an already walked layer: from the last seek point before an entry its few megabytes are inflated
// again and the entry is read by the same tar reader as the first time.

#include <algorithm>
#include <array>
#include <memory>

#include "base/limits.h"
#include "formats/gzip.h"
#include "formats/tar.h"
#include "formats/zstd.h"
#include "image/walk.h"
#include "image/walk_path.h"

namespace bulwark::image {
namespace {

// A random source as a stream from some offset on.
class Tail final : public ByteSource {
 public:
  Tail(const RandomSource& blob, std::uint64_t offset) : blob_(blob), offset_(offset) {}
  Result<std::size_t> Read(std::span<std::uint8_t> into) override {
    auto n = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), blob_.size() - offset_));
    BW_CHECK(blob_.ReadAt(offset_, into.first(n)));
    offset_ += n;
    return n;
  }

 private:
  const RandomSource& blob_;
  std::uint64_t offset_;
};

// Inflated bytes from a point on. Ends where the stream ends or is damaged: the tar reader then reports it as cut.
class From final : public formats::ChunkSource {
 public:
  From(const RandomSource& blob, Compression compression, const SeekPoint& p)
      : tail_(blob, compression == Compression::kGzip ? p.compressed - (p.bits > 0) : p.compressed),
        chunk_(128 * 1024) {
    if (compression == Compression::kGzip)
      decoder_ = std::make_unique<formats::GzipReader>(
          tail_, formats::InflatePoint{p.compressed, p.inflated, p.bits, p.window});
    if (compression == Compression::kZstd) decoder_ = std::make_unique<formats::ZstdReader>(tail_);
  }
  Result<ByteSpan> Next() override {
    BW_TRY(std::size_t n, (decoder_ ? *decoder_ : static_cast<ByteSource&>(tail_)).Read(chunk_));
    return ByteSpan(chunk_).first(n);
  }

 private:
  Tail tail_;
  std::unique_ptr<ByteSource> decoder_;
  Bytes chunk_;
};

class Rereader {
 public:
  Rereader(const RandomSource& blob, const LayerRecord& record) : blob_(blob), record_(record) {}

  Status Read(std::uint32_t index, LayerVisitor& visitor) {
    if (index >= record_.entries.size()) return Error{Errc::kInvalid, "read entry: the layer has no such entry"};
    const Entry& entry = record_.entries[index];
    BW_CHECK(GoTo(entry.offset));
    formats::TarHeader header;
    BW_TRY(bool there, tar_->Next(header));
    if (!there || header.offset != entry.offset || CleanPath(header.name) != entry.path || header.size != entry.size ||
        (header.type != '0' && header.type != '7'))
      return Error{Errc::kCorrupt, "read entry: the layer does not hold " + entry.path + " where its record says"};
    if (entry.size > limits::kCatalogedFileBytes) {
      BW_CHECK(tar_->Parts([&](ByteSpan part) { return visitor.OnPart(index, entry, part); }));
      return visitor.OnTooLarge(index, entry), Status();
    }
    BW_TRY(ByteSpan data, tar_->Data(scratch_));
    visitor.OnFile(index, entry, data);
    return {};
  }

 private:
  Status GoTo(std::uint64_t offset) {
    SeekPoint start = {};
    const SeekPoint* point = PointBefore(offset);
    if (record_.compression == Compression::kNone) {
      start.compressed = start.inflated = offset;
      point = &start;
    }
    if (!point) point = &start;
    if (!tar_ || tar_->position() > offset || point->inflated > tar_->position()) {
      if (point->compressed > blob_.size() || (point->bits > 0 && point->compressed == 0))
        return Error{Errc::kCorrupt, "read entry: a seek point lies outside the layer"};
      tar_.reset();
      from_ = std::make_unique<From>(blob_, record_.compression, *point);
      tar_ = std::make_unique<formats::TarReader>(*from_, point->inflated);
    }
    return tar_->SkipTo(offset);
  }

  const SeekPoint* PointBefore(std::uint64_t offset) const {
    const auto& points = record_.seek_points;
    auto behind = std::upper_bound(points.begin(), points.end(), offset,
                                   [](std::uint64_t o, const SeekPoint& p) { return o < p.inflated; });
    return behind == points.begin() ? nullptr : &*(behind - 1);
  }

  const RandomSource& blob_;
  const LayerRecord& record_;
  std::unique_ptr<From> from_;
  std::unique_ptr<formats::TarReader> tar_;
  Bytes scratch_;
};

}  // namespace

Status ReadEntries(const RandomSource& blob, const LayerRecord& record, const std::vector<std::uint32_t>& entries,
                   LayerVisitor& visitor) {
  if (!record.is_layer || blob.size() != record.blob_size)
    return Error{Errc::kCorrupt, "read entries: the blob is not the one that was walked"};
  Rereader reader(blob, record);
  for (std::uint32_t index : entries) BW_CHECK(reader.Read(index, visitor));
  return {};
}

}  // namespace bulwark::image
