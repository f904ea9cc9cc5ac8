#include "formats/deb822.h"

#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"

namespace bulwark::formats {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

// Printable ASCII without space and colon (RFC 822 section 3.1.2), not starting with "#" or "-" (deb822(5)).
bool IsFieldName(std::string_view name) {
  if (name.empty() || name[0] == '#' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f && c != ':'; });
}

}  // namespace

std::string_view Stanza::Get(std::string_view name) const { return Find(name).value_or(std::string_view()); }

std::optional<std::string_view> Stanza::Find(std::string_view name) const {
  for (const Deb822Field& field : fields_) {
    if (EqualsIgnoreCase(field.name, name)) return field.value;
  }
  return std::nullopt;
}

bool Stanza::Repeats(std::string_view name) const {
  return std::count_if(fields_.begin(), fields_.end(),
                       [&](const Deb822Field& field) { return EqualsIgnoreCase(field.name, name); }) > 1;
}

std::optional<Result<Stanza>> Deb822::Next() {
  while (next_ < text_.size() && PeekLine().empty()) SkipLine();
  if (next_ >= text_.size()) return std::nullopt;
  Stanza stanza;
  stanza.line_ = line_;
  while (next_ < text_.size() && !PeekLine().empty()) {
    std::string_view line = PeekLine();
    std::size_t colon = line.find(':');
    if (IsSpace(line[0]) || colon == line.npos || !IsFieldName(line.substr(0, colon))) {
      if (syntax_ == Syntax::kHeaders) break;
      return SkipStanza(Errc::kCorrupt, "neither a field nor a continuation");
    }
    if (stanza.fields_.size() >= limits::kStanzaFields) return SkipStanza(Errc::kLimit, "too many fields in one stanza");
    std::size_t begin = next_ + colon + 1;
    std::size_t end = next_ + line.size();
    SkipLine();
    while (next_ < text_.size() && IsSpace(text_[next_])) {
      end = next_ + PeekLine().size();
      SkipLine();
    }
    while (begin < end && IsSpace(text_[begin])) ++begin;
    while (end > begin && IsSpace(text_[end - 1])) --end;
    stanza.fields_.push_back({line.substr(0, colon), text_.substr(begin, end - begin)});
  }
  if (syntax_ == Syntax::kHeaders) next_ = text_.size();
  if (stanza.fields_.empty()) return std::nullopt;
  return stanza;
}

// The line at next_ without its end (LF or CR LF).
std::string_view Deb822::PeekLine() const {
  std::string_view rest = text_.substr(next_);
  std::string_view line = rest.substr(0, rest.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

void Deb822::SkipLine() {
  std::size_t end = text_.find('\n', next_);
  next_ = end == text_.npos ? text_.size() : end + 1;
  ++line_;
}

Error Deb822::SkipStanza(Errc code, std::string_view what) {
  Error error{code, "line " + std::to_string(line_) + ": " + std::string(what)};
  while (next_ < text_.size() && !PeekLine().empty()) SkipLine();
  return error;
}

std::string Unfold(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    std::size_t end = value.find('\n');
    std::string_view line = Trim(value.substr(0, end));
    value.remove_prefix(end == value.npos ? value.size() : end + 1);
    if (line.empty()) continue;
    if (!out.empty()) out += ' ';
    out += line;
  }
  return out;
}

}  // namespace bulwark::formats
