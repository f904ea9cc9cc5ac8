#pragma once
// Content digests as OCI writes them: "sha256:<64 hex>", "sha512:<128 hex>" (image-spec, descriptor.md, "Digests").

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark {

enum class DigestAlgorithm : std::uint8_t { kSha256, kSha512 };

// A value type; the default one is the all-zero sha256, which no content has.
class Digest {
 public:
  Digest() = default;
  // kInvalid unless the text is exactly a registered algorithm, a colon and lower-case hex of its length.
  static Result<Digest> Parse(std::string_view text);
  // `bytes` must be 32 (sha256) or 64 (sha512) long; anything else is a bug and aborts.
  static Digest FromBytes(DigestAlgorithm algorithm, std::span<const std::uint8_t> bytes);

  DigestAlgorithm algorithm() const { return algorithm_; }
  std::string_view algorithm_name() const { return algorithm_ == DigestAlgorithm::kSha256 ? "sha256" : "sha512"; }
  std::span<const std::uint8_t> bytes() const {
    return {bytes_.data(), algorithm_ == DigestAlgorithm::kSha256 ? 32u : 64u};
  }
  std::string hex() const;
  std::string str() const;               // "sha256:…"
  std::string short_str() const;         // "sha256:" and 12 hex digits, for people
  bool empty() const { return *this == Digest(); }

  auto operator<=>(const Digest&) const = default;

 private:
  DigestAlgorithm algorithm_ = DigestAlgorithm::kSha256;
  std::array<std::uint8_t, 64> bytes_{};
};

}  // namespace bulwark

template <>
struct std::hash<bulwark::Digest> {
  std::size_t operator()(const bulwark::Digest& d) const noexcept {
    std::size_t h = 0;  // the bytes are a hash already
    for (std::size_t i = 0; i < sizeof h; ++i) h = h << 8 | d.bytes()[i];
    return h;
  }
};
