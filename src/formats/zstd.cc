#include "formats/zstd.h"

#include <new>

#include <zstd.h>

namespace bulwark::formats {

void ZstdReader::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

ZstdReader::ZstdReader(ByteSource& compressed, int window_log)
    : source_(compressed), context_(ZSTD_createDCtx()), in_(ZSTD_DStreamInSize()) {
  if (!context_) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, window_log);
}

ZstdReader::~ZstdReader() = default;

std::size_t ZstdReader::memory() const { return ZSTD_sizeof_DCtx(context_.get()); }

Result<std::size_t> ZstdReader::Read(std::span<std::uint8_t> into) {
  ZSTD_outBuffer out{into.data(), into.size(), 0};
  while (out.pos < out.size && !done_) {
    if (in_next_ == in_end_) {
      BW_TRY(std::size_t n, source_.Read(in_));
      in_next_ = 0;
      in_end_ = n;
      fetched_ += n;
      if (n == 0 && between_frames_) {
        done_ = true;
        break;
      }
    }
    std::uint64_t at = fetched_ - (in_end_ - in_next_);
    if (between_frames_ && on_frame_) on_frame_(at, inflated_ + out.pos);
    std::size_t before = out.pos;
    ZSTD_inBuffer in{in_.data(), in_end_, in_next_};
    std::size_t hint = ZSTD_decompressStream(context_.get(), &out, &in);
    bool stuck = in.pos == in_next_ && out.pos == before;
    in_next_ = in.pos;
    if (ZSTD_isError(hint)) damage_ = std::string("zstd: ") + ZSTD_getErrorName(hint);
    else if (in_end_ == 0 && stuck) damage_ = "zstd: truncated";
    done_ = damage_.has_value();
    between_frames_ = hint == 0;
  }
  inflated_ += out.pos;
  return out.pos;
}

}  // namespace bulwark::formats
