#include "advisory/builder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>

#include "advisory/file_format.h"
#include "base/limits.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "versions/compare.h"

namespace bulwark::advisory {
namespace {

template <typename T>
void SortUnique(std::vector<T>& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

auto RecordOrder(const Record& r) { return std::tie(r.package.ecosystem, r.package.name, r.source, r.id); }

// Joins `from` into `into`, which has the same package, source and id. Never loses an affected version.
void Join(Record& into, Record from) {
  auto append = [](auto& a, auto& b) { a.insert(a.end(), b.begin(), b.end()); };
  append(into.aliases, from.aliases);
  append(into.ranges, from.ranges);
  append(into.versions, from.versions);
  auto harmless = [](const Record& r) { return r.state == State::kNotAffected; };
  if (harmless(into) != harmless(from)) into.state = harmless(into) ? from.state : into.state;
  else into.state = std::min(into.state, from.state);
  into.kind = into.kind == Class::kInformational ? from.kind : into.kind;
  if (from.severity > into.severity) {
    into.severity = from.severity;
    into.score = from.score;
    into.vector = std::move(from.vector);
  }
  into.published = std::min(into.published, from.published);
  into.fixed_at = std::min(into.fixed_at, from.fixed_at);
}

std::vector<Record> Normalize(std::vector<Record> records) {
  // The whole record breaks ties, so that the order of adding does not matter.
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
    return RecordOrder(a) != RecordOrder(b) ? RecordOrder(a) < RecordOrder(b) : a < b;
  });
  std::vector<Record> out;
  for (Record& record : records) {
    if (!out.empty() && RecordOrder(out.back()) == RecordOrder(record)) Join(out.back(), std::move(record));
    else out.push_back(std::move(record));
  }
  for (Record& r : out) {
    std::erase(r.aliases, r.id);
    SortUnique(r.aliases);
    SortUnique(r.versions);
    SortRanges(r.package.ecosystem, r.ranges);
  }
  return out;
}

// All texts of a record.
template <typename F>
void EachText(const Record& r, F&& f) {
  f(r.id), f(r.vector), f(r.source);
  for (const auto& alias : r.aliases) f(alias);
  for (const auto& range : r.ranges) f(range.introduced), f(range.fixed), f(range.last_affected);
  for (const auto& version : r.versions) f(version);
}

struct SplitUrl {
  std::string_view front;
  bool id_follows;
};
SplitUrl Front(const Record& r) {
  const std::string_view url = r.url;
  if (!url.ends_with(r.id)) return {url, false};
  return {url.substr(0, url.size() - r.id.size()), true};
}

class Strings {
 public:
  void Add(std::string_view text) { ids_.try_emplace(text, 0); }
  // Numbers them in text order. Nothing is added afterwards.
  void Freeze() {
    Add("");
    for (const auto& [text, id] : ids_) sorted_.push_back(text);
    std::sort(sorted_.begin(), sorted_.end());
    for (std::uint32_t i = 0; i < sorted_.size(); ++i) ids_[sorted_[i]] = i;
  }
  std::uint32_t Id(std::string_view text) const { return ids_.at(text); }
  const std::vector<std::string_view>& sorted() const { return sorted_; }

 private:
  std::unordered_map<std::string_view, std::uint32_t> ids_;
  std::vector<std::string_view> sorted_;
};

std::string Pack(const Record& r, const Strings& strings) {
  std::string out;
  auto number = [&](std::uint64_t v) { file::AppendVarint(out, v); };
  auto text = [&](std::string_view s) { number(strings.Id(s)); };
  text(r.id);
  number(r.aliases.size());
  for (const auto& alias : r.aliases) text(alias);
  out += {static_cast<char>(r.state), static_cast<char>(r.kind), static_cast<char>(r.severity)};
  const bool scored = r.score >= 0 && r.score <= 10;
  out += static_cast<char>(scored ? static_cast<std::uint8_t>(std::lround(r.score * 10)) : file::kNoScore);
  text(r.vector);
  text(r.source);
  number(file::PackTime(r.published));
  number(file::PackTime(r.fixed_at));
  const SplitUrl url = Front(r);
  number(std::uint64_t{strings.Id(url.front)} * 2 + (url.id_follows ? 1 : 0));
  number(r.ranges.size());
  for (const auto& range : r.ranges) text(range.introduced), text(range.fixed), text(range.last_affected);
  number(r.versions.size());
  for (const auto& version : r.versions) text(version);
  return out;
}

// What is joined to records by CVE.
struct Joined {
  std::map<std::string, Time, std::less<>> exploited;
  std::vector<file::Epss> epss;  // sorted, of CVEs that records name

  const file::Epss* EpssOf(std::string_view id) const {
    const auto number = file::CveNumber(id);
    if (!number) return nullptr;
    auto at = std::lower_bound(epss.begin(), epss.end(), *number, [](const file::Epss& e, std::uint64_t wanted) { return e.cve < wanted; });
    return at == epss.end() || at->cve != *number ? nullptr : &*at;
  }
};

// What a record says, independent of string ids; with what is joined to it, so that a change of that counts as one.
void AppendContent(std::string& out, const Record& r, const Joined& joined) {
  auto text = [&](std::string_view s) {
    file::AppendVarint(out, s.size());
    out += s;
  };
  EachText(r, text);
  text(r.url);
  for (std::uint64_t n : {std::uint64_t{r.aliases.size()}, std::uint64_t{r.ranges.size()}, std::uint64_t{r.versions.size()},
                          static_cast<std::uint64_t>(r.state), static_cast<std::uint64_t>(r.kind),
                          static_cast<std::uint64_t>(r.severity), static_cast<std::uint64_t>(std::lround(r.score * 10) + 10),
                          file::PackTime(r.published), file::PackTime(r.fixed_at)}) {
    file::AppendVarint(out, n);
  }
  auto join = [&](const std::string& id) {
    if (auto it = joined.exploited.find(id); it != joined.exploited.end()) file::AppendVarint(out, file::PackTime(it->second));
    if (const file::Epss* epss = joined.EpssOf(id)) out.append(reinterpret_cast<const char*>(epss), sizeof *epss);
  };
  join(r.id);
  for (const auto& alias : r.aliases) join(alias);
}

template <typename T>
void AppendPod(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string SlotTable(const std::vector<file::Key>& keys, const Strings& strings) {
  std::size_t capacity = 8;
  while (capacity < keys.size() * 2) capacity *= 2;
  std::vector<std::uint32_t> slots(capacity, 0);
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    auto at = file::HashKey(strings.sorted()[keys[i].ecosystem], strings.sorted()[keys[i].name]) & (capacity - 1);
    while (slots[at] != 0) at = (at + 1) & (capacity - 1);
    slots[at] = i + 1;
  }
  return {reinterpret_cast<const char*>(slots.data()), slots.size() * sizeof slots[0]};
}

using Sections = std::array<std::string, file::kSectionCount>;

void PutStrings(const Strings& strings, Sections& into) {
  std::uint32_t offset = 0;
  AppendPod(into[file::kStringOffsets], offset);
  for (std::string_view s : strings.sorted()) {
    into[file::kStringBytes] += s;
    offset = static_cast<std::uint32_t>(into[file::kStringBytes].size());
    AppendPod(into[file::kStringOffsets], offset);
  }
}

void PutRecords(const std::vector<Record>& records, const Joined& joined, const Strings& strings, Sections& into) {
  std::vector<file::Key> keys;
  std::string content;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& package = records[i].package;
    if (i == 0 || records[i - 1].package != package) {
      keys.push_back({strings.Id(package.ecosystem), strings.Id(package.name),
                      static_cast<std::uint32_t>(into[file::kRecords].size()), 0, 0});
      content.clear();
    }
    into[file::kRecords] += Pack(records[i], strings);
    AppendContent(content, records[i], joined);
    ++keys.back().count;
    if (i + 1 == records.size() || records[i + 1].package != package) keys.back().content = file::Hash(AsBytes(content));
  }
  for (const auto& key : keys) AppendPod(into[file::kKeys], key);
  into[file::kSlots] = SlotTable(keys, strings);
}

// Header and sections, each at a multiple of 8.
Result<std::string> Assemble(const Sections& sections, std::int64_t data_date, std::uint64_t records) {
  file::Header header;
  std::string out(sizeof header, '\0');
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (sections[i].size() > UINT32_MAX) return Error{Errc::kLimit, "the advisory file is too large for its format"};
    out.resize((out.size() + 7) / 8 * 8, '\0');
    header.extents[i] = {out.size(), sections[i].size()};
    out += sections[i];
  }
  header.file_size = out.size();
  header.data_date = data_date;
  header.records = records;
  const ByteSpan payload = AsBytes(out).subspan(sizeof header);
  header.payload_hash = file::Hash(payload);
  crypto::Hasher sha(crypto::HashKind::kSha256);
  sha.Update(payload);
  sha.Update({reinterpret_cast<const std::uint8_t*>(&header.data_date), sizeof header.data_date});
  const Bytes digest = sha.Finish();
  std::copy(digest.begin(), digest.end(), header.revision.begin());
  header.header_hash = file::Hash({reinterpret_cast<const std::uint8_t*>(&header), offsetof(file::Header, header_hash)});
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

std::vector<SourceInfo> JoinSources(std::vector<SourceInfo> sources) {
  std::map<std::string, SourceInfo> by_name;
  for (SourceInfo& s : sources) {
    auto [it, fresh] = by_name.try_emplace(s.name, s);
    if (fresh) continue;
    it->second.records += s.records;
    it->second.errors += s.errors;
    if (s.data_date != kNever && (it->second.data_date == kNever || s.data_date > it->second.data_date)) {
      it->second.data_date = s.data_date;
    }
  }
  std::vector<SourceInfo> out;
  for (auto& [name, source] : by_name) out.push_back(std::move(source));
  return out;
}

// Those of CVEs that records name: most of what FIRST publishes is about software that is in no package. Sorted; of a CVE
// that is there twice the higher one.
std::vector<file::Epss> EpssOfRecords(std::vector<file::Epss> all, const std::vector<Record>& records) {
  std::vector<std::uint64_t> named;
  auto name = [&](const std::string& id) {
    if (auto cve = file::CveNumber(id)) named.push_back(*cve);
  };
  if (!all.empty()) {
    for (const Record& r : records) {
      name(r.id);
      for (const std::string& alias : r.aliases) name(alias);
    }
  }
  SortUnique(named);
  std::erase_if(all, [&](const file::Epss& e) { return !std::binary_search(named.begin(), named.end(), e.cve); });
  std::sort(all.begin(), all.end(), [](const file::Epss& a, const file::Epss& b) {
    return std::tie(a.cve, b.score, b.percentile) < std::tie(b.cve, a.score, a.percentile);
  });
  auto same = [](const file::Epss& a, const file::Epss& b) { return a.cve == b.cve; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  return all;
}

}  // namespace

Status Builder::Add(Record record) {
  if (records_.size() >= limits::kAdvisoryRecords) return Error{Errc::kLimit, "too many advisory records"};
  auto invalid = [&](std::string_view why) {
    return Error{Errc::kInvalid, fmt::format("advisory {}: {}", Printable(record.id, 80), why)};
  };
  if (record.id.empty() || record.package.name.empty() || record.package.ecosystem.empty() || record.source.empty()) {
    return invalid("id, package or source is missing");
  }
  if (record.state == State::kFixed && record.ranges.empty() && record.versions.empty()) {
    return invalid("neither ranges nor versions");
  }
  std::size_t longest = std::max(record.package.name.size(), record.url.size());
  EachText(record, [&](const std::string& s) { longest = std::max(longest, s.size()); });
  if (longest > limits::kAdvisoryTextBytes) return invalid("a text is too long");
  if (record.versions.size() > limits::kAdvisoryVersions || record.ranges.size() > limits::kAdvisoryVersions ||
      record.aliases.size() > limits::kAdvisoryAliases) {
    return invalid("too many versions, ranges or aliases");
  }
  Cover(record.package.ecosystem);
  records_.push_back(std::move(record));
  return {};
}

Status Builder::AddKnownExploited(KnownExploited entry) {
  if (entry.cve.empty() || entry.cve.size() > limits::kAdvisoryTextBytes) {
    return Error{Errc::kInvalid, "an entry of the known exploited list has no CVE"};
  }
  if (exploited_.size() >= limits::kAdvisoryRecords) return Error{Errc::kLimit, "too many known exploited entries"};
  exploited_.push_back(std::move(entry));
  return {};
}

Status Builder::AddEpss(Epss entry) {
  const auto cve = file::CveNumber(entry.cve);
  auto part = [](double value) { return value >= 0 && value <= 1; };
  if (!cve || !part(entry.score) || !part(entry.percentile)) return Error{Errc::kInvalid, "EPSS of no CVE, or not from 0 to 1"};
  if (epss_.size() >= limits::kAdvisoryRecords) return Error{Errc::kLimit, "too many EPSS entries"};
  auto scaled = [](double value) { return static_cast<std::uint32_t>(std::lround(value * file::kEpssOne)); };
  epss_.push_back({*cve, scaled(entry.score), scaled(entry.percentile)});
  return {};
}

void Builder::AddSource(SourceInfo source, Says says) {
  // kNever sorts last as a time, but says least as a date of data.
  const bool newer = source.data_date != kNever && (date_ == kNever || source.data_date > date_);
  if (says == Says::kAffected && source.records > 0 && newer) date_ = source.data_date;
  sources_.push_back(std::move(source));
}
void Builder::Cover(std::string_view ecosystem) {
  if (!covered_.contains(ecosystem)) covered_.emplace(ecosystem, false);
}
void Builder::Complete(std::string_view ecosystem) { covered_.insert_or_assign(std::string(ecosystem), true); }

Result<std::string> Builder::Finish() {
  const std::vector<Record> records = Normalize(std::move(records_));
  const std::vector<SourceInfo> sources = JoinSources(std::move(sources_));
  Joined joined;
  for (const auto& e : exploited_) {
    auto [it, fresh] = joined.exploited.try_emplace(e.cve, e.added);
    if (!fresh) it->second = std::min(it->second, e.added);
  }
  joined.epss = EpssOfRecords(std::move(epss_), records);
  Strings strings;
  for (const Record& r : records) {
    EachText(r, [&](const std::string& s) { strings.Add(s); });
    strings.Add(r.package.ecosystem);
    strings.Add(r.package.name);
    strings.Add(Front(r).front);
  }
  for (const auto& [cve, added] : joined.exploited) strings.Add(cve);
  for (const auto& s : sources) strings.Add(s.name);
  for (const auto& [ecosystem, complete] : covered_) strings.Add(ecosystem);
  strings.Freeze();

  Sections sections;
  PutStrings(strings, sections);
  PutRecords(records, joined, strings, sections);
  for (const auto& [cve, added] : joined.exploited) {
    AppendPod(sections[file::kExploited], file::Exploited{strings.Id(cve), 0, added.time_since_epoch().count()});
  }
  for (const auto& e : joined.epss) AppendPod(sections[file::kEpss], e);
  for (const auto& s : sources) {
    AppendPod(sections[file::kSources], file::Source{strings.Id(s.name), 0, s.records, s.errors,
                                                     s.data_date.time_since_epoch().count()});
  }
  for (const auto& [ecosystem, complete] : covered_) {
    AppendPod(sections[file::kCovered], strings.Id(ecosystem) | (complete ? file::kComplete : 0));
  }
  return Assemble(sections, date_.time_since_epoch().count(), records.size());
}

void SortRanges(std::string_view ecosystem, std::vector<Range>& ranges) {
  SortUnique(ranges);
  const auto kind = versions::ParseEcosystem(ecosystem);
  auto first = [](const Range& r) { return r.introduced.empty() || r.introduced == "0"; };
  const bool comparable = kind && std::all_of(ranges.begin(), ranges.end(), [&](const Range& r) {
                            return first(r) || versions::Compare(*kind, r.introduced, r.introduced).ok();
                          });
  if (!comparable) return;
  std::sort(ranges.begin(), ranges.end(), [&](const Range& a, const Range& b) {
    if (first(a) || first(b)) return first(a) != first(b) ? first(a) : a < b;
    const auto order = *versions::Compare(*kind, a.introduced, b.introduced);
    return order != 0 ? order < 0 : a < b;
  });
}

}  // namespace bulwark::advisory
