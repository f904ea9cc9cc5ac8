#include "advisory/feeds.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/log.h"

namespace bulwark::advisory {

std::span<const Feed> Feeds() {
  static constexpr std::array kFeeds{
      Feed{"debian", IsDebianFacts, ReadDebianFacts},
      Feed{"kev", IsKnownExploited, ReadKnownExploited, false},
      Feed{"osv", IsOsv, ReadOsv},
      Feed{"secdb", IsSecdb, ReadSecdb},
      Feed{"debian-tracker", IsDebianTracker, ReadDebianTracker},
      Feed{"epss", IsEpss, ReadEpss, false},
  };
  return kFeeds;
}

Status FeedOutput::Add(Record record) {
  record.source = source_;
  // What can report nothing does not count: a feed that calls everything unaffected has shrunk.
  const bool reports = record.state != State::kNotAffected;
  const std::string id = record.id;
  if (Status added = builder_.Add(std::move(record)); !added) {
    if (added.error().code == Errc::kLimit) return added;
    CountError(id, added.error());
    return {};
  }
  records_ += reports;
  return {};
}

Status FeedOutput::Add(KnownExploited entry) {
  BW_CHECK(builder_.AddKnownExploited(std::move(entry)));
  ++records_;
  return {};
}

Status FeedOutput::Add(Epss entry) {
  const std::string cve = entry.cve;
  if (Status added = builder_.AddEpss(std::move(entry)); !added) {
    if (added.error().code == Errc::kLimit) return added;
    CountError(cve, added.error());
    return {};
  }
  ++records_;
  return {};
}

void FeedOutput::CountError(std::string_view where, const Error& error) {
  ++errors_;
  Tell(where, error.message);
}

void FeedOutput::Tell(std::string_view where, std::string_view what) {
  if (messages_.size() < 10) messages_.push_back(fmt::format("{}: {}", Printable(where, 200), Printable(what, 400)));
}

void FeedOutput::SawDate(Time date) {
  if (date != kNever && (data_date_ == kNever || date > data_date_)) data_date_ = date;
}

}  // namespace bulwark::advisory
