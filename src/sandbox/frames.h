#pragma once
// Messages over a stream socket: 32 bits of length, little-endian, then the bytes; a descriptor travels with the length.

#include <array>
#include <cstdint>
#include <optional>

#include "base/byte_source.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark::sandbox {

// Sends one frame and `fd` unless it is -1. Waits for room at most `stall_ms` at a time (-1: for ever). kUnavailable if
// the other end is gone or does not read, kLimit if the message does not fit 32 bits.
Status SendFrame(int socket, ByteSpan message, int fd, int stall_ms);

// Puts frames together from what the socket gives. Keeps what it has when the socket is dry. Memory grows with the
// bytes that came, not with the length that was announced.
class FrameReader {
 public:
  // Takes what is there without waiting, up to the end of one frame. nullopt: not whole yet. kCancelled: the other end
  // closed; kLimit: a longer frame was announced. `fd`: receives a passed descriptor, or null to refuse them.
  Result<std::optional<Bytes>> Read(int socket, std::uint64_t limit, UniqueFd* fd);

 private:
  // Bytes read now; 0 if the socket is dry.
  Result<std::size_t> Take(int socket, std::span<std::uint8_t> into, UniqueFd* fd);

  std::array<std::uint8_t, 4> header_{};
  std::size_t header_have_ = 0;
  Bytes body_;
};

}  // namespace bulwark::sandbox
