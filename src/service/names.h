#pragma once
// Names from outside, parsed once at the edge (distribution-spec 1.1, "Pulling manifests").

#include <compare>
#include <string>
#include <string_view>
#include <variant>

#include "base/digest.h"
#include "base/result.h"

namespace bulwark::service {

// "project/app", at most 255 bytes; a one-component name belongs to project `library`.
class RepoName {
 public:
  static Result<RepoName> Parse(std::string_view text);  // kInvalid
  const std::string& str() const { return text_; }
  std::string_view project() const;
  auto operator<=>(const RepoName&) const = default;

 private:
  std::string text_;
};

// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}
class TagName {
 public:
  static Result<TagName> Parse(std::string_view text);  // kInvalid
  const std::string& str() const { return text_; }
  auto operator<=>(const TagName&) const = default;

 private:
  std::string text_;
};

// A tag or a digest, as the last part of /v2/<name>/manifests/<reference>.
using Reference = std::variant<TagName, Digest>;
Result<Reference> ParseReference(std::string_view text);

}  // namespace bulwark::service
