#include "http/pattern.h"

#include <cstdlib>

#include "base/strings.h"

namespace bulwark::http {

Pattern::Pattern(std::string_view text) {
  if (!text.starts_with('/')) std::abort();
  for (std::string_view part : Split(text.substr(1), '/')) {
    const bool parameter = part.starts_with('{') && part.ends_with('}');
    parts_.push_back({std::string(parameter ? part.substr(1, part.size() - 2) : part), parameter});
    if (!parameter || part != "{name}") continue;
    if (greedy_) std::abort();
    greedy_ = parts_.size() - 1;
  }
  if (parts_.front().parameter) std::abort();
}

std::optional<Parameters> Pattern::Match(const net::Path& path) const {
  if (!path.canonical) return std::nullopt;
  const std::size_t have = path.segments.size();
  Parameters out;
  if (!greedy_) {
    if (have != parts_.size() || !MatchRange(path, 0, 0, have, out)) return std::nullopt;
    return out;
  }
  if (have < parts_.size()) return std::nullopt;
  // Most patterns do not match: that is found before anything is copied.
  for (std::size_t i = parts_.size(), at = have; --i > *greedy_;)
    if (--at; !parts_[i].parameter && parts_[i].text != path.segments[at]) return std::nullopt;
  const std::size_t before = *greedy_, after = parts_.size() - before - 1, taken = have - before - after;
  if (!MatchRange(path, 0, 0, before, out)) return std::nullopt;
  std::string name;
  for (std::size_t i = before; i < before + taken; ++i) {
    // "a%2Fb" is no second spelling of "a/b".
    if (path.segments[i].empty() || path.segments[i].find('/') != std::string::npos) return std::nullopt;
    name += (i > before ? "/" : "") + path.segments[i];
  }
  out.emplace_back(parts_[before].text, std::move(name));
  if (!MatchRange(path, before + 1, have - after, after, out)) return std::nullopt;
  return out;
}

bool Pattern::MatchRange(const net::Path& path, std::size_t part, std::size_t segment, std::size_t count, Parameters& out) const {
  for (std::size_t i = 0; i < count; ++i) {
    const Part& want = parts_[part + i];
    const std::string& have = path.segments[segment + i];
    if (want.parameter ? have.empty() : have != want.text) return false;
    if (want.parameter) out.emplace_back(want.text, have);
  }
  return true;
}

}  // namespace bulwark::http
