#pragma once
// Path patterns of routes, and matching them without ambiguity: {name} takes what the fixed parts around it leave.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_message.h"

namespace bulwark::http {

using Parameters = std::vector<std::pair<std::string_view, std::string>>;

class Pattern {
 public:
  // Aborts on a malformed one: rows are written by us.
  explicit Pattern(std::string_view text);

  // Parameter names are views into the pattern, which outlives them. Odd spellings (net::Path) match nothing.
  std::optional<Parameters> Match(const net::Path& path) const;
  bool has_name() const { return greedy_.has_value(); }
  const std::string& first() const { return parts_.front().text; }  // its first segment, a literal

 private:
  struct Part {
    std::string text;  // of a literal, or the parameter's name
    bool parameter = false;
  };
  bool MatchRange(const net::Path& path, std::size_t part, std::size_t segment, std::size_t count, Parameters& out) const;

  std::vector<Part> parts_;
  std::optional<std::size_t> greedy_;  // index of {name}
};

}  // namespace bulwark::http
