// Facts read from the changelogs of Debian's security suites, one JSON object a line:
// {"ecosystem": "Debian:12", "source": "aom", "cve": "CVE-…", "fixed": "3.6.0-1+deb12u1", "date": RFC 2822}.
// A version counts as fixed from `fixed` on; nothing is said about unfixed vulnerabilities.

#include <array>
#include <charconv>
#include <chrono>

#include "advisory/feed_json.h"
#include "advisory/feeds.h"
#include "versions/compare.h"

namespace bulwark::advisory {

bool IsDebianFacts(const Document& first) {
  dom::parser parser;
  if (first.syntax != Syntax::kJson) return false;
  const auto root = ParseFeedJson(parser, first.text);
  return root && root->is_object() && RequiredText(*root, "cve").ok() && RequiredText(*root, "source").ok() &&
         RequiredText(*root, "ecosystem").ok();
}

Status ReadDebianFacts(const Document& document, FeedOutput& out) {
  dom::parser parser;
  BW_TRY(const dom::element root, ParseFeedJson(parser, document.text));
  if (!root.is_object()) return Malformed("not an object");
  Record record;
  BW_TRY(record.package.ecosystem, RequiredText(root, "ecosystem"));
  BW_TRY(record.package.name, RequiredText(root, "source"));
  BW_TRY(record.id, RequiredText(root, "cve"));
  BW_TRY(const std::string_view fixed, RequiredText(root, "fixed"));
  BW_TRY(const auto date, OptionalText(root, "date"));
  if (!record.package.ecosystem.starts_with("Debian:")) return Malformed("the ecosystem is no Debian release");
  if (auto order = versions::CompareDeb(fixed, fixed); !order) return order.error();
  if (fixed == "0") record.state = State::kNotAffected;
  record.ranges.push_back({"", std::string(fixed), ""});
  if (date) {
    BW_TRY(record.fixed_at, ParseMailDate(*date));
    out.SawDate(record.fixed_at);
  }
  record.url = "https://security-tracker.debian.org/tracker/" + record.id;
  return out.Add(std::move(record));
}

namespace {

std::optional<int> Number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<unsigned> Month(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (kMonths[i] == name) return i + 1;
  }
  return std::nullopt;
}

// "16:54:36" or "16:54".
std::optional<std::chrono::seconds> TimeOfDay(std::string_view text) {
  int seconds = 0, scale = 3600;
  const auto parts = Split(text, ':');
  if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
  for (std::string_view part : parts) {
    const auto n = Number(part);
    if (part.size() != 2 || !n || *n > (scale == 3600 ? 23 : scale == 1 ? 60 : 59)) return std::nullopt;
    seconds += *n * scale;
    scale /= 60;
  }
  return std::chrono::seconds(seconds);
}

// "+0200"; "GMT" and "UT" are +0000.
std::optional<std::chrono::minutes> Zone(std::string_view text) {
  if (text == "GMT" || text == "UT") return std::chrono::minutes(0);
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto hours = Number(text.substr(1, 2)), minutes = Number(text.substr(3, 2));
  if (!hours || !minutes || *hours > 14 || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset(*hours * 60 + *minutes);
  return text[0] == '-' ? -offset : offset;
}

}  // namespace

Result<Time> ParseMailDate(std::string_view text) {
  if (auto comma = text.find(','); comma != std::string_view::npos) text.remove_prefix(comma + 1);
  std::vector<std::string_view> parts;
  for (std::string_view part : Split(Trim(text), ' ')) {
    if (!part.empty()) parts.push_back(part);
  }
  if (parts.size() != 5) return Malformed("not an RFC 2822 date");
  const auto day = Number(parts[0]), year = Number(parts[2]);
  const auto month = Month(parts[1]);
  const auto time = TimeOfDay(parts[3]);
  const auto zone = Zone(parts[4]);
  if (!day || !month || !year || !time || !zone || parts[2].size() != 4) return Malformed("not an RFC 2822 date");
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return Malformed("a date that does not exist");
  return Time(std::chrono::sys_days(date)) + *time - *zone;
}

}  // namespace bulwark::advisory
