// EPSS (first.org/epss): how likely exploitation within 30 days is, by CVE. "#model_version:…,score_date:…" (missing in copies),
// the header "cve,epss,percentile", then a line a CVE.

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "advisory/feeds.h"
#include "advisory/osv_ids.h"
#include "base/strings.h"

namespace bulwark::advisory {
namespace {

constexpr std::string_view kHeader = "cve,epss,percentile";
constexpr std::string_view kDate = "score_date:";

Error Malformed(std::string_view why) { return Error{Errc::kInvalid, std::string(why)}; }

// Without the end of the line.
std::string_view TakeLine(std::string_view& rest) {
  const auto end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Result<double> ReadPart(std::string_view text) {
  double value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= 1)) return Malformed("no number from 0 to 1");
  return value;
}

Result<Epss> ReadLine(std::string_view line) {
  const auto parts = Split(line, ',');
  if (parts.size() != 3 || CveIn(parts[0]) != parts[0]) return Malformed("not a CVE and two numbers");
  BW_TRY(const double score, ReadPart(parts[1]));
  BW_TRY(const double percentile, ReadPart(parts[2]));
  return Epss{std::string(parts[0]), score, percentile};
}

// The comment line, if there is one.
void ReadComment(std::string_view& rest, FeedOutput& out) {
  if (!rest.starts_with('#')) return;
  const std::string_view line = TakeLine(rest);
  const auto at = line.find(kDate);
  if (at == line.npos) return;
  // The day alone: the zone is written "+0000".
  if (auto time = ParseTime(line.substr(at + kDate.size(), 10))) out.SawDate(*time);
}

}  // namespace

bool IsEpss(const Document& first) {
  std::string_view rest = first.text;
  if (first.syntax != Syntax::kCsv) return false;
  if (rest.starts_with('#')) TakeLine(rest);
  return TakeLine(rest) == kHeader;
}

Status ReadEpss(const Document& document, FeedOutput& out) {
  std::string_view rest = document.text;
  ReadComment(rest, out);
  if (TakeLine(rest) != kHeader) return Malformed(fmt::format("the header is not {}", kHeader));
  for (std::uint64_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = TakeLine(rest);
    if (line.empty()) continue;
    out.CountItems(1);
    auto entry = ReadLine(line);
    if (!entry) out.CountError(fmt::format("{}: row {}", document.name, number), entry.error());
    else BW_CHECK(out.Add(*std::move(entry)));
  }
  return {};
}

}  // namespace bulwark::advisory
