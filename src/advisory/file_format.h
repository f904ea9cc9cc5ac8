#pragma once
// The bytes of an advisory file; docs/formats/advisory-file.md describes them. Internal to builder and index.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/clock.h"

namespace bulwark::advisory::file {

static_assert(std::endian::native == std::endian::little, "the file is little-endian and mapped as it is");

inline constexpr std::array<char, 8> kMagic{'B', 'W', 'A', 'D', 'V', 'I', 'S', '\n'};
inline constexpr std::uint32_t kVersion = 3;

enum Section : std::uint32_t {
  kStringOffsets,  // u32 x (strings + 1) into kStringBytes; the strings are sorted and unique, string 0 is ""
  kStringBytes,
  kSlots,          // u32 x 2^n: 0, or 1 + index of a key; open addressing by XXH3 of "ecosystem\0name", linear probing
  kKeys,           // Key, sorted by (ecosystem, name)
  kRecords,        // packed records, key by key
  kExploited,      // Exploited, sorted by CVE
  kSources,        // Source, sorted by name
  kCovered,        // u32 string ids of ecosystems, sorted; with kComplete
  kEpss,           // Epss, sorted by CVE; not in files before version 3
  kSectionCount,
};
inline constexpr std::uint32_t kSectionsBefore3 = 8;

// In an element of kCovered: a source says that it covers the ecosystem wholly. Files of version 1 never say so.
inline constexpr std::uint32_t kComplete = 0x80000000;

struct Extent {
  std::uint64_t offset = 0;  // from the start of the file, a multiple of 8
  std::uint64_t size = 0;
};

struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t sections = kSectionCount;
  std::uint64_t file_size = 0;
  std::uint64_t payload_hash = 0;  // XXH3 of everything behind the header
  std::array<std::uint8_t, 32> revision{};  // SHA-256 of everything behind the header, and data_date
  std::int64_t data_date = 0;      // milliseconds
  std::uint64_t records = 0;
  std::array<Extent, kSectionCount> extents{};
  std::uint64_t header_hash = 0;   // XXH3 of the header up to here
};
static_assert(sizeof(Header) == 232 && std::is_trivially_copyable_v<Header>);

// Of a header with so many sections: its last fields move up.
constexpr std::size_t HeaderSize(std::uint32_t sections) {
  return offsetof(Header, extents) + sections * sizeof(Extent) + sizeof(Header::header_hash);
}
static_assert(HeaderSize(kSectionCount) == sizeof(Header) && HeaderSize(kSectionsBefore3) == 216);

struct Key {
  std::uint32_t ecosystem = 0;  // string ids
  std::uint32_t name = 0;
  std::uint32_t offset = 0;     // of its first record in kRecords
  std::uint32_t count = 0;
  std::uint64_t content = 0;    // XXH3 of what its records say, strings included: equal in two files if nothing changed
};
static_assert(sizeof(Key) == 24);

struct Exploited {
  std::uint32_t cve = 0;
  std::uint32_t reserved = 0;
  std::int64_t added = 0;
};
static_assert(sizeof(Exploited) == 16);

struct Epss {
  std::uint64_t cve = 0;         // CveNumber
  std::uint32_t score = 0;       // both in hundred-thousandths, as FIRST publishes them
  std::uint32_t percentile = 0;
};
static_assert(sizeof(Epss) == 16);
inline constexpr std::uint32_t kEpssOne = 100'000;

struct Source {
  std::uint32_t name = 0;
  std::uint32_t reserved = 0;
  std::uint64_t records = 0;
  std::uint64_t errors = 0;
  std::int64_t data_date = 0;
};
static_assert(sizeof(Source) == 32);

// "CVE-2024-1234" as 2024 << 32 | 1234; nullopt for what is no CVE.
std::optional<std::uint64_t> CveNumber(std::string_view id);

// A packed record is, in this order (v = varint, s = varint of a string id, t = time):
// id s, aliases v (s)*, state u8, kind u8, severity u8, score u8 (tenths, 255 = unknown), vector s, source s,
// published t, fixed_at t, url v = 2 * string id of the front + (1 if the record's id follows it),
// ranges v (introduced s, fixed s, last_affected s)*, versions v (s)*.
inline constexpr std::uint8_t kNoScore = 255;

// Times: 0 = never, else 1 + the zigzag of the milliseconds.
inline std::uint64_t PackTime(Time t) {
  if (t == kNever) return 0;
  const std::int64_t ms = t.time_since_epoch().count();
  return ((static_cast<std::uint64_t>(ms) << 1) ^ static_cast<std::uint64_t>(ms >> 63)) + 1;
}
inline Time UnpackTime(std::uint64_t v) {
  if (v == 0) return kNever;
  --v;
  return Time(Millis(static_cast<std::int64_t>((v >> 1) ^ (~(v & 1) + 1))));
}

inline void AppendVarint(std::string& out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) out += static_cast<char>(v | 0x80);
  out += static_cast<char>(v);
}

// Reads packed bytes; past the end or on an overlong number it gives zeros and ok() is false.
class Cursor {
 public:
  explicit Cursor(ByteSpan bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  std::uint8_t Byte() {
    if (at_ == end_) return Fail();
    return *at_++;
  }
  std::uint64_t Varint() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return Fail();
      const std::uint8_t b = *at_++;
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    return Fail();
  }
  bool ok() const { return ok_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

 private:
  std::uint8_t Fail() {
    ok_ = false;
    at_ = end_;
    return 0;
  }
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ok_ = true;
};

std::uint64_t Hash(ByteSpan bytes);                                           // XXH3, 64 bits
std::uint64_t HashKey(std::string_view ecosystem, std::string_view name);

}  // namespace bulwark::advisory::file
