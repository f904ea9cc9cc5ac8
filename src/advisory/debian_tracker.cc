// The Debian security tracker (security-tracker.debian.org/tracker/data/json; its fields are described in the tracker's
// doc/security-team.d): source package -> CVE -> releases -> what holds there. Releases are code names. Testing and unstable
// are left out where no number is known for them: no image says which of both it is.

#include <array>

#include "advisory/cvss.h"
#include "advisory/feed_json.h"
#include "advisory/feeds.h"

namespace bulwark::advisory {
namespace {

struct Release {
  std::string_view codename;
  std::string_view ecosystem;
};
// A code name that is not here (sid) is passed over.
constexpr std::array<Release, 9> kReleases{{{"wheezy", "Debian:7"}, {"jessie", "Debian:8"}, {"stretch", "Debian:9"},
                                            {"buster", "Debian:10"}, {"bullseye", "Debian:11"}, {"bookworm", "Debian:12"},
                                            {"trixie", "Debian:13"}, {"forky", "Debian:14"}, {"duke", "Debian:15"}}};

std::string_view EcosystemOf(std::string_view codename) {
  for (const Release& release : kReleases) {
    if (release.codename == codename) return release.ecosystem;
  }
  return {};
}

// "low**": the tracker's guess where nobody has assigned one.
Severity SeverityOf(std::string_view urgency) { return ParseSeverity(urgency.substr(0, urgency.find('*'))); }

// "resolved" with version 0: never affected. An open issue has no fix: of "no-dsa" ones those ignored will not get one, the
// others wait for a point release. A status that is not known here is one that nobody has decided.
Status ReadState(dom::element entry, std::string_view urgency, Record& record) {
  BW_TRY(const std::string_view status, RequiredText(entry, "status"));
  if (status == "resolved") {
    BW_TRY(const std::string_view fixed, RequiredText(entry, "fixed_version"));
    record.state = fixed == "0" ? State::kNotAffected : State::kFixed;
    if (fixed != "0") record.ranges.push_back({"", std::string(fixed), ""});
    return {};
  }
  BW_TRY(const auto reason, OptionalText(entry, "nodsa_reason"));
  record.state = status != "open" ? State::kUndetermined
                 : urgency == "end-of-life" ? State::kEndOfLife
                 : reason == "ignored" ? State::kIgnored
                                       : State::kOpen;
  return {};
}

Status ReadRelease(dom::element entry, Record record, FeedOutput& out) {
  if (!entry.is_object()) return Malformed("a release is not an object");
  BW_TRY(const auto urgency, OptionalText(entry, "urgency"));
  record.severity = SeverityOf(urgency.value_or(""));
  BW_CHECK(ReadState(entry, urgency.value_or(""), record));
  record.url = "https://security-tracker.debian.org/tracker/" + record.id;
  return out.Add(std::move(record));
}

Status ReadIssue(std::string_view package, std::string_view id, dom::element issue, FeedOutput& out) {
  dom::element releases;
  dom::array none;
  if (!issue.is_object() || issue["releases"].get(releases)) return Malformed("an issue without releases");
  if (!releases.get(none) && none.size() == 0) {  // how the tracker writes an empty object
    out.Skip();
    return {};
  }
  dom::object object;
  if (releases.get(object)) return Malformed("releases is not an object");
  bool any = false;
  for (const auto& [codename, entry] : object) {
    const std::string_view ecosystem = EcosystemOf(codename);
    if (ecosystem.empty()) continue;
    Record record;
    record.id = id;
    record.package = {std::string(ecosystem), std::string(package)};
    BW_CHECK(ReadRelease(entry, std::move(record), out));
    any = true;
  }
  if (!any) out.Skip();
  return {};
}

}  // namespace

bool IsDebianTracker(const Document& first) {
  dom::parser parser;
  if (first.syntax != Syntax::kJson) return false;
  const auto root = ParseFeedJson(parser, first.text);
  dom::object packages, issues;
  if (!root || root->get(packages)) return false;
  for (const auto& [package, value] : packages) {
    if (value.get(issues)) return false;
    for (const auto& [id, issue] : issues) return issue.is_object() && !issue["releases"].error();
  }
  return false;
}

Status ReadDebianTracker(const Document& document, FeedOutput& out) {
  dom::parser parser;
  BW_TRY(const dom::element root, ParseFeedJson(parser, document.text));
  dom::object packages;
  if (root.get(packages)) return Malformed("not an object");
  for (const auto& [package, value] : packages) {
    dom::object issues;
    if (value.get(issues)) {
      out.CountError(package, Malformed("a package is not an object"));
      continue;
    }
    for (const auto& [id, issue] : issues) {
      out.CountItems(1);
      if (Status read = ReadIssue(package, id, issue, out); !read) {
        if (read.error().code == Errc::kLimit) return read;
        out.CountError(fmt::format("{} {}", package, id), read.error());
      }
    }
  }
  return {};
}

}  // namespace bulwark::advisory
