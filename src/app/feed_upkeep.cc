#include "app/feed_upkeep.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/byte_source.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "formats/json.h"
#include "sandbox/spawn.h"

namespace bulwark::app {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLook = 5s, kChildLook = 100ms;
constexpr auto kLongest = 12h;  // of one round; then something hangs that should not
constexpr std::uint64_t kOrderBytes = 1 << 20;

Result<UniqueFd> InMemory(std::string_view text) {
  UniqueFd fd(::memfd_create("bulwark-feeds", MFD_CLOEXEC));
  if (!fd) return ErrnoError("make the order of the feeds");
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return ErrnoError("write the order of the feeds");
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return ErrnoError("write the order of the feeds");
  return fd;
}

Status HowItEnded(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status)) return {};  // it has said why itself, on our standard error
  return {Errc::kUnavailable, "the process that keeps advisories fresh crashed (signal " + std::to_string(WTERMSIG(status)) + ")"};
}

void WriteSource(const config::AdvisorySource& source, formats::JsonWriter& out) {
  auto text = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) out.Field(key, value);
  };
  auto texts = [&](std::string_view key, const std::vector<std::string>& values) {
    if (values.empty()) return;
    out.Key(key).BeginArray();
    for (const std::string& value : values) out.String(value);
    out.EndArray();
  };
  out.BeginObject();
  text("name", source.name);
  text("from", source.from);
  texts("urls", source.urls);
  text("format", source.format);
  texts("whole", source.whole);
  text("ca_file", source.ca_file);
  text("credentials_file", source.credentials_file);
  out.Field("plain_http", source.plain_http ? "on" : "off").Field("max_bytes", source.max_bytes).EndObject();
}

}  // namespace

std::string AdvisoryFile(const config::Config& config) {
  return config.advisory_database.empty() ? AdvisoryPath(config.data_directory) : config.advisory_database;
}

advisory::UpdateOptions UpdateOptionsOf(const config::Config& config) {
  advisory::UpdateOptions out;
  out.cache = FeedCachePath(config.data_directory);
  out.out = AdvisoryFile(config);
  out.every = config.advisory_update;
  out.sandbox = config.sandbox == config::Sandbox::kOff ? sandbox::Mode::kOff : sandbox::Mode::kRequired;
  return out;
}

std::string FeedOrder(const config::Config& config) {
  formats::JsonWriter out;  // JSON is YAML
  out.BeginObject().Key("storage").BeginObject().Field("directory", config.data_directory).EndObject();
  out.Field("sandbox", config.sandbox == config::Sandbox::kOff ? "off" : "on").Key("advisories").BeginObject();
  out.Field("database", AdvisoryFile(config)).Field("update", config.advisory_update.count() == 0 ? "off" : FormatDuration(config.advisory_update));
  if (!config.advisory_sources.empty()) {
    out.Key("sources").BeginArray();
    for (const config::AdvisorySource& source : config.advisory_sources) WriteSource(source, out);
    out.EndArray();
  }
  return out.EndObject().EndObject().Take();
}

Result<config::Config> ReadFeedOrder(int fd) {
  FileSource source(fd, kOrderBytes);
  BW_TRY(const Bytes text, ReadAll(source, kOrderBytes));
  return config::ParseConfig(AsText(text));
}

FeedUpkeep::FeedUpkeep(const config::Config& config, std::string program, const Clock& clock)
    : config_(config), program_(std::move(program)), clock_(clock) {
  if (config_.advisory_update.count() == 0) return;
  auto sources = advisory::ResolveSources(config_.advisory_sources);
  if (!sources.ok() || sources->empty()) return;
  for (const advisory::FetchSource& source : *sources) names_.push_back(source.name);
  thread_ = std::thread([this] { Run(); });
}

FeedUpkeep::~FeedUpkeep() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool FeedUpkeep::Wait(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  MutexLock lock(mutex_);
  while (!stopping_ && std::chrono::steady_clock::now() < end) changed_.wait_until(mutex_, end);
  return !stopping_;
}

bool FeedUpkeep::AnyDue() const {
  const std::string cache = FeedCachePath(config_.data_directory);
  return std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
    const Time next = advisory::ReadFeedState(cache, name).next_try;
    return clock_.Now() >= next || next - clock_.Now() > std::chrono::hours(24 * 60);  // a clock went back
  });
}

void FeedUpkeep::Run() {
  auto pause = kLook;
  while (Wait(pause)) {
    pause = kLook;
    try {
      if (!AnyDue()) continue;
      if (Status done = RunOnce(); !done.ok()) LogError(done.error().message);
    } catch (const std::exception& bug) { LogError(std::string("keeping advisories fresh: ") + bug.what()); }
    // Whatever it did not write down is not tried again at once.
    if (AnyDue()) pause = 5min;
  }
}

// Starts the process and waits for its end, or for ours.
Status FeedUpkeep::RunOnce() {
  BW_TRY(const UniqueFd order, InMemory(FeedOrder(config_)));
  const sandbox::Child child{"bulwark-feeds", "feeds", {{order.get(), STDIN_FILENO}}, STDERR_FILENO + 1, sandbox::Child::Session::kOurs,
                             sandbox::Child::Environment::kOurs};  // proxies are said there
  BW_TRY(const pid_t pid, sandbox::Spawn(program_, child));
  const auto end = std::chrono::steady_clock::now() + kLongest;
  bool killed = false;
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return killed ? Status() : HowItEnded(status);
    if (ended < 0 && errno != EINTR) return ErrnoError("wait for the process that keeps advisories fresh");
    const bool stopping = !Wait(kChildLook);
    if ((stopping || std::chrono::steady_clock::now() > end) && !std::exchange(killed, true)) ::kill(pid, SIGKILL);
    if (stopping) std::this_thread::sleep_for(1ms);
  }
}

}  // namespace bulwark::app
