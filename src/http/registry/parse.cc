#include "http/registry/parse.h"

#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"
#include "http/errors.h"

namespace bulwark::http {
namespace {

template <typename T>
Result<T> Coded(Result<T> result, std::string_view code) {
  if (result.ok()) return result;
  return WithOciCode(std::move(result).error(), code);
}

Error BadContentRange() { return Error{Errc::kInvalid, "BLOB_UPLOAD_INVALID: Content-Range is not <first>-<last>"}; }

Error BadRange(std::uint64_t size) { return Error{Errc::kRange, "the range is not within " + std::to_string(size) + " bytes"}; }

}  // namespace

Result<service::RepoName> NameOf(const Call& call) { return Coded(service::RepoName::Parse(call.Param("name")), "NAME_INVALID"); }

Result<Digest> DigestOf(const Call& call) { return ParseDigest(call.Param("digest")); }

Result<Digest> ParseDigest(std::string_view text) { return Coded(Digest::Parse(text), "DIGEST_INVALID"); }

Result<service::Reference> ManifestReferenceOf(const Call& call) {
  const std::string_view text = call.Param("reference");
  return Coded(service::ParseReference(text), text.find(':') == text.npos ? "NAME_INVALID" : "DIGEST_INVALID");
}

Result<std::optional<ByteRange>> ParseRange(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (header.size() < kUnit.size() || !EqualsIgnoreCase(header.substr(0, kUnit.size()), kUnit)) return std::optional<ByteRange>();
  const std::string_view spec = header.substr(kUnit.size());
  if (spec.find(',') != spec.npos) return std::optional<ByteRange>();  // allowed to be ignored, and safer so
  const std::size_t dash = spec.find('-');
  if (dash == spec.npos) return BadRange(size);
  const std::string_view from = spec.substr(0, dash), to = spec.substr(dash + 1);
  const auto first = ParseUint(from), last = ParseUint(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) || (!first && !last)) return BadRange(size);
  if (!first) {
    if (*last == 0 || size == 0) return BadRange(size);
    return std::optional(ByteRange{size - std::min(*last, size), size - 1});
  }
  if (*first >= size || (last && *last < *first)) return BadRange(size);
  return std::optional(ByteRange{*first, std::min(last.value_or(size - 1), size - 1)});
}

Result<std::optional<ByteRange>> ParseContentRange(std::string_view header) {
  if (header.empty()) return std::optional<ByteRange>();
  const std::size_t dash = header.find('-');
  if (dash == header.npos) return BadContentRange();
  const auto first = ParseUint(header.substr(0, dash)), last = ParseUint(header.substr(dash + 1));
  // No upload is that long, and the length stays a number.
  if (!first || !last || *last < *first || *last >= INT64_MAX) return BadContentRange();
  return std::optional(ByteRange{*first, *last});
}

std::string EntityTag(const Digest& digest) { return "\"" + digest.str() + "\""; }

bool NoneMatch(std::string_view header, const Digest& digest) {
  const std::string tag = EntityTag(digest);
  for (std::string_view part : Split(header, ',')) {
    part = Trim(part);
    if (part.starts_with("W/")) part.remove_prefix(2);
    if (part == tag || part == "*") return true;
  }
  return false;
}

Result<PageQuery> ParsePage(const net::QueryParameters& query) {
  const Error bad{Errc::kInvalid, "PAGINATION_NUMBER_INVALID: n is not a number"};
  auto n = query.One("n");
  if (!n.ok()) return bad;
  BW_TRY(const auto last, query.One("last"));
  if (last && last->size() > limits::kNameBytes) return Error{Errc::kInvalid, "NAME_INVALID: last is too long"};
  PageQuery page{limits::kPageMaximum, std::string(last.value_or(""))};
  if (!*n) return page;
  const auto asked = ParseUint(**n);
  if (!asked) return bad;
  page.n = static_cast<std::size_t>(std::min<std::uint64_t>(*asked, limits::kPageMaximum));
  return page;
}

}  // namespace bulwark::http
