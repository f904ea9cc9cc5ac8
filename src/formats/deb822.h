#pragma once
// Stanzas of "Name: value" fields: Debian control data (deb822(5)) and the headers of Python's METADATA and PKG-INFO
// (RFC 822 as the core metadata specification uses it). Views only; nothing is copied.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark::formats {

struct Deb822Field {
  std::string_view name;
  std::string_view value;  // without white space at its ends; continuation lines verbatim, "\n " between them
};

// One stanza. Views into the text that it was read from.
class Stanza {
 public:
  // The first field of that name (ASCII case does not matter), empty if there is none.
  std::string_view Get(std::string_view name) const;
  std::optional<std::string_view> Find(std::string_view name) const;
  // Whether a name comes more than once: legal in METADATA, an error for dpkg.
  bool Repeats(std::string_view name) const;
  const std::vector<Deb822Field>& fields() const { return fields_; }
  std::uint64_t line() const { return line_; }  // of its first field, from 1

 private:
  friend class Deb822;
  std::vector<Deb822Field> fields_;
  std::uint64_t line_ = 0;
};

class Deb822 {
 public:
  enum class Syntax {
    kControl,  // stanzas apart by empty lines; a line that is no field is an error
    kHeaders,  // one stanza; the first line that is no field ends it, as Python's parser has it
  };
  // `text` outlives this and every stanza.
  explicit Deb822(std::string_view text, Syntax syntax = Syntax::kControl) : text_(text), syntax_(syntax) {}
  // The next stanza; nullopt at the end. kCorrupt (naming the line) for a malformed one, kLimit for more than
  // limits::kStanzaFields fields: the rest of that stanza is skipped and the next call goes on behind it.
  std::optional<Result<Stanza>> Next();

 private:
  std::string_view PeekLine() const;
  void SkipLine();
  Error SkipStanza(Errc code, std::string_view what);

  std::string_view text_;
  Syntax syntax_;
  std::size_t next_ = 0;
  std::uint64_t line_ = 1;
};

// A value on one line: line breaks and the white space around them become one space.
std::string Unfold(std::string_view value);

}  // namespace bulwark::formats
