// Whatever bytes come: a head is accepted alike whole and piece by piece, and what is accepted has exactly one reading.
#include <cstdlib>

#include "net/framing.h"

using namespace bulwark::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  HeadScanner whole;
  const auto state = whole.Scan(bytes);
  HeadScanner pieces;
  auto piecewise = HeadScanner::State::kMore;
  for (std::size_t n = 0; n <= size && piecewise == HeadScanner::State::kMore; n += 1 + n / 3) piecewise = pieces.Scan(bytes.substr(0, n));
  if (piecewise == HeadScanner::State::kMore) piecewise = pieces.Scan(bytes);
  if (state != piecewise) std::abort();
  RequestHead head;
  if (state != HeadScanner::State::kComplete || ParseRequestHead(bytes, head)) return 0;
  if (whole.length() != pieces.length() || whole.length() > size) std::abort();
  if (bytes.substr(whole.length() - 4, 4) != "\r\n\r\n" || bytes.find("\r\n\r\n") + 4 != whole.length())
    std::abort();
  if (head.framing == BodyFraming::kChunked && (head.headers.Find("Content-Length") || head.minor == 0)) std::abort();
  if (head.headers.Count("Content-Length") > 1 || head.headers.Count("Host") > 1) std::abort();
  for (const auto& [name, value] : head.headers.fields())
    if (!IsToken(name) || !IsFieldValue(value)) std::abort();
  return 0;
}
