#pragma once
// What /v2 requests say in paths, headers and queries, with the OCI code that belongs to each mistake.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "http/router.h"
#include "service/names.h"

namespace bulwark::http {

Result<service::RepoName> NameOf(const Call& call);            // NAME_INVALID
Result<Digest> DigestOf(const Call& call);                     // of {digest}; DIGEST_INVALID
Result<Digest> ParseDigest(std::string_view text);             // DIGEST_INVALID
Result<service::Reference> ManifestReferenceOf(const Call& call);      // DIGEST_INVALID, NAME_INVALID

struct ByteRange {
  std::uint64_t first = 0, last = 0;  // inclusive
  std::uint64_t length() const { return last - first + 1; }
};
// Range of a GET (RFC 9110 section 14): nullopt is "send all" (no range, another unit, several ranges); kRange for one that is
// malformed or outside `size`.
Result<std::optional<ByteRange>> ParseRange(std::string_view header, std::uint64_t size);
// Content-Range of an upload, "0-1023" (distribution-spec 1.1, "Pushing a blob in chunks"): nullopt if empty; kInvalid, BLOB_UPLOAD_INVALID.
Result<std::optional<ByteRange>> ParseContentRange(std::string_view header);
// Whether If-None-Match names the entity tag of `digest` (weak comparison, lists, "*").
bool NoneMatch(std::string_view header, const Digest& digest);
std::string EntityTag(const Digest& digest);

// `n` and `last` of lists. n absent or too large: the maximum. PAGINATION_NUMBER_INVALID for what is no plain number, or repeated.
struct PageQuery {
  std::size_t n = 0;
  std::string last;
};
Result<PageQuery> ParsePage(const net::QueryParameters& query);

}  // namespace bulwark::http
