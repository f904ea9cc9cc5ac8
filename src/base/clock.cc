#include "base/clock.h"

#include <charconv>
#include <cstdio>

namespace bulwark {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Reads exactly `n` digits at `pos`; moves `pos`. -1 if they are not digits.
int Digits(std::string_view text, std::size_t& pos, std::size_t n) {
  if (pos + n > text.size()) return -1;
  int value = 0;
  for (std::size_t i = 0; i < n; ++i) {
    char c = text[pos + i];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  pos += n;
  return value;
}

bool Take(std::string_view text, std::size_t& pos, char c) {
  if (pos >= text.size() || text[pos] != c) return false;
  ++pos;
  return true;
}

Error Bad(std::string_view what) { return Error{Errc::kInvalid, std::string("not ") + std::string(what)}; }

}  // namespace

Time SystemClock::Now() const { return std::chrono::floor<Millis>(std::chrono::system_clock::now()); }

std::string FormatDate(Time t) {
  if (t == kNever) return "never";
  std::chrono::year_month_day ymd(std::chrono::floor<days>(t));
  char buf[32];
  std::snprintf(buf, sizeof buf, "%04d-%02u-%02u", int(ymd.year()), unsigned(ymd.month()), unsigned(ymd.day()));
  return buf;
}

std::string FormatTime(Time t) {
  if (t == kNever) return "never";
  auto day = std::chrono::floor<days>(t);
  std::chrono::hh_mm_ss<Millis> clock(t - day);
  char buf[40];
  int n = std::snprintf(buf, sizeof buf, "T%02d:%02d:%02d", int(clock.hours().count()), int(clock.minutes().count()),
                        int(clock.seconds().count()));
  std::string out = FormatDate(t) + std::string(buf, std::size_t(n));
  if (clock.subseconds().count() != 0) {
    n = std::snprintf(buf, sizeof buf, ".%03d", int(clock.subseconds().count()));
    out.append(buf, std::size_t(n));
  }
  return out + "Z";
}

Result<Time> ParseTime(std::string_view text) {
  std::size_t pos = 0;
  int year = Digits(text, pos, 4);
  if (year < 1 || !Take(text, pos, '-')) return Bad("an RFC 3339 time");
  int month = Digits(text, pos, 2);
  if (!Take(text, pos, '-')) return Bad("an RFC 3339 time");
  int day = Digits(text, pos, 2);
  std::chrono::year_month_day ymd{std::chrono::year(year), std::chrono::month(unsigned(month)), std::chrono::day(unsigned(day))};
  if (month < 0 || day < 0 || !ymd.ok()) return Bad("a date that exists");
  Time out = std::chrono::sys_days(ymd);
  if (pos == text.size()) return out;
  if (text[pos] != 'T' && text[pos] != 't' && text[pos] != ' ') return Bad("an RFC 3339 time");
  ++pos;
  int hour = Digits(text, pos, 2);
  if (!Take(text, pos, ':')) return Bad("an RFC 3339 time");
  int minute = Digits(text, pos, 2);
  if (!Take(text, pos, ':')) return Bad("an RFC 3339 time");
  int second = Digits(text, pos, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return Bad("an RFC 3339 time");
  out += hours(hour) + minutes(minute) + seconds(second);
  if (Take(text, pos, '.')) {
    int scale = 100, digits = 0;
    for (; pos < text.size() && text[pos] >= '0' && text[pos] <= '9'; ++pos, ++digits) {
      out += Millis((text[pos] - '0') * scale);
      scale /= 10;
    }
    if (digits == 0) return Bad("an RFC 3339 time");
  }
  if (pos + 1 == text.size() && (text[pos] == 'Z' || text[pos] == 'z')) return out;
  if (pos >= text.size() || (text[pos] != '+' && text[pos] != '-')) return Bad("an RFC 3339 time");
  int sign = text[pos++] == '+' ? 1 : -1;
  int oh = Digits(text, pos, 2);
  if (!Take(text, pos, ':')) return Bad("an RFC 3339 time");
  int om = Digits(text, pos, 2);
  if (oh < 0 || oh > 23 || om < 0 || om > 59 || pos != text.size()) return Bad("an RFC 3339 time");
  return out - sign * (hours(oh) + minutes(om));
}

Result<Millis> ParseDuration(std::string_view text) {
  std::int64_t n = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || n < 0 || end + 1 != text.data() + text.size() || n > 1'000'000'000)
    return Bad("a duration such as 30s, 15m, 24h or 7d");
  switch (*end) {
    case 's': return Millis(seconds(n));
    case 'm': return Millis(minutes(n));
    case 'h': return Millis(hours(n));
    case 'd': return Millis(days(n));
  }
  return Bad("a duration such as 30s, 15m, 24h or 7d");
}

std::string FormatDuration(Millis d) {
  std::int64_t s = d.count() / 1000;
  if (s % 86400 == 0 && s != 0) return std::to_string(s / 86400) + "d";
  if (s % 3600 == 0 && s != 0) return std::to_string(s / 3600) + "h";
  if (s % 60 == 0 && s != 0) return std::to_string(s / 60) + "m";
  return std::to_string(s) + "s";
}

}  // namespace bulwark
