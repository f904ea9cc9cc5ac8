#include "advisory/range.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "versions/compare.h"

namespace bulwark::advisory {

Result<bool> Contains(versions::Ecosystem ecosystem, const Range& range, std::string_view version) {
  std::optional<Error> problem;
  // A bound that excludes the version decides, also beside one that cannot be compared.
  auto below = [&](std::string_view bound) -> std::optional<versions::Order> {
    auto order = versions::Compare(ecosystem, version, bound);
    if (order) return *order;
    problem = order.error();
    return std::nullopt;
  };
  if (!IsFirst(range.introduced)) {
    if (auto order = below(range.introduced); order && *order < 0) return false;
  }
  if (!range.fixed.empty()) {
    if (range.fixed == "0") return false;
    if (auto order = below(range.fixed); order && *order >= 0) return false;
  } else if (!range.last_affected.empty()) {
    if (auto order = below(range.last_affected); order && *order > 0) return false;
  }
  if (problem) return *problem;
  return true;
}

namespace {

bool AllComparable(versions::Ecosystem ecosystem, const std::vector<Event>& events) {
  return std::all_of(events.begin(), events.end(), [&](const Event& e) {
    return e.version == "0" || versions::Compare(ecosystem, e.version, e.version).ok();
  });
}

// "0" is before every version, also where it is none. Ties keep their order: "fixed 1, introduced 1" ends and begins.
void SortEvents(versions::Ecosystem ecosystem, std::vector<Event>& events) {
  auto order = [&](const Event& a, const Event& b) {
    if (a.version == "0" || b.version == "0") return (a.version != "0") <=> (b.version != "0");
    return *versions::Compare(ecosystem, a.version, b.version);
  };
  std::vector<std::size_t> places(events.size());
  std::iota(places.begin(), places.end(), 0);
  std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
    const auto by_version = order(events[a], events[b]);
    return by_version != 0 ? by_version < 0 : a < b;
  });
  std::vector<Event> sorted;
  for (std::size_t place : places) sorted.push_back(std::move(events[place]));
  events = std::move(sorted);
}

}  // namespace

std::vector<Range> RangesOfEvents(std::optional<versions::Ecosystem> ecosystem, std::vector<Event> events) {
  std::erase_if(events, [](const Event& e) { return e.kind == Event::Kind::kLimit && e.version == "*"; });
  if (ecosystem && AllComparable(*ecosystem, events)) SortEvents(*ecosystem, events);
  std::vector<Range> out;
  std::optional<Range> open;
  for (Event& event : events) {
    if (event.kind == Event::Kind::kIntroduced) {
      if (!open) open = Range{event.version == "0" ? "" : std::move(event.version), "", ""};
      continue;
    }
    if (!open && !out.empty()) continue;  // a second end of the same range
    Range range = open.value_or(Range{});
    open.reset();
    (event.kind == Event::Kind::kFixed ? range.fixed : range.last_affected) = std::move(event.version);
    out.push_back(std::move(range));
  }
  if (open) out.push_back(*std::move(open));
  return out;
}

}  // namespace bulwark::advisory
