#pragma once
// Streaming gzip (RFC 1952) on ISA-L's inflate, with every member read, checksums verified, and points from which
// inflating can start again.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_source.h"
#include "base/result.h"

namespace bulwark::formats {

// Where inflating can start again: at a member (window empty) or between two deflate blocks of a member.
struct InflatePoint {
  std::uint64_t compressed = 0;  // offset of the first byte that lies wholly behind the point
  std::uint64_t inflated = 0;    // bytes produced before it
  std::uint8_t bits = 0;         // how many high bits of byte compressed - 1 still belong to what follows: 0 to 7
  Bytes window;                  // up to 32 KiB of output before it
};

// Foreign damage ends the stream: Read gives 0 and damage() says why; what was given before stays valid, though
// unverified if the damage is a checksum. An error from Read is one of the source.
class GzipReader final : public ByteSource {
 public:
  using OnPoint = std::function<void(InflatePoint)>;

  // `compressed` outlives the reader and starts with the header of a member.
  explicit GzipReader(ByteSource& compressed);
  // `compressed` starts at ResumeOffset(point). The rest of that member is inflated without its checksum.
  GzipReader(ByteSource& compressed, const InflatePoint& point);
  ~GzipReader() override;

  static std::uint64_t ResumeOffset(const InflatePoint& point) { return point.compressed - (point.bits > 0 ? 1 : 0); }

  // From now on gives a point whenever at least `spacing` inflated bytes lie behind the last one. May be called again,
  // also from within `on_point`.
  void CapturePoints(std::uint64_t spacing, OnPoint on_point);
  void SetSpacing(std::uint64_t spacing) { spacing_ = spacing; }

  // Fills all of `into` unless the stream ends.
  Result<std::size_t> Read(std::span<std::uint8_t> into) override;

  const std::optional<std::string>& damage() const { return damage_; }
  std::uint64_t consumed() const { return fetched_; }  // bytes taken from the source

 private:
  struct Inflater;
  enum class Phase { kHeader, kDeflate, kTrailer, kDone };

  Result<int> NextByte();  // -1 at the end of the source
  Result<bool> Fill();     // false at the end of the source
  Status ReadHeader();
  Result<bool> SkipZeroEnded(std::uint32_t& crc);
  void BeginDeflate(ByteSpan window);
  Result<std::size_t> Inflate(std::span<std::uint8_t> into);
  void KeepWindow(ByteSpan produced);
  void WantPoint();
  void TakeBlockPoint();
  void EndDeflate();
  Status ReadTrailer();
  Status SkipZeros();
  void Damage(std::string why);
  ByteSpan window() const;
  std::uint64_t position() const;  // of the next unread byte, before first_ is added

  ByteSource& source_;
  Bytes in_;
  std::size_t in_next_ = 0, in_end_ = 0;
  std::uint64_t fetched_ = 0;
  std::uint64_t first_ = 0;  // offset in the blob of the source's first byte
  Bytes carry_;              // bytes that the inflater had taken but that follow its stream
  std::unique_ptr<Inflater> z_;
  Phase phase_ = Phase::kHeader;
  std::uint32_t crc_ = 0;
  std::uint64_t member_size_ = 0;
  bool verify_ = true;
  bool first_member_ = true;
  bool stop_at_block_end_ = false;
  Bytes history_;
  std::uint64_t inflated_ = 0;
  std::uint64_t spacing_ = 0, last_point_ = 0;
  OnPoint on_point_;
  std::optional<std::string> damage_;
};

}  // namespace bulwark::formats
