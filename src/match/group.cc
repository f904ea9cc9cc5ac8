#include "match/group.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "advisory/osv_ids.h"
#include "versions/compare.h"

namespace bulwark::match {
namespace {

using advisory::Record;
using Members = std::vector<const Record*>;

// Union-find over the records, joined by the ids they share.
std::vector<Members> GroupByAlias(const std::vector<Record>& records) {
  std::vector<std::size_t> parent(records.size());
  std::iota(parent.begin(), parent.end(), 0);
  auto root = [&](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  std::unordered_map<std::string_view, std::size_t> first;
  auto join = [&](const std::string& id, std::size_t i) {
    const auto [it, fresh] = first.emplace(id, i);
    if (!fresh) parent[std::max(root(i), root(it->second))] = std::min(root(i), root(it->second));
  };
  for (std::size_t i = 0; i < records.size(); ++i) {
    join(records[i].id, i);
    for (const std::string& alias : records[i].aliases) {
      if (!advisory::IsErratum(alias)) join(alias, i);  // an erratum names many vulnerabilities and joins none
    }
  }
  std::map<std::size_t, Members> groups;
  for (std::size_t i = 0; i < records.size(); ++i) groups[root(i)].push_back(&records[i]);
  std::vector<Members> out;
  for (auto& [index, members] : groups) out.push_back(std::move(members));
  return out;
}

bool IsCve(std::string_view id) { return id.starts_with("CVE-"); }

// The record's own id if it is a CVE, else the first CVE among its aliases, else the first of the group.
std::string PreferredId(const Record& record, const std::set<std::string>& all) {
  if (IsCve(record.id)) return record.id;
  for (const std::string& alias : record.aliases) {
    if (IsCve(alias)) return alias;
  }
  for (const std::string& id : all) {
    if (IsCve(id)) return id;
  }
  return record.id;
}

// True if no record of the group calls the version affected, or leaves that open.
bool Clears(const Subject& subject, const std::string& version, const Members& members) {
  return std::all_of(members.begin(), members.end(), [&](const Record* r) {
    return AnswerOf(subject.ecosystem, version, *r) == Answer::kNotAffected;
  });
}

// The smallest fixed version above the subject's that clears the group, and when it was first seen.
void FindFix(const Subject& subject, const Members& members, Judged& into) {
  for (const Record* record : members) {
    for (const auto& range : record->ranges) {
      if (range.fixed.empty() || range.fixed == "0") continue;
      const auto above = versions::Compare(subject.ecosystem, range.fixed, subject.version);
      if (above && *above <= 0) continue;
      if (!Clears(subject, range.fixed, members)) continue;
      if (!into.fixed_version.empty()) {
        const auto smaller = versions::Compare(subject.ecosystem, range.fixed, into.fixed_version);
        if (!smaller || *smaller > 0) continue;
        into.fixed_at = *smaller < 0 ? record->fixed_at : std::min(into.fixed_at, record->fixed_at);
      } else {
        into.fixed_at = record->fixed_at;
      }
      into.fixed_version = range.fixed;
    }
  }
}

void Rate(const Members& members, Judged& into) {
  for (const Record* r : members) {
    if (r->severity < into.severity || (r->severity == into.severity && r->score <= into.score)) continue;
    into.severity = r->severity;
    into.score = r->score;
    into.vector = r->vector;
  }
}

// Affected counts before unknown before not affected.
int Weight(Answer answer) { return answer == Answer::kAffected ? 2 : answer == Answer::kUnknown ? 1 : 0; }

struct Judgement {
  const Record* record;
  Answer answer;
};

// Whose word counts, by trust: the worst answer of the best source, or of any.
std::optional<Judgement> Decide(const Subject& subject, Trust trust, const Members& members) {
  std::optional<Judgement> best;
  for (const Record* record : members) {
    const Answer answer = AnswerOf(subject.ecosystem, subject.version, *record);
    if (best) {
      const int authority = AuthorityOf(record->source), known = AuthorityOf(best->record->source);
      const int weight = Weight(answer), heaviest = Weight(best->answer);
      const bool better = trust == Trust::kBest ? authority < known || (authority == known && weight > heaviest)
                                                : weight > heaviest || (weight == heaviest && authority < known);
      if (!better) continue;
    }
    best = Judgement{record, answer};
  }
  return best;
}

}  // namespace

std::vector<Judged> JudgeGroups(const Subject& subject, Trust trust, const std::vector<Record>& records) {
  std::vector<Judged> out;
  for (const Members& members : GroupByAlias(records)) {
    auto decided = Decide(subject, trust, members);
    if (!decided || decided->answer == Answer::kNotAffected) continue;
    Judged judged;
    judged.record = decided->record;
    judged.answer = decided->answer;
    judged.comparison = Judge(subject.ecosystem, subject.version, *decided->record).comparison;
    std::set<std::string> ids;
    for (const Record* r : members) {
      ids.insert(r->id);
      ids.insert(r->aliases.begin(), r->aliases.end());
    }
    judged.id = PreferredId(*judged.record, ids);
    ids.erase(judged.id);
    judged.aliases.assign(ids.begin(), ids.end());
    Rate(members, judged);
    // Where one source alone counts, a fix that only another one knows is none.
    Members counting = members;
    if (trust == Trust::kBest) {
      std::erase_if(counting, [&](const Record* r) { return AuthorityOf(r->source) != AuthorityOf(judged.record->source); });
    }
    FindFix(subject, counting, judged);
    out.push_back(std::move(judged));
  }
  return out;
}

}  // namespace bulwark::match
