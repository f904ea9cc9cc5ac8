// bulwark db build, bulwark db status (db_update.cc has the third)

#include <algorithm>
#include <optional>
#include <string>

#include "advisory/database.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"

namespace bulwark::cli {
namespace {

constexpr std::string_view kStarterWord = "starter";

void TellSource(const advisory::SourceReport& source) {
  NoteLine(source.path + " (" + source.label + "): " + std::to_string(source.records) + " records" +
           (source.skipped ? ", " + std::to_string(source.skipped) + " skipped" : "") +
           (source.errors ? ", " + std::to_string(source.errors) + " malformed" : ""));
  for (const auto& message : source.messages) NoteLine("  " + message);
}

// What the file claims to know wholly is the operator's word: whoever gave a few records of his own sees it here.
Status TellWhole(const std::string& path) {
  BW_TRY(auto index, advisory::OpenIndex(path));
  std::string names;
  for (const std::string& ecosystem : advisory::Describe(*index).whole) names += (names.empty() ? "" : ", ") + ecosystem;
  if (!names.empty()) NoteLine("taken for all that is known of " + names + ": there a package without a record reads as safe");
  return {};
}

// Sources such as Alpine's secdb state no date.
std::optional<std::int64_t> AgeInDays(Time data, Time now) {
  if (data == kNever) return std::nullopt;
  return (now - data).count() / 86'400'000;
}
std::string DateOf(Time data) { return data == kNever ? "an unknown date" : FormatDate(data); }

int Build(const DbArguments& a) {
  advisory::BuildOptions options;
  options.now = SystemClock().Now();
  options.whole = a.whole;
  options.force = a.force ? advisory::Force::kYes : advisory::Force::kNo;
  std::vector<advisory::SourceSpec> sources;
  for (const auto& text : a.sources) {
    if (text == kStarterWord) options.starter = advisory::Starter::kInclude;
    else sources.push_back(advisory::SourceSpec::Parse(text));
  }
  auto report = advisory::BuildDatabase(a.out, sources, options);
  if (!report) {
    int code = Fail(report.error());
    if (report.error().code == Errc::kConflict) NoteLine("the file that was there stays in use; --force takes the new data all the same");
    return code;
  }
  for (const auto& source : report->sources) TellSource(source);
  for (const auto& text : report->overridden) NoteLine("forced: " + text);
  NoteLine(a.out + ": " + std::to_string(report->records) + " records, " + FormatBytes(report->bytes) + ", data of " + DateOf(report->data_date));
  if (auto told = TellWhole(a.out); !told) return Fail(told.error());
  auto written = WriteOutput("", report->revision + "\n");
  return written ? kPass : Fail(written.error());
}

std::string AsJson(const std::string& name, const advisory::Description& d, Time now) {
  formats::JsonWriter out(formats::JsonWriter::Layout::kIndented);
  out.BeginObject().Field("database", name).Field("revision", d.revision).Field("data_date", FormatTime(d.data_date));
  out.Key("age_days");
  if (const auto age = AgeInDays(d.data_date, now)) out.Int(*age);
  else out.Null();
  out.Field("records", d.records).Field("packages", d.packages);
  out.Key("sources").BeginArray();
  for (const auto& source : d.sources)
    out.BeginObject().Field("name", source.name).Field("records", source.records).Field("errors", source.errors).Field("data_date", FormatTime(source.data_date)).EndObject();
  out.EndArray().Key("ecosystems").BeginObject();
  for (const auto& [ecosystem, packages] : d.ecosystems) out.Field(ecosystem, packages);
  out.EndObject().Key("whole").BeginArray();
  for (const std::string& ecosystem : d.whole) out.String(ecosystem);
  return out.EndArray().EndObject().Take() + "\n";
}

std::string AsTable(const std::string& name, const advisory::Description& d, Time now) {
  auto line = [](const std::string& key, const std::string& value) { return key + std::string(14 - std::min<std::size_t>(13, key.size()), ' ') + value + "\n"; };
  const auto age = AgeInDays(d.data_date, now);
  std::string out = line("database", name) + line("revision", d.revision);
  out += line("data of", DateOf(d.data_date) + (age ? " (" + std::to_string(*age) + " days old)" : ""));
  out += line("records", std::to_string(d.records) + " about " + std::to_string(d.packages) + " packages");
  for (const auto& source : d.sources) out += line("source", Printable(source.name) + ": " + std::to_string(source.records) + " records, of " + DateOf(source.data_date));
  for (const auto& [ecosystem, packages] : d.ecosystems) {
    bool whole = std::find(d.whole.begin(), d.whole.end(), ecosystem) != d.whole.end();
    out += line("ecosystem", Printable(ecosystem) + ": " + std::to_string(packages) + " packages, " + (whole ? "all that is known" : "a choice of records"));
  }
  return out;
}

Status ShowStatus(const DbArguments& a) {
  std::shared_ptr<const advisory::Index> index = advisory::StarterIndex();  // shared as advisory::Index documents
  if (!a.database.empty()) {
    BW_TRY(index, advisory::OpenIndex(a.database));
  }
  std::string name = a.database.empty() ? "starter data in this binary" : a.database;
  auto description = advisory::Describe(*index);
  Time now = SystemClock().Now();
  bool json = a.format.empty() ? !OutIsTerminal() : a.format == "json";
  return WriteOutput("", json ? AsJson(name, description, now) : AsTable(name, description, now));
}

}  // namespace

int RunDb(const DbArguments& a) {
  if (a.verb == DbArguments::Verb::kBuild) return Build(a);
  if (a.verb == DbArguments::Verb::kUpdate) return RunDbUpdate(a);
  auto status = ShowStatus(a);
  return status ? kPass : Fail(status.error());
}

}  // namespace bulwark::cli
