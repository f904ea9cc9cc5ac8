#include "advisory/database.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "advisory/builder.h"
#include "advisory/documents.h"
#include "advisory/feeds.h"
#include "advisory/starter.h"
#include "base/byte_source.h"
#include "base/log.h"

namespace bulwark::advisory {
namespace {

bool HasFix(const Record& record) {
  return std::any_of(record.ranges.begin(), record.ranges.end(), [](const Range& r) { return !r.fixed.empty(); });
}

// Only who gathered the sources knows whether they are all there is; a name that no record has is a mistake.
Status DeclareWhole(const std::vector<std::string>& ecosystems, Builder& builder) {
  for (const std::string& ecosystem : ecosystems) {
    std::set<std::string> meant;  // "Alpine" is each of its releases
    for (const Record& r : builder.records()) {
      const std::string& name = r.package.ecosystem;
      if (name == ecosystem || (name.starts_with(ecosystem) && name[ecosystem.size()] == ':')) meant.insert(name);
    }
    if (meant.empty()) return Error{Errc::kInvalid, fmt::format("the sources have no record of {}: they are not all that is known of it", Printable(ecosystem, 100))};
    for (const std::string& name : meant) builder.Complete(name);
  }
  return {};
}

// Reads one source into the builder.
Result<SourceReport> ReadSource(const SourceSpec& spec, const BuildOptions& options, Builder& builder) {
  SourceReport report{spec.path, spec.label, "", 0, 0, 0, 0, {}, kNever};
  const Feed* feed = nullptr;
  std::unique_ptr<FeedOutput> out;
  const auto each = [&](const Document& document) -> Status {
    if (feed == nullptr) {
      for (const Feed& candidate : Feeds()) {
        if (feed == nullptr && candidate.recognizes(document)) feed = &candidate;
      }
      if (feed == nullptr) return Error{Errc::kInvalid, fmt::format("{}: no feed reads this", Printable(document.name, 200))};
      report.feed = feed->name;
      if (report.label.empty()) report.label = feed->name;
      out = std::make_unique<FeedOutput>(builder, report.label);
    }
    out->CountItems(1);
    Status one = feed->read(document, *out);
    if (one || one.error().code == Errc::kLimit) return one;
    out->CountError(document.name, one.error());
    return {};
  };
  Status read = spec.fd >= 0 ? EachDocumentOf(spec.fd, spec.size, spec.path, each) : EachDocument(spec.path, each);
  if (!read) return std::move(read).error().Wrap(fmt::format("read advisories from {}", spec.path));
  if (feed == nullptr) return Error{Errc::kInvalid, fmt::format("{}: no documents", spec.path)};
  report.items = out->items();
  report.records = out->records();
  report.skipped = out->skipped();
  report.errors = out->errors();
  report.messages = out->messages();
  report.data_date = out->data_date();
  // A date in the future would move every default `as_of` there.
  if (report.data_date != kNever && options.now != Time{}) report.data_date = std::min(report.data_date, options.now);
  builder.AddSource({report.label, report.records, report.errors, report.data_date},
                    feed->says_affected ? Builder::Says::kAffected : Builder::Says::kBesides);
  return report;
}

// Reasons not to trust this data with the place of the file before it.
std::vector<std::string> Doubts(const std::vector<SourceReport>& reports, const Index* before) {
  std::vector<std::string> out;
  std::map<std::string, std::uint64_t> now;
  for (const auto& r : reports) {
    now[r.label] += r.records;
    if (r.errors * 100 > r.items) {
      out.push_back(fmt::format("{}: {} of {} items are malformed, first: {}", r.path, r.errors, r.items,
                                r.messages.empty() ? "" : r.messages[0]));
    }
    if (r.records == 0) out.push_back(fmt::format("{}: not one record", r.path));
  }
  if (before == nullptr) return out;
  for (const SourceInfo& old : before->sources()) {
    if (old.name.starts_with(kStarterLabel)) continue;  // named or not, it is as this binary has it
    if (old.records > 0 && now[old.name] * 10 < old.records * 6) {
      out.push_back(fmt::format("source {} has shrunk from {} to {} records", old.name, old.records, now[old.name]));
    }
  }
  return out;
}

using SourceAndId = std::pair<std::string, std::string>;
using RecordsOfKey = std::map<SourceAndId, Record>;

// When the fix of a record was first seen. Known dates only move back; a fix that appears where none was is of now. A
// record that is new here may state its fix's date, or was published with it.
Time FirstSeen(const Record& record, const Record* before, bool source_known, Time now) {
  if (before != nullptr && HasFix(*before)) {
    return before->fixed_at == kNever ? record.fixed_at : std::min(record.fixed_at, before->fixed_at);
  }
  if (record.fixed_at != kNever) return record.fixed_at;
  if (before != nullptr) return now;
  return record.published == kNever && source_known ? now : record.published;
}

void StampFixes(Builder& builder, const Index* before, Time now) {
  std::map<std::string, bool> known;
  if (before != nullptr) {
    for (const SourceInfo& source : before->sources()) known[source.name] = true;
  }
  std::vector<Record*> fixes;
  for (Record& r : builder.records()) {
    if (HasFix(r)) fixes.push_back(&r);
  }
  std::sort(fixes.begin(), fixes.end(), [](const Record* a, const Record* b) { return a->package < b->package; });
  RecordsOfKey old;
  for (std::size_t i = 0; i < fixes.size(); ++i) {
    Record& record = *fixes[i];
    if (before != nullptr && (i == 0 || fixes[i - 1]->package != record.package)) {
      old.clear();
      before->Find(record.package, [&](const Record& r) {
        old.emplace(SourceAndId(r.source, r.id), r);
        return true;
      });
    }
    const auto it = old.find({record.source, record.id});
    record.fixed_at = FirstSeen(record, it == old.end() ? nullptr : &it->second, known.contains(record.source), now);
  }
}

// The file to be replaced; none if there is none, or if it cannot be read (then nothing can be carried over from it).
std::shared_ptr<const Index> OpenBefore(const std::string& path) {
  auto index = OpenIndex(path);
  if (index) return *index;
  if (index.error().code != Errc::kNotFound) LogWarning(fmt::format("the file to be replaced: {}", index.error().message));
  return nullptr;
}

Status AddStarter(const BuildOptions& options, Builder& builder) {
  return options.starter == Starter::kInclude ? AddStarterSet(builder) : Status{};
}

}  // namespace

SourceSpec SourceSpec::Parse(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return {text, ""};
  const bool label = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == equals;
  return label ? SourceSpec{text.substr(equals + 1), text.substr(0, equals)} : SourceSpec{text, ""};
}

Result<BuiltFile> BuildFile(const std::vector<SourceSpec>& sources, const Index* before, const BuildOptions& options) {
  Builder builder;
  BuiltFile out;
  for (const SourceSpec& spec : sources) {
    BW_TRY(SourceReport source, ReadSource(spec, options, builder));
    out.sources.push_back(std::move(source));
  }
  std::vector<std::string> doubts = Doubts(out.sources, before);
  if (!doubts.empty() && options.force == Force::kNo) {
    std::string message = "the advisory data is not swapped in: " + doubts[0];
    for (std::size_t i = 1; i < doubts.size(); ++i) message += "; " + doubts[i];
    return Error{Errc::kConflict, message};
  }
  out.overridden = std::move(doubts);
  StampFixes(builder, before, options.now);
  BW_CHECK(DeclareWhole(options.whole, builder));
  BW_CHECK(AddStarter(options, builder));
  BW_TRY(out.bytes, builder.Finish());
  return out;
}

Result<SourceReport> LookAtSource(const SourceSpec& source, Time now) {
  Builder builder;
  BuildOptions options;
  options.now = now;
  return ReadSource(source, options, builder);
}

Result<BuildReport> BuildDatabase(const std::string& out, const std::vector<SourceSpec>& sources,
                                  const BuildOptions& options) {
  const auto before = OpenBefore(out);
  BW_TRY(BuiltFile built, BuildFile(sources, before.get(), options));
  // From here on only the file's bytes: they are checked as a reader checks them before they take the old ones' place.
  const std::string& bytes = built.bytes;
  BW_TRY(const auto index, IndexOfBytes(bytes));
  BW_CHECK(WriteFileAtomically(out, bytes));
  BuildReport report;
  report.sources = std::move(built.sources);
  report.overridden = std::move(built.overridden);
  report.revision = index->revision();
  report.records = index->records();
  report.data_date = index->data_date();
  report.bytes = bytes.size();
  return report;
}

Description Describe(const Index& index) {
  Description out{index.revision(), index.data_date(), index.records(), 0, index.sources(), {}, {}};
  index.EachKey([&](const versions::PackageKey& key, std::uint64_t) {
    ++out.packages;
    if (out.ecosystems.empty() || out.ecosystems.back().first != key.ecosystem) out.ecosystems.emplace_back(key.ecosystem, 0);
    ++out.ecosystems.back().second;
  });
  for (const auto& [ecosystem, packages] : out.ecosystems) {
    if (index.Covers(ecosystem).complete) out.whole.push_back(ecosystem);
  }
  return out;
}

}  // namespace bulwark::advisory
