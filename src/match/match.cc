// Packages x advisories (DESIGN 2.5, 2.6, 2.12). Look-ups and judgements are made once per subject: the binary packages of
// one source, and copies of one library, share them.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "advisory/osv_ids.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "match/finding.h"
#include "match/group.h"
#include "match/matchers.h"

namespace bulwark::match {
namespace {

using advisory::Record;
using catalog::Inventory;
using catalog::InventoryPackage;
using catalog::Ownership;

const Matcher* MatcherFor(versions::Ecosystem ecosystem) {
  for (const Matcher& matcher : Matchers()) {
    if (matcher.wants(ecosystem)) return &matcher;
  }
  return nullptr;
}

// Stable over data revisions: names a finding in exceptions and lists.
std::string KeyOf(const Finding& f) {
  std::string text;
  for (const std::string* part : {&f.id, &f.key_ecosystem, &f.package, &f.version, &f.path}) text.append(*part).append(1, '\0');
  return crypto::Sha256(AsBytes(text)).hex().substr(0, 16);
}

// Two architectures of one package give the same finding.
bool Order(const Finding& a, const Finding& b) {
  if (a.severity != b.severity) return a.severity > b.severity;
  return std::tie(a.id, a.package, a.path, a.key_ecosystem, a.version) <
         std::tie(b.id, b.package, b.path, b.key_ecosystem, b.version);
}
// Findings are large: their order is found on pointers, and each is moved once.
void SortUnique(std::vector<Finding>& findings) {
  std::vector<Finding*> order;
  for (Finding& finding : findings) order.push_back(&finding);
  std::sort(order.begin(), order.end(), [](const Finding* a, const Finding* b) { return Order(*a, *b); });
  std::vector<Finding> sorted;
  sorted.reserve(order.size());
  for (Finding* finding : order) {
    if (sorted.empty() || sorted.back().key != finding->key) sorted.push_back(std::move(*finding));
  }
  findings = std::move(sorted);
}

class Finder {
 public:
  Finder(const Inventory& inventory, const advisory::Index& index) : inventory_(inventory), index_(index) {}

  Findings Run() {
    for (const InventoryPackage& package : inventory_.packages) Match(package);
    SortUnique(out_.findings);
    SortUnique(out_.suppressed);
    out_.gaps.assign(gaps_.begin(), gaps_.end());
    for (const auto& [ecosystem, coverage] : coverage_) out_.coverage.push_back({ecosystem, coverage});
    return std::move(out_);
  }

 private:
  void Match(const InventoryPackage& package);
  bool HasData(const Matcher& matcher, const Subject& subject);
  const std::vector<Record>& RecordsOf(const versions::PackageKey& key);
  const std::vector<Judged>& JudgedOf(const Matcher& matcher, const Subject& subject);
  Finding ToFinding(const InventoryPackage& package, const Subject& subject, const Judged& judged) const;
  void Join(const Judged& judged, Finding& into) const;
  std::optional<std::string> AnsweredByOwner(const InventoryPackage& package, const Judged& judged);

  const Inventory& inventory_;
  const advisory::Index& index_;
  std::map<versions::PackageKey, std::vector<Record>> records_;  // nodes stay where they are: Judged points into them
  std::map<Subject, std::vector<Judged>> judged_;
  std::map<std::string, advisory::Coverage> coverage_;
  std::set<image::Gap> gaps_;
  Findings out_;
};

void Finder::Match(const InventoryPackage& package) {
  const Matcher* matcher = MatcherFor(package.package.ecosystem);
  if (matcher == nullptr) return;  // not reachable: every ecosystem is a distribution's or a language's
  const Subject subject = matcher->subject(package, inventory_);
  if (!HasData(*matcher, subject)) return;
  for (const Judged& judged : JudgedOf(*matcher, subject)) {
    Finding finding = ToFinding(package, subject, judged);
    if (matcher->trust == Trust::kAny && package.ownership != Ownership::kNone) {
      finding.owned_by = package.owner;
      if (auto reason = AnsweredByOwner(package, judged)) {
        finding.answer = Answer::kNotAffected;
        finding.comparison = *std::move(reason);
        out_.suppressed.push_back(std::move(finding));
        continue;
      }
    }
    out_.findings.push_back(std::move(finding));
  }
}

// No data is unknown, not safe: a gap, once per ecosystem. A choice of records finds some, and proves nothing of the rest.
bool Finder::HasData(const Matcher& matcher, const Subject& subject) {
  if (subject.key.ecosystem.empty()) {
    gaps_.insert({matcher.without_data, "", "match", "the distribution is not known: its packages cannot be matched"});
    return false;
  }
  const std::string& ecosystem = subject.key.ecosystem;
  auto [at, fresh] = coverage_.try_emplace(ecosystem);
  if (fresh) at->second = index_.Covers(ecosystem);
  const advisory::Coverage& coverage = at->second;
  if (coverage && !coverage.complete) {
    gaps_.insert({image::GapKind::kPartial, "", "match",
                  fmt::format("the advisory data for {} is only a choice of records: a package without a finding is not known to be safe "
                              "(full sources and 'bulwark db build --whole' change that)", Printable(ecosystem, 100))});
  }
  if (coverage) return true;
  gaps_.insert({matcher.without_data, "", "match", "no advisory data for " + Printable(subject.key.ecosystem, 100)});
  return false;
}

const std::vector<Record>& Finder::RecordsOf(const versions::PackageKey& key) {
  const auto [it, fresh] = records_.try_emplace(key);
  if (fresh) {
    index_.Find(key, [&](const Record& record) {
      it->second.push_back(record);
      return true;
    });
  }
  return it->second;
}

const std::vector<Judged>& Finder::JudgedOf(const Matcher& matcher, const Subject& subject) {
  const auto [it, fresh] = judged_.try_emplace(subject);
  if (!fresh) return it->second;
  // Most packages are up to date: where no record applies, none needs to be kept and joined.
  bool applies = false;
  index_.Find(subject.key, [&](const Record& record) {
    applies = AnswerOf(subject.ecosystem, subject.version, record) != Answer::kNotAffected;
    return !applies;
  });
  if (applies) it->second = JudgeGroups(subject, matcher.trust, RecordsOf(subject.key));
  return it->second;
}

// What is known by CVE alone. Of several CVEs of one group the worst counts.
void Finder::Join(const Judged& judged, Finding& into) const {
  auto join = [&](const std::string& id) {
    into.known_exploited = into.known_exploited || index_.Exploited(id).has_value();
    const auto epss = index_.EpssOf(id);
    if (!epss || epss->score < into.epss) return;
    into.epss = epss->score;
    into.epss_percentile = std::max(into.epss_percentile, epss->percentile);
  };
  join(judged.id);
  for (const std::string& alias : judged.aliases) join(alias);
}

// DESIGN 2.12: a distribution package that provably owns the file, and whose distribution knows this vulnerability in
// its source package, answers for it. Anything less and the finding stays.
std::optional<std::string> Finder::AnsweredByOwner(const InventoryPackage& package, const Judged& judged) {
  if (package.ownership != Ownership::kVerified || package.owner_source.empty() || inventory_.distribution.empty()) {
    return std::nullopt;
  }
  auto same = [&](const std::string& id) {
    return id == judged.id || std::binary_search(judged.aliases.begin(), judged.aliases.end(), id);
  };
  for (const Record& record : RecordsOf({inventory_.distribution, package.owner_source})) {
    const auto alias = std::find_if(record.aliases.begin(), record.aliases.end(),
                                    [&](const std::string& id) { return !advisory::IsErratum(id) && same(id); });
    if (!same(record.id) && alias == record.aliases.end()) continue;
    return fmt::format("the file belongs to package {}; {} answers {} for its source package {}", Printable(package.owner, 100),
                       inventory_.distribution, same(record.id) ? record.id : *alias, Printable(package.owner_source, 100));
  }
  return std::nullopt;
}

Finding Finder::ToFinding(const InventoryPackage& package, const Subject& subject, const Judged& judged) const {
  Finding f;
  f.id = judged.id;
  f.aliases = judged.aliases;
  f.answer = judged.answer;
  f.kind = judged.record->kind;
  f.confidence = package.package.locked_only ? Confidence::kMedium : Confidence::kHigh;
  f.ecosystem = package.package.ecosystem;
  f.key_ecosystem = subject.key.ecosystem;
  f.package = package.package.name;
  f.version = package.package.version;
  f.source_package = MatcherFor(f.ecosystem)->trust == Trust::kBest ? subject.key.name : "";
  f.path = package.package.path;
  f.layer = package.layer;
  f.layer_index = package.layer_index;
  f.cataloger = package.cataloger;
  f.development = package.package.development;
  f.fixed_version = judged.fixed_version;
  f.fixed_at = judged.fixed_at;
  // "Fixed" without a version that clears this finding is open for whoever has it.
  const bool open = judged.record->state == advisory::State::kFixed && judged.fixed_version.empty();
  f.state = open ? advisory::State::kOpen : judged.record->state;
  f.severity = judged.severity;
  f.score = judged.score;
  f.vector = judged.vector;
  Join(judged, f);
  f.source = judged.record->source;
  f.record = judged.record->id;
  f.range = RangeText(*judged.record);
  f.comparison = judged.comparison;
  f.url = judged.record->url;
  f.key = KeyOf(f);
  return f;
}

}  // namespace

Findings Find(const Inventory& inventory, const advisory::Index& advisories) { return Finder(inventory, advisories).Run(); }

std::string_view Name(Answer answer) {
  switch (answer) {
    case Answer::kAffected: return "affected";
    case Answer::kNotAffected: return "not affected";
    case Answer::kUnknown: break;
  }
  return "unknown";
}

std::string_view Name(Confidence confidence) {
  switch (confidence) {
    case Confidence::kLow: return "low";
    case Confidence::kMedium: return "medium";
    case Confidence::kHigh: break;
  }
  return "high";
}

}  // namespace bulwark::match
