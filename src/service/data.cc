#include "service/data.h"

#include <map>

#include <sys/stat.h>

#include "audit/audit.h"
#include "base/log.h"
#include "service/inputs.h"
#include "service/rights.h"

namespace bulwark::service {
namespace {

constexpr double kShrunken = 0.6;  // of the records in use; less is refused

std::string Identity(const std::string& path) {
  struct ::stat info{};
  if (path.empty() || ::stat(path.c_str(), &info) != 0) return {};
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) + ":" + std::to_string(info.st_size) + ":" +
         std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
}

Status Older(const std::string& what, Time after, Time before) {
  const std::string in_use = "that in use is of " + FormatTime(before);
  if (after == kNever) return {Errc::kConflict, what + " states no date, " + in_use};
  return {Errc::kConflict, what + " is of " + FormatTime(after) + ", " + in_use};
}

// Of each source that states a date, and of the whole where every source does. A source that was given up is the
// operator's choice; how much may go with it is checked by the number of records.
Status CheckDates(const advisory::Index& before, const advisory::Index& after) {
  const Time old = before.data_date(), now = after.data_date();
  if (old != kNever && now != kNever && now < old) return Older("the advisory data", now, old);
  std::map<std::string, Time> dates;
  for (const advisory::SourceInfo& source : after.sources()) dates[source.name] = source.data_date;
  bool any = false;
  for (const advisory::SourceInfo& source : before.sources()) {
    const auto it = dates.find(source.name);
    if (source.data_date == kNever || it == dates.end()) continue;
    if (it->second == kNever || it->second < source.data_date)
      return Older("source " + source.name + " of the advisory data", it->second, source.data_date);
    any = true;
  }
  // Nothing that can be compared: other names for what may be old.
  return any || old == kNever || now != kNever ? Status() : Older("the advisory data", now, old);
}

// Old or emptied data must not free what was found.
Status CheckSuccessor(const advisory::Index& before, const advisory::Index& after) {
  if (before.revision() == advisory::StarterIndex()->revision()) return {};
  BW_CHECK(CheckDates(before, after));
  if (static_cast<double>(after.records()) < kShrunken * static_cast<double>(before.records()))
    return {Errc::kConflict, "the advisory data has " + std::to_string(after.records()) + " records, that in use " +
                                 std::to_string(before.records())};
  return {};
}

}  // namespace

Result<std::shared_ptr<const advisory::Index>> Data::Load(const std::string& path) {
  if (path.empty()) return advisory::StarterIndex();
  auto index = advisory::OpenIndex(path);
  if (!index && index.error().code == Errc::kNotFound) return advisory::StarterIndex();
  return index;
}

DataStatus Data::Describe() {
  auto index = service_.inputs().Current()->index;
  DataStatus out{index->revision(), "", index->data_date(), index->records(), index->sources(), ""};
  if (out.revision != advisory::StarterIndex()->revision()) out.path = path_;
  MutexLock lock(mutex_);
  out.problem = problem_;
  return out;
}

Result<DataStatus> Data::Status(const Caller& caller) {
  if (caller.principal.kind == auth::PrincipalKind::kAnonymous) return Error{Errc::kUnauthenticated, "log in first"};
  return Describe();
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
    BW_CHECK(CheckSuccessor(*before, *after));
    return service_.inputs().ChangeIndex(after, [&](storage::Tx& tx) {
      audit::Event event = service_.rights().Event(caller, "data.change", "advisory-data");
      event.reason = before->revision() + " became " + after->revision();
      return audit::Record(tx, std::move(event));
    });
  }();
  {
    MutexLock lock(mutex_);
    problem_ = swapped ? "" : swapped.error().message;
  }
  if (!swapped) return service_.rights().Refuse(caller, "data.change", "advisory-data", swapped.error());
  service_.Wake();
  return {};
}

}  // namespace bulwark::service
