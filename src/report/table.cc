// The report for people: what to do, most urgent first.

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "base/log.h"
#include "base/stable_sort.h"
#include "report/names.h"
#include "report/render.h"
#include "report/text.h"
#include "versions/compare.h"

namespace bulwark::report {
namespace {

using advisory::Severity;
using match::Answer;
using match::Finding;
using Findings = std::vector<const Finding*>;

constexpr std::size_t kNameLength = 120;
constexpr std::size_t kIdsShown = 6;     // of one line; JSON has all
constexpr std::size_t kGapsShown = 20;

std::string Shown(std::string_view text) { return Printable(text, kNameLength); }

Ink InkOf(Severity severity) {
  switch (severity) {
    case Severity::kCritical: return Ink::kBoldRed;
    case Severity::kHigh: return Ink::kRed;
    case Severity::kMedium:
    case Severity::kUnknown: return Ink::kYellow;
    case Severity::kLow:
    case Severity::kNone: break;
  }
  return Ink::kPlain;
}

// "2 critical, 5 high".
std::string CountsText(const Findings& findings) {
  std::map<Severity, int, std::greater<>> counts;
  for (const Finding* f : findings) ++counts[f->severity];
  std::string text;
  for (const auto& [severity, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, Word(severity));
  }
  return text;
}

Severity Worst(const Findings& findings) {
  Severity worst = Severity::kUnknown;
  for (const Finding* f : findings) worst = std::max(worst, f->severity);
  return worst;
}

std::string IdsText(const Findings& findings) {
  std::set<std::string> seen;
  std::string text;
  for (const Finding* f : findings) {
    if (!seen.insert(f->id).second || seen.size() > kIdsShown) continue;
    text += (text.empty() ? "" : ", ") + Shown(f->id);
  }
  return seen.size() > kIdsShown ? fmt::format("{}, and {} more", text, seen.size() - kIdsShown) : text;
}

// What is upgraded as one: a source package of the distribution, or one version of a language package.
struct Unit {
  versions::Ecosystem ecosystem;
  std::string name;
  std::string version;  // language packages only
  auto operator<=>(const Unit&) const = default;
};

Unit UnitOf(const Finding& f) {
  if (!f.source_package.empty()) return {f.ecosystem, f.source_package, ""};
  return {f.ecosystem, f.package, f.version};
}

struct Group {
  Unit unit;
  Findings findings;
};

// Worst first, then most findings, then by name.
std::vector<Group> GroupByUnit(const Findings& findings) {
  std::map<Unit, Findings> by_unit;
  for (const Finding* f : findings) by_unit[UnitOf(*f)].push_back(f);
  std::vector<Group> groups;
  for (auto& [unit, list] : by_unit) groups.push_back({unit, std::move(list)});
  StableSort(groups, [](const Group& a, const Group& b) {
    return std::pair(Worst(a.findings), a.findings.size()) > std::pair(Worst(b.findings), b.findings.size());
  });
  return groups;
}

// The lowest version that clears all of them, or each if they cannot be ordered.
std::string UpgradeTo(const Group& group) {
  std::string best;
  std::set<std::string> unordered;
  for (const Finding* f : group.findings) {
    if (best.empty()) {
      best = f->fixed_version;
      continue;
    }
    auto order = versions::Compare(group.unit.ecosystem, best, f->fixed_version);
    if (!order.ok()) {
      unordered.insert(f->fixed_version);
    } else if (*order < 0) {
      best = f->fixed_version;
    }
  }
  std::string text = Shown(best);
  for (const std::string& other : unordered) text += " or " + Shown(other);
  return text;
}

std::string PlacesText(const Group& group) {
  std::set<std::string> paths;
  for (const Finding* f : group.findings) {
    if (f->source_package.empty() && !f->path.empty()) paths.insert(f->path);
  }
  if (paths.empty()) return "";
  if (paths.size() == 1) return " in " + Shown(*paths.begin());
  return fmt::format(" in {} and {} more", Shown(*paths.begin()), paths.size() - 1);
}

// Findings sorted into what to do; pointers into the report.
struct Sorted {
  Findings urgent, fixable, unfixed, unknown;
};

Sorted Sort(const Report& report) {
  Sorted sorted;
  for (const Finding& f : report.findings.findings) {
    if (f.answer == Answer::kNotAffected) continue;
    if (f.known_exploited || f.kind == advisory::Class::kMalicious) sorted.urgent.push_back(&f);
    if (f.answer != Answer::kAffected) {
      sorted.unknown.push_back(&f);
    } else if (!f.fixed_version.empty()) {
      sorted.fixable.push_back(&f);
    } else if (f.kind != advisory::Class::kMalicious) {
      sorted.unfixed.push_back(&f);
    }
  }
  return sorted;
}

class Table {
 public:
  Table(const Report& report, const Style& style) : report_(report), out_(style) {}

  std::string Write() {
    Sorted sorted = Sort(report_);
    WriteHead(sorted);
    WriteUrgent(sorted.urgent);
    WriteFixable(sorted.fixable);
    WriteUnfixed(sorted.unfixed);
    WriteUnknown(sorted.unknown);
    WriteDecisions();
    return out_.Take();
  }

 private:
  void Heading(std::string_view title, std::size_t count, std::string_view advice) {
    out_.Blank();
    out_.Begin(0).Put(count > 0 ? fmt::format("{} ({})", title, count) : std::string(title), Ink::kBold);
    if (!advice.empty()) out_.Put(fmt::format("  {}", advice), Ink::kDim);
    out_.End();
  }
  void SeverityLine(Severity severity) { out_.Begin(2).PutPadded(Word(severity), 10, InkOf(severity)); }

  void WriteHead(const Sorted& sorted);
  void WriteUrgent(const Findings& urgent);
  void WriteFixable(const Findings& fixable);
  void WriteUnfixed(const Findings& unfixed);
  void WriteUnknown(const Findings& unknown);
  void WriteDecisions();

  const Report& report_;
  TextWriter out_;
};

void Table::WriteHead(const Sorted& sorted) {
  out_.Begin(0).Put(Printable(report_.reference, 400), Ink::kBold);
  if (!report_.digest.empty()) out_.Put("  " + report_.digest.short_str());
  if (!report_.platform.empty()) out_.Put("  " + Shown(report_.platform));
  if (report_.inventory.os) out_.Put("  " + Shown(report_.inventory.os->pretty_name));
  out_.End();
  Findings all = sorted.fixable;
  all.insert(all.end(), sorted.unfixed.begin(), sorted.unfixed.end());
  for (const Finding* f : sorted.urgent) {
    if (f->answer == Answer::kAffected && f->fixed_version.empty() && f->kind == advisory::Class::kMalicious) all.push_back(f);
  }
  std::string counts = all.empty() ? "no known vulnerabilities" : fmt::format("{} findings ({})", all.size(), CountsText(all));
  std::size_t packages = report_.inventory.packages.size();
  out_.Begin(0).Wrap(0, fmt::format("{} {}: {}; advisory data of {}", packages, packages == 1 ? "package" : "packages", counts,
                                    report_.revisions.data_date == kNever ? "unknown date" : FormatDate(report_.revisions.data_date)));
  if (IsBlind(report_)) out_.Begin(0).Put("not fully scanned: what is missing is listed below", Ink::kBoldRed).End();
}

void Table::WriteUrgent(const Findings& urgent) {
  if (urgent.empty()) return;
  Heading("KNOWN EXPLOITED OR MALICIOUS", urgent.size(), "act on these first");
  for (const Finding* f : urgent) {
    SeverityLine(f->severity);
    out_.PutPadded(Shown(f->id), 18, Ink::kBold);
    std::string remedy = f->fixed_version.empty() ? "no fix yet" : "fixed in " + Shown(f->fixed_version);
    if (f->kind == advisory::Class::kMalicious) remedy = "malicious: remove it";
    out_.Put(fmt::format("{} {}  {}", Shown(f->package), Shown(f->version), remedy)).End();
  }
}

void Table::WriteFixable(const Findings& fixable) {
  if (fixable.empty()) return;
  Heading("FIXABLE", fixable.size(), "by upgrade, worst first");
  for (const Group& group : GroupByUnit(fixable)) {
    SeverityLine(Worst(group.findings));
    const Unit& unit = group.unit;
    std::string what = unit.version.empty() ? Shown(unit.name) : Shown(unit.name) + " " + Shown(unit.version);
    out_.Put("upgrade ").Put(what, Ink::kBold).Put(" to ").Put(UpgradeTo(group), Ink::kGreen).Put(PlacesText(group));
    out_.Put(fmt::format(": fixes {} ({})", group.findings.size(), CountsText(group.findings))).End();
    out_.Begin(12).Wrap(12, IdsText(group.findings));
  }
}

void Table::WriteUnfixed(const Findings& unfixed) {
  if (unfixed.empty()) return;
  Heading("NO FIX YET", unfixed.size(), "remove, replace, or accept with a reason and a date");
  for (const Group& group : GroupByUnit(unfixed)) {
    SeverityLine(Worst(group.findings));
    out_.Put(Shown(group.unit.name), Ink::kBold).Put(PlacesText(group));
    out_.Put(fmt::format(": {} ({})", group.findings.size(), CountsText(group.findings))).End();
    out_.Begin(12).Wrap(12, IdsText(group.findings));
  }
}

void Table::WriteUnknown(const Findings& unknown) {
  std::vector<image::Gap> gaps = AllGaps(report_);
  if (unknown.empty() && gaps.empty()) return;
  Heading("UNKNOWN", unknown.size() + gaps.size(), "not safe, not known to be affected");
  for (const Group& group : GroupByUnit(unknown)) {
    SeverityLine(Worst(group.findings));
    out_.Put(Shown(group.unit.name), Ink::kBold);
    out_.Put(fmt::format(": {} not compared: {}", group.findings.size(), Shown(group.findings.front()->comparison))).End();
    out_.Begin(12).Wrap(12, IdsText(group.findings));
  }
  for (std::size_t i = 0; i < std::min(gaps.size(), kGapsShown); ++i) {
    const image::Gap& gap = gaps[i];
    bool blind = gap.kind != image::GapKind::kPartial;
    out_.Begin(2).PutPadded(blind ? "blind" : "partial", 10, blind ? Ink::kBoldRed : Ink::kYellow);
    std::string place = gap.path.empty() ? "" : Shown(gap.path) + " ";
    out_.Wrap(12, fmt::format("{}({}): {}", place, Shown(gap.cataloger), Printable(gap.reason, 400)));
  }
  if (gaps.size() > kGapsShown) out_.Begin(12).Put(fmt::format("and {} more", gaps.size() - kGapsShown)).End();
}

void Table::WriteDecisions() {
  if (report_.verdicts.empty()) return;
  Heading("DECISION", 0, "");
  std::set<std::string> said;  // the points of use mostly have the same reasons
  for (const PointVerdict& verdict : report_.verdicts) {
    const policy::Decision& d = verdict.decision;
    Ink ink = d.outcome == policy::Outcome::kDeny    ? Ink::kBoldRed
              : d.outcome == policy::Outcome::kAllow ? Ink::kGreen
                                                     : Ink::kYellow;
    out_.Begin(2).PutPadded(policy::Name(verdict.at), 10).Put(policy::Name(d.outcome), ink);
    if (d.quarantine) out_.Put(", stored and held back");
    if (d.valid_until != kNever) out_.Put(fmt::format("  (time can change this from {} on)", FormatTime(d.valid_until)), Ink::kDim);
    out_.End();
    for (const policy::Reason& reason : d.reasons) {
      if (!said.insert(std::string(policy::Name(reason.effect)) + reason.message).second) continue;
      out_.Begin(4).PutPadded(policy::Name(reason.effect), 6);
      out_.Wrap(10, Printable(reason.message));
    }
  }
}

}  // namespace

std::string RenderTable(const Report& report, const Style& style) { return Table(report, style).Write(); }

}  // namespace bulwark::report
