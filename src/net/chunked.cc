#include "net/chunked.h"

#include <algorithm>
#include <cstring>

#include "base/limits.h"
#include "net/framing.h"

namespace bulwark::net {
namespace {

constexpr unsigned kSizeDigits = 16;

int HexValue(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsText(unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); }

bool IsNameByte(unsigned char c) {
  const char byte = static_cast<char>(c);
  return IsToken({&byte, 1});
}

}  // namespace

ChunkedDecoder::Progress ChunkedDecoder::Decode(ByteSpan in, std::span<std::uint8_t> out) {
  Progress progress;
  while (progress.consumed < in.size() && state_ != State::kDone && state_ != State::kFailed) {
    if (state_ != State::kData) {
      Step(in[progress.consumed++]);
      continue;
    }
    const std::uint64_t room = std::min(in.size() - progress.consumed, out.size() - progress.produced);
    if (room == 0) break;
    const std::size_t n = static_cast<std::size_t>(std::min(room, left_));
    std::memcpy(out.data() + progress.produced, in.data() + progress.consumed, n);
    progress.consumed += n;
    progress.produced += n;
    left_ -= n;
    if (left_ == 0) state_ = State::kDataCr;
  }
  return progress;
}

void ChunkedDecoder::Step(unsigned char c) {
  switch (state_) {
    case State::kSizeBegin:
      left_ = 0;
      digits_ = 0;
      state_ = State::kSize;
      [[fallthrough]];
    case State::kSize: return HexValue(c) >= 0 ? Digit(c) : AfterSize(c);
    case State::kExtension:
      if (c == '\r') state_ = State::kSizeLf;
      else if (!IsText(c)) return Fail("control byte in a chunk extension");
      else if (++overhead_ > limits::kChunkExtensionBytes) return Fail("chunk extensions too large");
      return;
    case State::kSizeLf:
      if (c != '\n') return Fail("chunk size line without LF");
      state_ = left_ > 0 ? State::kData : State::kTrailerBegin;
      return;
    case State::kDataCr:
      if (c != '\r') return Fail("chunk longer than its size");
      state_ = State::kDataLf;
      return;
    case State::kDataLf:
      if (c != '\n') return Fail("chunk longer than its size");
      state_ = State::kSizeBegin;
      return;
    default: return Trailer(c);
  }
}

void ChunkedDecoder::Digit(unsigned char c) {
  if (++digits_ > kSizeDigits) return Fail("chunk size has too many digits");
  left_ = left_ << 4 | static_cast<std::uint64_t>(HexValue(c));
  if (left_ > INT64_MAX) Fail("chunk size too large");
}

void ChunkedDecoder::AfterSize(unsigned char c) {
  if (digits_ == 0) return Fail("chunk size missing");
  if (c == '\r') state_ = State::kSizeLf;
  else if (c == ';') state_ = State::kExtension;
  else Fail("malformed chunk size");
}

// Trailer fields never reach the header fields (attacks: trailer-smuggling); only their form is checked.
void ChunkedDecoder::Trailer(unsigned char c) {
  if (++overhead_ > limits::kChunkExtensionBytes) return Fail("trailer fields too large");
  switch (state_) {
    case State::kTrailerBegin:
      if (c == '\r') state_ = State::kEndLf;
      else if (IsNameByte(c)) state_ = State::kTrailerName;
      else Fail("malformed trailer field");
      return;
    case State::kTrailerName:
      if (c == ':') state_ = State::kTrailerValue;
      else if (!IsNameByte(c)) Fail("malformed trailer field");
      return;
    case State::kTrailerValue:
      if (c == '\r') state_ = State::kTrailerLf;
      else if (!IsText(c)) Fail("control byte in a trailer field");
      return;
    case State::kTrailerLf:
      if (c != '\n') return Fail("CR without LF in a trailer field");
      state_ = State::kTrailerBegin;
      return;
    case State::kEndLf:
      if (c != '\n') return Fail("CR without LF after the trailer");
      state_ = State::kDone;
      return;
    default: return Fail("unreachable state");
  }
}

void ChunkedDecoder::Fail(std::string_view why) {
  state_ = State::kFailed;
  why_ = why;
}

}  // namespace bulwark::net
