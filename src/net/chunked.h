#pragma once
// The chunked transfer coding (RFC 9112 section 7.1), decoded as it arrives. Stricter than the grammar where readers
// differ: no blanks around the size, at most 16 digits, no controls in extensions. Trailer fields are checked and dropped.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/byte_source.h"

namespace bulwark::net {

class ChunkedDecoder {
 public:
  struct Progress {
    std::size_t consumed = 0;   // of `in`
    std::size_t produced = 0;   // into `out`
  };
  // Goes on until `in` is used up, `out` is full, the body ended or an error is found.
  Progress Decode(ByteSpan in, std::span<std::uint8_t> out);
  bool done() const { return state_ == State::kDone; }
  bool failed() const { return state_ == State::kFailed; }
  std::string_view why() const { return why_; }  // of a failure; a literal

 private:
  enum class State {
    kSizeBegin, kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf,
    kTrailerBegin, kTrailerName, kTrailerValue, kTrailerLf, kEndLf, kDone, kFailed
  };
  void Step(unsigned char c);
  void Digit(unsigned char c);
  void AfterSize(unsigned char c);
  void Trailer(unsigned char c);
  void Fail(std::string_view why);

  State state_ = State::kSizeBegin;
  std::uint64_t left_ = 0;         // of the chunk
  unsigned digits_ = 0;
  std::uint64_t overhead_ = 0;     // extension and trailer bytes so far
  std::string_view why_;
};

}  // namespace bulwark::net
