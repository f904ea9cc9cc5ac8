#pragma once
// simdjson for package.json and lock files: fast, without a tree in memory. Its errors appear while walking, so every
// step is checked.

#include <memory>
#include <string>

#include <simdjson.h>

#include "base/byte_source.h"
#include "base/result.h"

namespace bulwark::catalog {

// Success, or kCorrupt with simdjson's words (kLimit for depth).
Status Checked(simdjson::error_code code);

// One JSON document with the padding that simdjson needs (a copy). Movable; the document points into it.
class JsonText {
 public:
  // kLimit above `limit` bytes; kCorrupt for what is no JSON from the start. A byte order mark is skipped, as npm does.
  static Result<JsonText> Open(ByteSpan bytes, std::uint64_t limit);
  simdjson::ondemand::document& document() { return state_->document; }

 private:
  struct State {
    simdjson::padded_string text;
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
  };
  std::unique_ptr<State> state_;
};

// Sets `into` and returns true if the value is a string.
bool TextOf(simdjson::ondemand::value value, std::string& into);
// True only for the literal true.
bool IsTrue(simdjson::ondemand::value value);

}  // namespace bulwark::catalog
