#pragma once
// HTTP/1.1 message framing (RFC 9112), as strictly as a server may be: wherever two implementations could see different
// message boundaries, the request is refused and the connection ends (attacks.md, "HTTP/1.1 framing"). Pure functions on
// bytes; the server does the reading. docs/adr/0002-http-framing.md says why this is our own.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_message.h"

namespace bulwark::net {

// Why a message was refused, and the status that says so. `why` is a literal.
struct Refusal {
  int status = 400;
  std::string_view why;
};

enum class BodyFraming : std::uint8_t { kNone, kLength, kChunked };

struct RequestHead {
  std::string method;
  std::string target;   // origin form: begins with "/"; visible ASCII without "#"
  int minor = 1;        // HTTP/1.<minor>, 0 or 1
  Headers headers;
  BodyFraming framing = BodyFraming::kNone;
  std::uint64_t content_length = 0;   // of kLength
  bool keep_alive = true;             // HTTP/1.0 never is
  bool expect_continue = false;       // there is a body and the client waits for leave to send it
};

// Finds the end of a head in bytes that arrive piece by piece, and refuses what cannot become one as soon as it is
// seen: bare CR or LF, controls, an empty or malformed first line, more than limits::kHeaderBytes.
class HeadScanner {
 public:
  enum class State { kMore, kComplete, kRefused };
  // `buffer` begins with what was fed before and adds to it.
  State Scan(std::string_view buffer);
  std::size_t length() const { return next_; }  // of the head, its blank line included, once kComplete
  const Refusal& refusal() const { return refusal_; }

 private:
  State Refuse(int status, std::string_view why);
  State EndOfLine(std::string_view buffer);

  std::size_t next_ = 0;        // first byte not looked at
  std::size_t line_begin_ = 0;
  State state_ = State::kMore;
  bool first_line_ = true;
  bool after_cr_ = false;
  Refusal refusal_;
};

// A complete head, blank line included.
std::optional<Refusal> ParseRequestHead(std::string_view head, RequestHead& out);

bool IsToken(std::string_view text);        // RFC 9110 section 5.6.2
bool IsFieldValue(std::string_view text);   // no controls but HTAB; obs-text allowed

}  // namespace bulwark::net
