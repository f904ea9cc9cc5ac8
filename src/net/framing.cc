#include "net/framing.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/strings.h"

namespace bulwark::net {
namespace {

constexpr std::size_t kMethodBytes = 16;
// The longest first line: method, target, version, two spaces.
constexpr std::size_t kFirstLineBytes = kMethodBytes + limits::kTargetBytes + 10;

constexpr std::array<bool, 256> TokenTable() {
  std::array<bool, 256> table{};
  for (unsigned char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    table[c] = true;
  return table;
}
constexpr std::array<bool, 256> kTokenByte = TokenTable();

bool IsTokenByte(char c) { return kTokenByte[static_cast<unsigned char>(c)]; }

struct FirstLine {
  std::string_view method, target;
  int minor = 1;
};

std::optional<Refusal> ParseVersion(std::string_view version, int& minor) {
  if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.') return Refusal{400, "malformed version"};
  if (version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9') return Refusal{400, "malformed version"};
  if (version[5] != '1' || version[7] > '1') return Refusal{505, "HTTP version not supported"};
  minor = version[7] - '0';
  return std::nullopt;
}

std::optional<Refusal> ParseFirstLine(std::string_view line, FirstLine& out) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == line.npos ? line.npos : line.find(' ', first + 1);
  if (second == line.npos || line.find(' ', second + 1) != line.npos) return Refusal{400, "malformed request line"};
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, second - first - 1);
  if (!IsToken(out.method) || out.method.size() > kMethodBytes) return Refusal{400, "malformed method"};
  if (out.target.size() > limits::kTargetBytes) return Refusal{414, "target too long"};
  // Absolute and authority forms are for proxies, the asterisk for a method that we do not have.
  if (!out.target.starts_with('/')) return Refusal{400, "target is not a path"};
  for (char c : out.target)
    if (c <= 0x20 || c >= 0x7f || c == '#') return Refusal{400, "target has a byte that it may not have"};
  return ParseVersion(line.substr(second + 1), out.minor);
}

std::optional<Refusal> ParseField(std::string_view line, Headers& headers) {
  const std::size_t colon = line.find(':');
  // A blank before the colon, or a folded line, is no token.
  if (colon == line.npos || !IsToken(line.substr(0, colon))) return Refusal{400, "malformed header field"};
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (!IsFieldValue(value)) return Refusal{400, "header value has a byte that it may not have"};
  headers.Add(std::string(line.substr(0, colon)), std::string(value));
  return std::nullopt;
}

bool HasListToken(const Headers& headers, std::string_view name, std::string_view token) {
  for (const auto& [n, value] : headers.fields()) {
    if (!EqualsIgnoreCase(n, name)) continue;
    for (std::string_view part : Split(value, ','))
      if (EqualsIgnoreCase(Trim(part), token)) return true;
  }
  return false;
}

bool IsHost(std::string_view host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
  });
}

// Fields of which a second one means that two readers could choose differently.
std::optional<Refusal> RefuseRepeated(const Headers& headers) {
  for (std::string_view name : {"Host", "Content-Length", "Transfer-Encoding", "Authorization", "Content-Type",
                                "Content-Range", "Content-Encoding", "Range", "Expect"})
    if (headers.Count(name) > 1) return Refusal{400, "a header field stands twice that may stand once"};
  return std::nullopt;
}

std::optional<Refusal> DecideFraming(RequestHead& head) {
  const auto length = head.headers.Find("Content-Length");
  const auto coding = head.headers.Find("Transfer-Encoding");
  if (coding) {
    if (head.minor == 0) return Refusal{400, "Transfer-Encoding in HTTP/1.0"};
    if (length) return Refusal{400, "both Transfer-Encoding and Content-Length"};
    if (!EqualsIgnoreCase(*coding, "chunked")) return Refusal{400, "Transfer-Encoding other than chunked"};
    head.framing = BodyFraming::kChunked;
  } else if (length) {
    const auto n = ParseUint(*length);
    if (!n || *n > INT64_MAX) return Refusal{400, "malformed Content-Length"};
    head.framing = BodyFraming::kLength;
    head.content_length = *n;
  }
  return std::nullopt;
}

std::optional<Refusal> DecideExpectation(RequestHead& head) {
  const auto expect = head.headers.Find("Expect");
  if (!expect || head.minor == 0) return std::nullopt;  // RFC 9110 section 10.1.1: ignored in HTTP/1.0
  if (!EqualsIgnoreCase(*expect, "100-continue")) return Refusal{417, "expectation not supported"};
  head.expect_continue = head.framing == BodyFraming::kChunked || head.content_length > 0;
  return std::nullopt;
}

}  // namespace

// Both look at every byte of every header, asked and answered: without a branch for each.
bool IsToken(std::string_view text) {
  bool good = !text.empty();
  for (const char c : text) good &= IsTokenByte(c);
  return good;
}

bool IsFieldValue(std::string_view text) {
  bool good = true;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    good &= (u == '\t') | ((u >= 0x20) & (u != 0x7f));
  }
  return good;
}

HeadScanner::State HeadScanner::Scan(std::string_view buffer) {
  while (state_ == State::kMore && next_ < buffer.size()) {
    if (!after_cr_) {  // bytes that say nothing, up to the next limit
      const std::size_t limit = std::min({buffer.size(), static_cast<std::size_t>(limits::kHeaderBytes),
                                          first_line_ ? line_begin_ + kFirstLineBytes : buffer.size()});
      while (next_ < limit && static_cast<unsigned char>(buffer[next_]) >= 0x20 && buffer[next_] != 0x7f) ++next_;
      if (next_ == buffer.size()) break;
    }
    const auto c = static_cast<unsigned char>(buffer[next_++]);
    if (after_cr_) {
      if (c != '\n') return Refuse(400, "CR without LF");
      after_cr_ = false;
      state_ = EndOfLine(buffer);
      if (state_ != State::kMore) break;
    } else if (c == '\r') {
      after_cr_ = true;
    } else if (c == '\n') {
      return Refuse(400, "LF without CR");
    } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
      return Refuse(400, "control byte in the head");
    }
    if (first_line_ && next_ - line_begin_ > kFirstLineBytes + 2) return Refuse(414, "request line too long");
    if (next_ > limits::kHeaderBytes) return Refuse(431, "header fields too large");
  }
  return state_;
}

HeadScanner::State HeadScanner::EndOfLine(std::string_view buffer) {
  const std::string_view line = buffer.substr(line_begin_, next_ - 2 - line_begin_);
  line_begin_ = next_;
  if (first_line_) {
    first_line_ = false;
    FirstLine parsed;
    if (auto refusal = ParseFirstLine(line, parsed)) return Refuse(refusal->status, refusal->why);
    return State::kMore;
  }
  return line.empty() ? State::kComplete : State::kMore;
}

HeadScanner::State HeadScanner::Refuse(int status, std::string_view why) {
  refusal_ = {status, why};
  return state_ = State::kRefused;
}

std::optional<Refusal> ParseRequestHead(std::string_view head, RequestHead& out) {
  HeadScanner scanner;
  switch (scanner.Scan(head)) {
    case HeadScanner::State::kMore: return Refusal{400, "incomplete head"};
    case HeadScanner::State::kRefused: return scanner.refusal();
    case HeadScanner::State::kComplete: break;
  }
  // From here on every line ends in CRLF and holds no other control than HTAB.
  std::size_t begin = head.find("\r\n");
  FirstLine first;
  if (auto refusal = ParseFirstLine(head.substr(0, begin), first)) return refusal;
  out = RequestHead{};
  out.method = first.method;
  out.target = first.target;
  out.minor = first.minor;
  for (begin += 2; begin + 2 < scanner.length();) {
    const std::size_t end = head.find("\r\n", begin);
    if (out.headers.fields().size() == limits::kHeaderFields) return Refusal{431, "too many header fields"};
    if (auto refusal = ParseField(head.substr(begin, end - begin), out.headers)) return refusal;
    begin = end + 2;
  }
  if (auto refusal = RefuseRepeated(out.headers)) return refusal;
  const auto host = out.headers.Find("Host");
  if (!host && out.minor == 1) return Refusal{400, "no Host"};
  if (host && !IsHost(*host)) return Refusal{400, "malformed Host"};
  if (auto refusal = DecideFraming(out)) return refusal;
  if (auto refusal = DecideExpectation(out)) return refusal;
  out.keep_alive = out.minor == 1 && !HasListToken(out.headers, "Connection", "close");
  return std::nullopt;
}

}  // namespace bulwark::net
