#include "storage/names.h"

#include "base/limits.h"
#include "base/log.h"

namespace bulwark::storage {
namespace {

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool IsComponent(std::string_view text) {
  std::size_t i = 0;
  auto run = [&] {
    const std::size_t begin = i;
    while (i < text.size() && IsLowerOrDigit(text[i])) ++i;
    return i > begin;
  };
  if (!run()) return false;
  while (i < text.size()) {
    const std::size_t begin = i;
    while (i < text.size() && text[i] == text[begin] && !IsLowerOrDigit(text[i])) ++i;
    const std::size_t length = i - begin;
    const bool separator =
        text[begin] == '-' || (text[begin] == '_' && length <= 2) || (text[begin] == '.' && length == 1);
    if (!separator || !run()) return false;
  }
  return true;
}

Error Invalid(std::string_view what, std::string_view text) {
  return Error{Errc::kInvalid, "not a " + std::string(what) + ": '" + Printable(text, 300) + "'"};
}

bool IsTagStart(char c) { return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

Result<RepoName> RepoName::Parse(std::string_view text) {
  if (text.size() > limits::kNameBytes) return Invalid("repository name", text);
  std::string_view rest = text;
  for (;;) {
    const std::size_t slash = rest.find('/');
    if (!IsComponent(rest.substr(0, slash))) return Invalid("repository name", text);
    if (slash == std::string_view::npos) return RepoName(std::string(text));
    rest.remove_prefix(slash + 1);
  }
}

std::string_view RepoName::project() const {
  const std::size_t slash = text_.find('/');
  return slash == std::string::npos ? std::string_view("library") : std::string_view(text_).substr(0, slash);
}

Result<TagName> TagName::Parse(std::string_view text) {
  if (text.empty() || text.size() > limits::kTagBytes || !IsTagStart(text[0])) return Invalid("tag", text);
  for (char c : text)
    if (!IsTagStart(c) && c != '.' && c != '-') return Invalid("tag", text);
  return TagName(std::string(text));
}

Result<std::string> ParseProjectName(std::string_view text) {
  if (text.size() > limits::kNameBytes || !IsComponent(text)) return Invalid("project name", text);
  return std::string(text);
}

}  // namespace bulwark::storage
