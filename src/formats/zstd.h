#pragma once
// Streaming zstd (RFC 8878) on libzstd: concatenated and skippable frames, a bounded window, no dictionaries.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/result.h"

struct ZSTD_DCtx_s;

namespace bulwark::formats {

// Foreign damage ends the stream: Read gives 0 and damage() says why; what was given before stays valid. An error from
// Read is one of the source. Frames that need a dictionary or a window above 2^window_log are damage.
class ZstdReader final : public ByteSource {
 public:
  // A frame starts at byte `compressed`, counted from the first byte read; `inflated` bytes were produced before it.
  using OnFrame = std::function<void(std::uint64_t compressed, std::uint64_t inflated)>;

  // `compressed` outlives the reader and starts with a frame.
  explicit ZstdReader(ByteSource& compressed, int window_log = limits::kZstdWindowLog);
  ~ZstdReader() override;

  void OnFrames(OnFrame on_frame) { on_frame_ = std::move(on_frame); }

  // Fills all of `into` unless the stream ends.
  Result<std::size_t> Read(std::span<std::uint8_t> into) override;

  const std::optional<std::string>& damage() const { return damage_; }
  std::uint64_t consumed() const { return fetched_; }  // bytes taken from the source
  std::size_t memory() const;                          // that the decoder holds, window included

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };

  ByteSource& source_;
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  Bytes in_;
  std::size_t in_next_ = 0, in_end_ = 0;
  std::uint64_t fetched_ = 0, inflated_ = 0;
  bool between_frames_ = true;
  bool done_ = false;
  OnFrame on_frame_;
  std::optional<std::string> damage_;
};

}  // namespace bulwark::formats
