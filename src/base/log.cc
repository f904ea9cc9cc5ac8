#include "base/log.h"

#include <atomic>
#include <cstdio>

#include <unistd.h>

#include "base/clock.h"

namespace bulwark {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};  // the one mutable global: set at start, read everywhere

// Length of the valid UTF-8 sequence at `s`, and its code point; 0 if there is none.
std::size_t Decode(std::string_view s, std::uint32_t& cp) {
  auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(s[i]); };
  std::uint8_t b = byte(0);
  if (b < 0x80) { cp = b; return 1; }
  std::size_t n = b >= 0xf0 && b <= 0xf4 ? 4 : b >= 0xe0 ? 3 : b >= 0xc2 ? 2 : 0;
  if (n == 0 || b > 0xf4 || s.size() < n) return 0;
  cp = b & (0xff >> (n + 1));
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    cp = cp << 6 | (byte(i) & 0x3f);
  }
  static constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (cp < kLeast[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) return 0;
  return n;
}

bool Harmful(std::uint32_t cp) {
  return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
         (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || cp == 0x061c || (cp >= 0xfff9 && cp <= 0xfffb);
}

}  // namespace

void SetLogLevel(LogLevel level) { g_level = level; }

void Log(LogLevel level, std::string_view message) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  static constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  std::string line = FormatTime(SystemClock().Now()) + " " + kNames[int(level)] + " " + Printable(message) + "\n";
  // One write, so that lines of different threads and processes do not mix.
  [[maybe_unused]] ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
}

std::string Printable(std::string_view foreign, std::size_t limit) {
  std::string out;
  out.reserve(std::min(foreign.size(), limit));
  char buf[16];
  while (!foreign.empty()) {
    if (out.size() >= limit) return out + "…";
    std::uint32_t cp = 0;
    std::size_t n = Decode(foreign, cp);
    if (n == 0) {
      int len = std::snprintf(buf, sizeof buf, "\\x%02x", static_cast<std::uint8_t>(foreign[0]));
      out.append(buf, std::size_t(len));
      n = 1;
    } else if (Harmful(cp)) {
      int len = std::snprintf(buf, sizeof buf, "\\u%04x", cp);
      out.append(buf, std::size_t(len));
    } else {
      out.append(foreign.substr(0, n));
    }
    foreign.remove_prefix(n);
  }
  return out;
}

}  // namespace bulwark
