#include "service/data.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "advisory/update.h"
#include "audit/audit.h"
#include "base/log.h"
#include "service/inputs.h"
#include "service/rights.h"

namespace bulwark::service {
namespace {

std::string Identity(const std::string& path) {
  struct ::stat info{};
  if (path.empty() || ::stat(path.c_str(), &info) != 0) return {};
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) + ":" + std::to_string(info.st_size) + ":" +
         std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
}

Status LoggedIn(const Caller& caller) {
  if (caller.principal.kind == auth::PrincipalKind::kAnonymous) return Error{Errc::kUnauthenticated, "log in first"};
  return {};
}

// Opened once and read whole through the same descriptor: what is sent is what was checked.
Result<std::shared_ptr<const DataFile>> OpenFile(const std::string& path) {
  auto file = std::make_shared<DataFile>();
  file->fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file->fd) return ErrnoError("open " + path);
  struct ::stat info{};
  if (::fstat(file->fd.get(), &info) != 0) return ErrnoError("read the size of " + path);
  file->size = static_cast<std::uint64_t>(info.st_size);
  BW_TRY(auto index, advisory::OpenIndex("/proc/self/fd/" + std::to_string(file->fd.get())));
  file->revision = index->revision();
  return std::shared_ptr<const DataFile>(std::move(file));
}

// One family of the exposition format.
class Family {
 public:
  Family(std::string& out, std::string_view name, std::string_view help) : out_(out), name_(name) {
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" gauge\n");
  }
  void Row(const std::string& source, std::int64_t value) {
    out_.append(name_);
    if (!source.empty()) out_.append("{source=\"").append(source).append("\"}");
    out_.append(" ").append(std::to_string(value)).append("\n");
  }

 private:
  std::string& out_;
  std::string_view name_;
};

std::int64_t Seconds(Time time) { return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(); }

}  // namespace

Result<std::shared_ptr<const advisory::Index>> Data::Load(const std::string& path) {
  if (path.empty()) return advisory::StarterIndex();
  auto index = advisory::OpenIndex(path);
  if (!index && index.error().code == Errc::kNotFound) return advisory::StarterIndex();
  return index;
}

DataStatus Data::Describe() {
  auto index = service_.inputs().Current()->index;
  DataStatus out{index->revision(), "", index->data_date(), index->records(), index->sources(), "", {}, ""};
  for (const std::string& name : feeds_.names) out.feeds.push_back(advisory::ReadFeedState(feeds_.cache, name));
  if (!feeds_.names.empty()) out.update_problem = advisory::ReadBuildState(feeds_.cache).error;
  if (out.revision != advisory::StarterIndex()->revision()) out.path = path_;
  MutexLock lock(mutex_);
  out.problem = problem_;
  return out;
}

Result<DataStatus> Data::Status(const Caller& caller) {
  BW_CHECK(LoggedIn(caller));
  return Describe();
}

Result<std::shared_ptr<const DataFile>> Data::File(const Caller& caller) {
  BW_CHECK(LoggedIn(caller));
  const std::string revision = service_.inputs().Current()->index->revision();
  {
    MutexLock lock(mutex_);
    if (file_ && file_->revision == revision) return file_;
  }
  if (path_.empty() || revision == advisory::StarterIndex()->revision())
    return Error{Errc::kNotFound, "the data in use is the starter data of the program: there is no file of it"};
  auto opened = OpenFile(path_);
  if (!opened.ok() || (*opened)->revision != revision)
    return Error{Errc::kUnavailable, "the advisory file on disk is not the one in use"};
  MutexLock lock(mutex_);
  file_ = *opened;
  return *std::move(opened);
}

std::string Data::Metrics() {
  const DataStatus status = Describe();
  std::string out;
  Family(out, "bulwark_advisory_records", "Records of the advisory data in use.").Row("", static_cast<std::int64_t>(status.records));
  if (status.date != kNever) Family(out, "bulwark_advisory_date_seconds", "Date of the advisory data in use, Unix time.").Row("", Seconds(status.date));
  Family(out, "bulwark_advisory_refused", "1: newer advisory data was refused.").Row("", status.problem.empty() && status.update_problem.empty() ? 0 : 1);
  if (status.feeds.empty()) return out;
  Family failures(out, "bulwark_advisory_source_failures", "Failed tries to fetch the source since the last good one.");
  for (const auto& feed : status.feeds) failures.Row(feed.name, static_cast<std::int64_t>(feed.failures));
  Family checked(out, "bulwark_advisory_source_checked_seconds", "When the source was last fetched or found unchanged, Unix time; 0: never.");
  for (const auto& feed : status.feeds) checked.Row(feed.name, feed.checked == kNever ? 0 : Seconds(feed.checked));
  Family next(out, "bulwark_advisory_source_next_try_seconds", "When the source is asked again, Unix time.");
  for (const auto& feed : status.feeds) next.Row(feed.name, Seconds(feed.next_try));
  return out;
}

Result<DataStatus> Data::Reload(const Caller& caller) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, auth::Verb::kAdmin, "data.reload", "advisory-data"));
  BW_CHECK(Swap(caller));
  return Describe();
}

bulwark::Status Data::ReloadIfChanged() {
  std::string now = Identity(path_);
  {
    MutexLock lock(mutex_);
    if (now.empty() || now == seen_) return {};
    if (seen_.empty() && service_.inputs().Current()->index->revision() != advisory::StarterIndex()->revision()) {
      seen_ = now;  // what was opened at start
      return {};
    }
    seen_ = now;
  }
  Caller system;
  system.principal.kind = auth::PrincipalKind::kSystem;
  system.principal.name = "system";
  return Swap(system);
}

bulwark::Status Data::Swap(const Caller& caller) {
  MutexLock one(swapping_);
  auto before = service_.inputs().Current()->index;
  auto swapped = [&]() -> bulwark::Status {
    BW_TRY(auto after, Load(path_));
    if (after->revision() == before->revision()) return {};
    if (auto why = advisory::WhyNoSuccessor(*before, *after)) return {Errc::kConflict, *why};
    return service_.inputs().ChangeIndex(after, [&](storage::Tx& tx) {
      audit::Event event = service_.rights().Event(caller, "data.change", "advisory-data");
      event.reason = before->revision() + " became " + after->revision();
      return audit::Record(tx, std::move(event));
    });
  }();
  {
    MutexLock lock(mutex_);
    problem_ = swapped ? "" : swapped.error().message;
    if (swapped) file_ = nullptr;  // of the data before
  }
  if (!swapped) return service_.rights().Refuse(caller, "data.change", "advisory-data", swapped.error());
  service_.Wake();
  return {};
}

}  // namespace bulwark::service
