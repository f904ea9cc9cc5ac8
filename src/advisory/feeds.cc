#include "advisory/feeds.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/log.h"

namespace bulwark::advisory {
namespace {

constexpr std::uint64_t kShown = 10;  // of each kind

}  // namespace

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
  return Count(id, builder_.Add(std::move(record)), reports);
}

Status FeedOutput::Add(KnownExploited entry) {
  BW_CHECK(builder_.AddKnownExploited(std::move(entry)));
  ++records_;
  return {};
}

Status FeedOutput::Add(Epss entry) {
  const std::string cve = entry.cve;
  return Count(cve, builder_.AddEpss(std::move(entry)), true);
}

Status FeedOutput::Count(std::string_view where, Status added, bool reports) {
  if (!added && added.error().code == Errc::kLimit) return added;
  if (!added) CountError(where, added.error());
  else records_ += reports;
  return {};
}

void FeedOutput::CountError(std::string_view where, const Error& error) {
  if (errors_++ < kShown) Show(where, error.message);
}

// Notes have lines of their own: they must not hide the errors.
void FeedOutput::Tell(std::string_view where, std::string_view what) {
  if (notes_++ < kShown) Show(where, what);
}

void FeedOutput::Show(std::string_view where, std::string_view what) {
  messages_.push_back(fmt::format("{}: {}", Printable(where, 200), Printable(what, 400)));
}

void FeedOutput::SawDate(Time date) {
  if (date != kNever && (data_date_ == kNever || date > data_date_)) data_date_ = date;
}

}  // namespace bulwark::advisory
