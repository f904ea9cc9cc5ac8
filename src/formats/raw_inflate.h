#pragma once
// Deflate streams without a wrapper (RFC 1951), as zip members have them. On ISA-L.

#include <cstdint>

#include "base/byte_source.h"
#include "base/result.h"

namespace bulwark::formats {

// Inflates one stream at the start of `deflated`; bytes behind its end are ignored. kCorrupt for damage or a missing
// end, kLimit if there are more than `limit` bytes. Memory grows with what really comes out. `consumed`, if given, gets the
// length of the stream.
Result<Bytes> InflateRaw(ByteSpan deflated, std::uint64_t limit, std::uint64_t* consumed = nullptr);

// CRC-32 as gzip and zip use it.
std::uint32_t Crc32(ByteSpan bytes);

}  // namespace bulwark::formats
