#include "advisory/update.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>

#include <fmt/format.h>

#include "advisory/database.h"
#include "advisory/feed_worker.h"
#include "advisory/index.h"
#include "base/byte_source.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "crypto/hash.h"

namespace bulwark::advisory {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// Even a server that says "unchanged" for ever is asked for the whole file now and then (attacks: data-rollback-and-freeze).
constexpr Millis kTrustUnchanged = hours(24 * 7);
constexpr Millis kClockSkew = hours(24);
constexpr Millis kFirstRetry = minutes(5), kLongestRetry = hours(6), kLongestPatience = hours(24 * 7);
constexpr std::uint64_t kKeptOfTen = 6;  // of what was there before; less is refused

bool Shrunken(std::uint64_t before, std::uint64_t after) { return after * 10 < before * kKeptOfTen; }

Result<UniqueFd> Lock(const std::string& cache) {
  if (::mkdir(cache.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoError("make " + cache);
  UniqueFd fd(::open((cache + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return ErrnoError("open " + cache + "/lock");
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return Error{Errc::kConflict, "another update is under way in " + cache};
  return ErrnoError("lock " + cache);
}

Result<std::string> HashOf(const std::string& path, std::uint64_t& size) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return ErrnoError("open " + path);
  struct ::stat info{};
  if (::fstat(fd.get(), &info) != 0) return ErrnoError("read the size of " + path);
  size = static_cast<std::uint64_t>(info.st_size);
  FileSource source(fd.get(), size);
  crypto::Hasher hasher(crypto::HashKind::kSha256);
  Bytes buffer(256 << 10);
  while (true) {
    BW_TRY(const std::size_t n, source.Read(buffer));
    if (n == 0) return hasher.FinishDigest().str();
    hasher.Update(ByteSpan(buffer).first(n));
  }
}

Millis Jittered(Millis time) {
  static std::minstd_rand random(std::random_device{}());
  return time * std::uniform_int_distribution<int>(90, 110)(random) / 100;
}

std::shared_ptr<const Index> OpenOld(const std::string& path) {
  auto index = OpenIndex(path);
  if (index.ok()) return *index;
  if (index.error().code != Errc::kNotFound) LogWarning("the file to be replaced: " + index.error().message);
  return nullptr;
}

std::string Older(const std::string& what, Time after, Time before) {
  const std::string in_use = "that in use is of " + FormatTime(before);
  return what + (after == kNever ? " states no date, " : " is of " + FormatTime(after) + ", ") + in_use;
}

// Of each source that states a date, and of the whole where every source does. A source that was given up is the
// operator's choice; how much may go with it is checked by the number of records.
std::optional<std::string> WhyOlder(const Index& before, const Index& after) {
  const Time old = before.data_date(), now = after.data_date();
  if (old != kNever && (now == kNever || now < old)) return Older("the advisory data", now, old);
  std::map<std::string, Time> dates;
  for (const SourceInfo& source : after.sources()) dates[source.name] = source.data_date;
  for (const SourceInfo& source : before.sources()) {
    const auto it = dates.find(source.name);
    if (source.data_date == kNever || it == dates.end()) continue;
    if (it->second == kNever || it->second < source.data_date) return Older("source " + source.name + " of the advisory data", it->second, source.data_date);
  }
  return std::nullopt;
}

class Updater {
 public:
  Updater(const UpdateOptions& options, Time now) : options_(options), now_(now) {}

  SourceUpdate One(const FetchSource& source);
  void Build(const std::vector<FetchSource>& sources, UpdateReport& report);

 private:
  bool IsWhole(const FeedState& state);
  bool IsDue(const FeedState& state);
  Status Take(const FetchSource& source, Fetched fetched, const std::string& part, FeedState& state);
  std::vector<std::string> DoubtsOf(const FeedLook& look, const FeedState& before);
  Result<FeedLook> Look(const FetchSource& source, const std::string& part);
  void Failed(const Error& error, Millis patience, FeedState& state);
  Result<bool> Replace(const std::vector<FetchSource>& sources, const std::vector<const FeedState*>& good);
  Result<std::string> Bytes(const std::vector<FetchSource>& sources, const std::vector<const FeedState*>& good, const Index* before);

  const UpdateOptions& options_;
  const Time now_;
};

// A download that is gone, cut or changed is no download: no "unchanged" of a server makes it one.
bool Updater::IsWhole(const FeedState& state) {
  if (state.sha256.empty() || state.format.empty()) return false;
  std::uint64_t size = 0;
  auto hash = HashOf(FeedPath(options_.cache, state), size);
  if (hash.ok() && *hash == state.sha256 && size == state.bytes) return true;
  LogWarning(fmt::format("advisory source {}: the last download is gone or damaged", state.name));
  return false;
}

bool Updater::IsDue(const FeedState& state) {
  if (options_.which == Which::kAll || now_ >= state.next_try) return true;
  return state.next_try - now_ > 2 * std::max(kLongestPatience, options_.every);  // a clock went back
}

SourceUpdate Updater::One(const FetchSource& source) {
  SourceUpdate out;
  FeedState& state = out.state;
  state = ReadFeedState(options_.cache, source.name);
  const bool whole = IsWhole(state) && state.format == source.format;
  if (!whole) state.sha256.clear();
  if (!IsDue(state)) return out;
  const bool trusted = whole && state.fetched != kNever && now_ >= state.fetched && now_ - state.fetched < kTrustUnchanged;
  const std::string part = options_.cache + "/" + source.name + ".part";
  std::optional<Millis> patience;
  auto fetched = Fetch(source, trusted ? &state.validators : nullptr, part, options_.fetch, patience);
  Status taken = fetched.ok() ? Status() : Status(fetched.error());
  out.came = fetched.ok() && fetched->unchanged ? Came::kUnchanged : Came::kNew;
  if (out.came == Came::kNew && taken.ok()) taken = Take(source, *std::move(fetched), part, state);
  if (taken.ok()) {
    state.checked = now_;
    state.failures = 0;
    state.error.clear();
    state.next_try = now_ + Jittered(options_.every);
  } else {
    out.came = Came::kFailed;
    Failed(taken.error(), patience.value_or(Millis(0)), state);
  }
  if (Status written = WriteFeedState(options_.cache, state); !written.ok()) LogError(written.error().message);
  return out;
}

void Updater::Failed(const Error& error, Millis patience, FeedState& state) {
  state.error = error.message;
  state.failed = now_;
  const auto doublings = std::min<std::uint64_t>(state.failures++, 10);
  state.next_try = now_ + std::max(Jittered(std::min(kFirstRetry * (1 << doublings), kLongestRetry)), std::min(patience, kLongestPatience));
}

Result<FeedLook> Updater::Look(const FetchSource& source, const std::string& part) {
  if (source.format != kFinishedFormat) return LookAtFeed(part, source.format, now_, options_.sandbox);
  BW_TRY(const auto index, OpenIndex(part));
  return FeedLook{index->records(), index->records(), 0, "", index->data_date()};
}

std::vector<std::string> Updater::DoubtsOf(const FeedLook& look, const FeedState& before) {
  std::vector<std::string> out;
  if (look.errors * 100 > look.items) out.push_back(fmt::format("{} of {} items are malformed, first: {}", look.errors, look.items, Printable(look.first_problem, 300)));
  if (look.records == 0) out.push_back("not one record");
  if (look.data_date != kNever && look.data_date > now_ + kClockSkew) out.push_back(fmt::format("it is of {}, which is to come", FormatTime(look.data_date)));
  if (Shrunken(before.records, look.records)) out.push_back(fmt::format("it has shrunk from {} to {} records", before.records, look.records));
  if (before.data_date != kNever && (look.data_date == kNever || look.data_date < before.data_date))
    out.push_back(fmt::format("it is of {}, older than the one before, of {}", FormatTime(look.data_date), FormatTime(before.data_date)));
  return out;
}

// Puts a download in the place of the last good one if it is as good.
Status Updater::Take(const FetchSource& source, Fetched fetched, const std::string& part, FeedState& state) {
  auto look = Look(source, part);
  if (!look.ok()) {
    ::unlink(part.c_str());
    return look.error().Wrap("the download is not taken");
  }
  const auto doubts = DoubtsOf(*look, state);
  if (!doubts.empty() && !options_.force) {
    ::unlink(part.c_str());
    return Error{Errc::kConflict, fmt::format("the download is not taken: {}", fmt::join(doubts, "; "))};
  }
  for (const std::string& doubt : doubts) LogWarning(fmt::format("advisory source {}, forced: {}", source.name, doubt));
  FeedState next = state;
  BW_TRY(next.sha256, HashOf(part, next.bytes));
  next.format = source.format;
  next.validators = std::move(fetched.validators);
  next.records = look->records;
  next.data_date = look->data_date == kNever ? kNever : std::min(look->data_date, now_);
  next.fetched = now_;
  if (!state.format.empty() && state.format != next.format) ::unlink(FeedPath(options_.cache, state).c_str());
  // Between the two a crash leaves a file that does not fit its state: it is fetched anew.
  if (::rename(part.c_str(), FeedPath(options_.cache, next).c_str()) != 0) return ErrnoError("keep the download of " + source.name);
  state = std::move(next);
  return {};
}

Result<std::string> Updater::Bytes(const std::vector<FetchSource>& sources, const std::vector<const FeedState*>& good, const Index* before) {
  if (sources.size() == 1 && sources[0].format == kFinishedFormat) return ReadFile(FeedPath(options_.cache, *good[0]), sources[0].max_bytes);
  BuildOptions build;
  build.now = now_;
  build.force = options_.force ? Force::kYes : Force::kNo;
  std::vector<SourceSpec> specs;
  for (const FetchSource& source : sources) {
    const auto state = std::find_if(good.begin(), good.end(), [&](const FeedState* s) { return s->name == source.name; });
    if (state == good.end()) continue;
    specs.push_back({FeedPath(options_.cache, **state), ""});
    build.whole.insert(build.whole.end(), source.whole.begin(), source.whole.end());
  }
  return BuildFromFeeds(specs, before, build, options_.sandbox);
}

// Whether the advisory file is another one now.
Result<bool> Updater::Replace(const std::vector<FetchSource>& sources, const std::vector<const FeedState*>& good) {
  const auto before = OpenOld(options_.out);
  BW_TRY(const std::string bytes, Bytes(sources, good, before.get()));
  // From here on only the file's bytes: they are checked as a reader checks them before they take the old ones' place.
  BW_TRY(const auto after, IndexOfBytes(bytes));
  if (before && before->revision() == after->revision()) return false;
  // Nothing newer would ever be taken after it.
  if (after->data_date() != kNever && after->data_date() > now_ + kClockSkew)
    return Error{Errc::kConflict, "the advisory data says it is of " + FormatTime(after->data_date()) + ", which is to come"};
  if (const auto why = before && !options_.force ? WhyNoSuccessor(*before, *after) : std::nullopt) return Error{Errc::kConflict, *why};
  BW_CHECK(WriteFileAtomically(options_.out, bytes));
  return true;
}

void Updater::Build(const std::vector<FetchSource>& sources, UpdateReport& report) {
  std::vector<const FeedState*> good;
  BuildState now;
  for (const SourceUpdate& source : report.sources) {
    if (source.state.sha256.empty()) continue;
    good.push_back(&source.state);
    now.inputs.push_back(source.state.name + " " + source.state.sha256);
  }
  if (good.empty()) {
    report.refused = "no source has given anything yet";
    return;
  }
  const BuildState last = ReadBuildState(options_.cache);
  const bool there = ::access(options_.out.c_str(), F_OK) == 0;
  const bool again = options_.which == Which::kAll && !last.error.empty();
  if (there && last.inputs == now.inputs && !again && !options_.force) {
    report.refused = last.error;
    return;
  }
  auto replaced = Replace(sources, good);
  if (replaced.ok()) report.replaced = *replaced;
  else report.refused = replaced.error().message;
  now.error = report.refused;
  now.at = now_;
  if (Status written = WriteBuildState(options_.cache, now); !written.ok()) LogError(written.error().message);
}

}  // namespace

std::optional<std::string> WhyNoSuccessor(const Index& before, const Index& after) {
  if (before.revision() == StarterIndex()->revision()) return std::nullopt;
  if (auto older = WhyOlder(before, after)) return older;
  if (Shrunken(before.records(), after.records()))
    return "the advisory data has " + std::to_string(after.records()) + " records, that in use " + std::to_string(before.records());
  return std::nullopt;
}

Result<UpdateReport> Update(const std::vector<FetchSource>& sources, const UpdateOptions& options, const Clock& clock) {
  BW_TRY(const UniqueFd lock, Lock(options.cache));
  Updater updater(options, clock.Now());
  UpdateReport report;
  for (const FetchSource& source : sources) report.sources.push_back(updater.One(source));
  updater.Build(sources, report);
  return report;
}

}  // namespace bulwark::advisory
