#include "advisory/starter.h"

#include <cstdlib>
#include <map>

#include <fmt/format.h>

#include "advisory/cvss.h"
#include "advisory/index.h"
#include "base/log.h"
#include "base/strings.h"
#include "versions/ecosystem.h"

namespace bulwark::advisory {
namespace {

using Words = std::vector<std::string_view>;
using Vectors = std::map<std::string_view, std::string_view, std::less<>>;

Error Bad(std::string_view file, std::size_t line, std::string_view why) {
  return Error{Errc::kInvalid, fmt::format("starter set, {}.txt line {}: {}", file, line, why)};
}

// Calls `each` with the words of every line that is no comment; returns the date of the "date YYYY-MM-DD" line.
template <typename F>
Result<Time> EachLine(std::string_view file, std::string_view text, F&& each) {
  Time date = kNever;
  std::size_t number = 0;
  for (std::string_view line : Split(text, '\n')) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const Words words = Split(line, ' ');
    if (words.size() < 2) return Bad(file, number, "too few words");
    if (words[0] == "date") {
      BW_TRY(date, ParseTime(words[1]));
      continue;
    }
    if (Status read = each(words); !read) return Bad(file, number, read.error().message);
  }
  return date;
}

void Rate(Record& record, std::string_view vector) {
  const auto score = ScoreVector(vector);
  if (!score) return;
  record.vector = vector;
  record.score = score->score;
  record.severity = score->severity;
}

// "release Debian:12", "source aom", then "FIXED DATE CVE…" of that source in that release.
Status ReadDebian(std::string_view text, const Vectors& vectors, Builder& builder) {
  constexpr std::string_view kSource = "starter-debian";
  versions::PackageKey package;
  std::uint64_t records = 0;
  auto line = [&](const Words& words) -> Status {
    if (words[0] == "release" || words[0] == "source") {
      (words[0] == "release" ? package.ecosystem : package.name) = words[1];
      return {};
    }
    BW_TRY(const Time date, ParseTime(words[1]));
    for (std::size_t i = 2; i < words.size(); ++i) {
      Record record;
      record.id = words[i];
      record.package = package;
      record.ranges.push_back({"", std::string(words[0]), ""});
      record.source = kSource;
      record.fixed_at = date;
      record.url = "https://security-tracker.debian.org/tracker/" + record.id;
      if (auto it = vectors.find(record.id); it != vectors.end()) Rate(record, it->second);
      ++records;
      BW_CHECK(builder.Add(std::move(record)));
    }
    return {};
  };
  BW_TRY(const Time date, EachLine("debian", text, line));
  builder.AddSource({std::string(kSource), records, 0, date});
  return {};
}

// "LOW..HIGH" (HIGH not affected), "LOW..=HIGH" (affected), "LOW.." (for ever), separated by "|".
Result<std::vector<Range>> ParseRanges(std::string_view text) {
  std::vector<Range> out;
  for (std::string_view part : Split(text, '|')) {
    const auto dots = part.find("..");
    if (dots == std::string_view::npos) return Error{Errc::kInvalid, "a range without \"..\""};
    Range range;
    range.introduced = part.substr(0, dots);
    std::string_view high = part.substr(dots + 2);
    if (high.starts_with('=')) range.last_affected = high.substr(1);
    else range.fixed = high;
    out.push_back(std::move(range));
  }
  return out;
}

// "ECOSYSTEM PACKAGE ID[,ALIAS…] RANGES VECTOR".
Status ReadLanguage(std::string_view text, Builder& builder) {
  constexpr std::string_view kSource = "starter-language";
  std::uint64_t records = 0;
  auto line = [&](const Words& words) -> Status {
    if (words.size() != 5) return Error{Errc::kInvalid, "five words are needed"};
    const auto ecosystem = versions::ParseEcosystem(words[0]);
    if (!ecosystem) return Error{Errc::kInvalid, "an unknown ecosystem"};
    Record record;
    record.package = {std::string(versions::Name(*ecosystem)), versions::NormalizeName(*ecosystem, words[1])};
    const Words ids = Split(words[2], ',');
    record.id = ids[0];
    record.aliases.assign(ids.begin() + 1, ids.end());
    BW_TRY(record.ranges, ParseRanges(words[3]));
    Rate(record, words[4]);
    if (record.severity == Severity::kUnknown) return Error{Errc::kInvalid, "not a CVSS vector"};
    record.source = kSource;
    record.url = "https://nvd.nist.gov/vuln/detail/" + record.id;
    ++records;
    return builder.Add(std::move(record));
  };
  BW_TRY(const Time date, EachLine("language", text, line));
  builder.AddSource({std::string(kSource), records, 0, date});
  return {};
}

// "CVE DATE".
Status ReadKev(std::string_view text, Builder& builder) {
  std::uint64_t records = 0;
  auto line = [&](const Words& words) -> Status {
    BW_TRY(const Time added, ParseTime(words[1]));
    ++records;
    return builder.AddKnownExploited({std::string(words[0]), added});
  };
  BW_TRY(const Time date, EachLine("kev", text, line));
  builder.AddSource({"starter-kev", records, 0, date}, Builder::Says::kBesides);
  return {};
}

}  // namespace

Status ReadStarterTexts(const StarterTexts& texts, Builder& builder) {
  Vectors vectors;
  auto vector = [&](const Words& words) -> Status {
    if (!ScoreVector(words[1])) return Error{Errc::kInvalid, "not a CVSS vector"};
    vectors.emplace(words[0], words[1]);
    return {};
  };
  BW_CHECK(EachLine("cvss", texts.cvss, vector));
  BW_CHECK(ReadDebian(texts.debian, vectors, builder));
  BW_CHECK(ReadLanguage(texts.language, builder));
  return ReadKev(texts.kev, builder);
}

Status AddStarterSet(Builder& builder) { return ReadStarterTexts(EmbeddedStarterTexts(), builder); }

// Built at first use in a few milliseconds from texts that tests check: a failure is a bug.
std::shared_ptr<const Index> StarterIndex() {
  static const std::shared_ptr<const Index> kStarter = [] {
    Builder builder;
    Status added = AddStarterSet(builder);
    auto bytes = added ? builder.Finish() : Result<std::string>(added.error());
    auto index = bytes ? IndexOfBytes(*std::move(bytes)) : Result<std::shared_ptr<const Index>>(bytes.error());
    if (!index) {
      LogError(index.error().message);
      std::abort();
    }
    return *index;
  }();
  return kStarter;
}

}  // namespace bulwark::advisory
