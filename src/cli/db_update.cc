// bulwark db update, and the process that the server starts for the same (`bulwark feeds`).

#include <cerrno>
#include <csignal>
#include <string>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "advisory/update.h"
#include "app/feed_upkeep.h"
#include "base/byte_source.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "config/config.h"

namespace bulwark::cli {
namespace {

using advisory::Came;

std::string AgeOf(Time then, Time now) {
  if (then == kNever) return "never";
  const auto hours = std::chrono::duration_cast<std::chrono::hours>(now - then).count();
  return hours < 48 ? std::to_string(hours) + " hours ago" : std::to_string(hours / 24) + " days ago";
}

std::string LineOf(const advisory::SourceUpdate& source, Time now) {
  const advisory::FeedState& s = source.state;
  switch (source.came) {
    case Came::kNew: return s.name + ": new, " + std::to_string(s.records) + " records, " + FormatBytes(s.bytes);
    case Came::kUnchanged: return s.name + ": unchanged, " + std::to_string(s.records) + " records";
    case Came::kNotDue: return s.name + ": not due before " + FormatTime(s.next_try);
    case Came::kFailed: break;
  }
  const bool kept = !s.sha256.empty();
  return s.name + ": " + Printable(s.error) + (kept ? "; what was checked " + AgeOf(s.checked, now) + " stays in use" : "; nothing of it is in use");
}

// Known sources by their names: for who has no configuration.
std::vector<config::AdvisorySource> ByName(const std::vector<std::string>& names) {
  std::vector<config::AdvisorySource> out;
  for (const std::string& name : names) out.emplace_back().from = name;
  return out;
}

Result<config::Config> ConfigOf(const DbArguments& a) {
  config::Config config;
  if (!a.config.empty()) {
    BW_TRY(config, config::LoadConfig(a.config));
  } else {
    config.advisory_sources = ByName(a.sources);
  }
  if (!a.data.empty()) config.data_directory = a.data;
  if (!a.out.empty()) config.advisory_database = a.out;
  if (config.advisory_sources.empty()) return Error{Errc::kInvalid, "no source of advisories: name some, or see advisories.sources in docs/config.md"};
  return config;
}

int Tell(const advisory::UpdateReport& report, const std::string& out) {
  const Time now = SystemClock().Now();
  bool failed = !report.refused.empty();
  for (const auto& source : report.sources) {
    NoteLine(LineOf(source, now));
    failed = failed || source.came == Came::kFailed;
  }
  if (!report.refused.empty()) ErrorLine(out + " stays as it was: " + Printable(report.refused));
  else NoteLine(out + (report.replaced ? " is new" : " is up to date"));
  return failed ? kCouldNot : kPass;
}

}  // namespace

int RunDbUpdate(const DbArguments& a) {
  auto config = ConfigOf(a);
  if (!config) return config.error().code == Errc::kInvalid ? FailUsage(config.error()) : Fail(config.error());
  auto sources = advisory::ResolveSources(config->advisory_sources);
  if (!sources) return FailUsage(sources.error());
  if (::mkdir(config->data_directory.c_str(), 0700) != 0 && errno != EEXIST) return Fail(ErrnoError("make " + config->data_directory));
  advisory::UpdateOptions options = app::UpdateOptionsOf(*config);
  options.every = Millis(0);  // by hand: the server's round comes when it comes
  options.force = a.force;
  auto report = advisory::Update(*sources, options, SystemClock());
  return report ? Tell(*report, options.out) : Fail(report.error());
}

// Reads the job from standard input. The server kills it when it stops; what was downloaded half is gone on with later.
int RunFeeds() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::setpriority(PRIO_PROCESS, 0, 10);  // nobody waits for it
  auto config = app::ReadFeedOrder(STDIN_FILENO);
  if (!config) return Fail(config.error());
  auto sources = advisory::ResolveSources(config->advisory_sources);
  if (!sources) return Fail(sources.error());
  advisory::UpdateOptions options = app::UpdateOptionsOf(*config);
  options.which = advisory::Which::kDue;
  auto report = advisory::Update(*sources, options, SystemClock());
  if (!report) return Fail(report.error());
  for (const auto& source : report->sources) {
    if (source.came == Came::kNew) LogInfo("advisory source " + LineOf(source, SystemClock().Now()));
    if (source.came == Came::kFailed) LogWarning("advisory source " + LineOf(source, SystemClock().Now()));
  }
  if (!report->refused.empty()) LogWarning(options.out + " stays as it was: " + Printable(report->refused));
  return kPass;
}

}  // namespace bulwark::cli
