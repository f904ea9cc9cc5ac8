#include "formats/raw_inflate.h"

#include <algorithm>
#include <memory>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

namespace bulwark::formats {
namespace {
constexpr std::size_t kFirstBytes = 16 * 1024;
}

Result<Bytes> InflateRaw(ByteSpan deflated, std::uint64_t limit, std::uint64_t* consumed) {
  auto state = std::make_unique<inflate_state>();
  isal_inflate_init(state.get());
  state->crc_flag = ISAL_DEFLATE;
  Bytes out;
  std::size_t filled = 0, fed = 0;
  for (;;) {
    if (filled == out.size()) {
      if (filled > limit) return Error{Errc::kLimit, "inflates to more than the limit"};
      // One byte above the limit tells "exactly the limit" from "more".
      out.resize(static_cast<std::size_t>(std::min<std::uint64_t>(std::max(kFirstBytes, filled * 2), limit + 1)));
    }
    if (state->avail_in == 0 && fed < deflated.size()) {
      std::size_t n = std::min<std::size_t>(deflated.size() - fed, 1u << 30);
      state->next_in = const_cast<std::uint8_t*>(deflated.data() + fed);  // the C interface lacks const; it only reads
      state->avail_in = static_cast<std::uint32_t>(n);
      fed += n;
    }
    std::size_t room = std::min<std::size_t>(out.size() - filled, 1u << 30);
    state->next_out = out.data() + filled;
    state->avail_out = static_cast<std::uint32_t>(room);
    std::uint32_t before_in = state->avail_in;
    int status = isal_inflate(state.get());
    std::size_t made = room - state->avail_out;
    filled += made;
    if (filled > limit) return Error{Errc::kLimit, "inflates to more than the limit"};
    if (status != ISAL_DECOMP_OK) return Error{Errc::kCorrupt, "damaged deflate stream"};
    if (state->block_state == ISAL_BLOCK_FINISH) break;
    if (made == 0 && before_in == state->avail_in && fed == deflated.size()) {
      return Error{Errc::kCorrupt, "deflate stream without an end"};
    }
  }
  // Whole bytes that were taken into the bit buffer but do not belong to the stream.
  auto buffered = static_cast<std::size_t>(std::max(state->read_in_length, 0)) / 8;
  if (consumed) *consumed = fed - state->avail_in - std::min(buffered, fed - state->avail_in);
  out.resize(filled);
  return out;
}

std::uint32_t Crc32(ByteSpan bytes) {
  return crc32_gzip_refl(0, bytes.data(), bytes.size());
}

}  // namespace bulwark::formats
