#include "base/digest.h"

#include <algorithm>
#include <cstdlib>

#include "base/hex.h"

namespace bulwark {

Result<Digest> Digest::Parse(std::string_view text) {
  // The text is foreign, so it is not echoed in full.
  auto colon = text.find(':');
  if (colon == std::string_view::npos) return Error{Errc::kInvalid, "digest has no algorithm"};
  std::string_view name = text.substr(0, colon);
  std::string_view hex = text.substr(colon + 1);
  DigestAlgorithm algorithm;
  if (name == "sha256") algorithm = DigestAlgorithm::kSha256;
  else if (name == "sha512") algorithm = DigestAlgorithm::kSha512;
  else return Error{Errc::kInvalid, "digest algorithm is not sha256 or sha512"};
  if (hex.size() != (algorithm == DigestAlgorithm::kSha256 ? 64u : 128u))
    return Error{Errc::kInvalid, "digest has the wrong length for its algorithm"};
  auto bytes = FromHex(hex);
  if (!bytes) return Error{Errc::kInvalid, "digest is not lower-case hexadecimal"};
  return FromBytes(algorithm, *bytes);
}

Digest Digest::FromBytes(DigestAlgorithm algorithm, std::span<const std::uint8_t> bytes) {
  Digest out;
  out.algorithm_ = algorithm;
  if (bytes.size() != out.bytes().size()) std::abort();
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
  return out;
}

std::string Digest::hex() const { return ToHex(bytes()); }

std::string Digest::str() const {
  std::string out(algorithm_name());
  out += ':';
  out += hex();
  return out;
}

std::string Digest::short_str() const { return str().substr(0, 19); }

}  // namespace bulwark
