#pragma once
// Names as the distribution specification has them. Looked up once at the edge; behind it only ids count (DESIGN 2.13).

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark::storage {

// "team-a/app": distribution-spec 1.1, "Pulling manifests", at most limits::kNameBytes.
class RepoName {
 public:
  static Result<RepoName> Parse(std::string_view text);  // kInvalid
  const std::string& str() const { return text_; }
  // The first component; "library" for a name of one component.
  std::string_view project() const;
  auto operator<=>(const RepoName&) const = default;

 private:
  explicit RepoName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// "v1.2": [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
class TagName {
 public:
  static Result<TagName> Parse(std::string_view text);  // kInvalid
  const std::string& str() const { return text_; }
  auto operator<=>(const TagName&) const = default;

 private:
  explicit TagName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// One path component in lower case, as project names are: kInvalid.
Result<std::string> ParseProjectName(std::string_view text);

}  // namespace bulwark::storage
