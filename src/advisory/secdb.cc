// secdb, the security database of Alpine Linux (secdb.alpinelinux.org: one file a release and repository; Wolfi and
// Chainguard publish the same form): source package -> version that fixed -> ids. "0" as the version: never affected. It
// lists only what was fixed, and says nothing of severity.

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "advisory/feed_json.h"
#include "advisory/feeds.h"
#include "advisory/osv_ids.h"

namespace bulwark::advisory {
namespace {

// What one text of a list names: "CVE-2021-27219 GHSL-2021-045", with remarks such as "(BGP)" in between.
struct Named {
  std::string_view fixed;
  std::vector<std::string> cves, others;  // cves: each once
  std::vector<std::string> odd;           // what is not written as CVEs are
};

bool IsLetterOrDigit(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Ids of others: "XSA-401", "GNUTLS-SA-2020-06-03", "VSV00010"; no words and no remarks in brackets.
bool LooksLikeId(std::string_view token) {
  auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  auto small = [](char c) { return c >= 'a' && c <= 'z'; };
  const bool plain = std::all_of(token.begin(), token.end(), [&](char c) { return letter(c) || digit(c) || c == '-' || c == '.' || c == '_'; });
  const bool joined = token.find('-') != token.npos || std::none_of(token.begin(), token.end(), small);
  return token.size() >= 5 && plain && joined && letter(token[0]) && std::any_of(token.begin(), token.end(), digit);
}

std::string_view Trimmed(std::string_view token, std::string_view of) {
  const auto begin = token.find_first_not_of(of);
  return begin == token.npos ? std::string_view() : token.substr(begin, token.find_last_not_of(of) + 1 - begin);
}

// "CVE-2017-17434" at the begin of a word, also written "cve_2017_17434"; "" of anything else. `rest`: what is behind it.
std::string CveOf(std::string_view token, std::string_view& rest) {
  std::string text(token);
  if (!EqualsIgnoreCase(text.substr(0, 3), "CVE") || text.size() < 4 || (text[3] != '-' && text[3] != '_')) return {};
  text.replace(0, 4, "CVE-");  // as it is sometimes written
  const auto year = text.find_first_of("-_", 4);
  if (year == text.npos) return {};
  text[year] = '-';
  const auto end = std::min(text.size(), text.find_first_not_of("0123456789", year + 1));
  rest = token.substr(end);
  if (!rest.empty() && IsLetterOrDigit(rest[0])) return {};
  text.resize(end);
  return CveIn(text) == text ? text : std::string();
}

// "CVE-2017-17434-1" is a part of it, "CVE-2021-35940.patch" what mends it.
bool SaysNothing(std::string_view rest) {
  const bool part = rest.size() > 1 && rest[0] == '-' && rest.find_first_not_of("0123456789", 1) == rest.npos;
  return rest.empty() || part || rest == ".patch";
}

// What was meant as a CVE and is none stays, as an id of its own, if it names anything: better an odd finding than none. It
// is told, as is what stands unseparated behind a CVE.
void AddToken(std::string_view token, Named& into) {
  constexpr std::string_view kAround = "()[].,:?";
  const std::string_view bare = Trimmed(token, kAround);
  std::string_view rest;
  if (std::string cve = CveOf(bare, rest); !cve.empty()) {
    if (std::find(into.cves.begin(), into.cves.end(), cve) == into.cves.end()) into.cves.push_back(std::move(cve));
    if (SaysNothing(rest)) return;
    into.odd.emplace_back(bare);
    for (std::size_t at = 1; at + 3 < rest.size(); ++at)
      if (EqualsIgnoreCase(rest.substr(at, 3), "CVE") && !IsLetterOrDigit(rest[at - 1])) return AddToken(rest.substr(at), into);
    return;
  }
  const bool meant = EqualsIgnoreCase(bare.substr(0, 3), "CVE");
  if (meant && bare.size() > 3) into.odd.emplace_back(bare);
  token = Trimmed(token, "[].,:?");
  const auto number = bare.find_last_of("-_");
  if (meant && (number == bare.npos || bare.find_first_of("0123456789", number) == bare.npos)) return;
  if (LooksLikeId(token)) into.others.emplace_back(token);
}

void AddTokens(std::string_view text, Named& into) {
  constexpr std::string_view kBetween = " \t\r\n,;/&|";
  while (!text.empty()) {
    const auto end = std::min(text.size(), text.find_first_of(kBetween));
    AddToken(text.substr(0, end), into);
    text.remove_prefix(std::min(text.size(), end + 1));
  }
}

Result<std::vector<Named>> ReadFixes(dom::object fixes) {
  std::vector<Named> out;
  for (const auto& [version, value] : fixes) {
    dom::array ids;
    dom::object none;
    if (value.is_null() || (!value.get(none) && none.size() == 0)) continue;
    if (value.get(ids)) return Malformed("the ids of a fix are not an array");
    for (dom::element element : ids) {
      std::string_view text;
      if (element.get(text)) return Malformed("an id is not a string");
      Named named{version, {}, {}, {}};
      AddTokens(text, named);
      out.push_back(std::move(named));
    }
  }
  return out;
}

// One vulnerability each. An id of somebody else's is an alias only where it can belong to no other CVE of the package: an
// advisory such as XSA-401 names several, and would join them into one.
Status AddNamed(const std::vector<Named>& all, const versions::PackageKey& package, FeedOutput& out) {
  std::map<std::string_view, std::set<std::string_view>> cves_of;
  for (const Named& named : all) {
    for (const std::string& other : named.others) cves_of[other].insert(named.cves.begin(), named.cves.end());
  }
  for (const Named& named : all) {
    if (named.cves.empty() && named.others.empty()) out.Skip();  // "N/A"
    for (const std::string& id : named.odd) out.Tell(package.name, "\"" + id + "\" is not as CVE ids are written");
    for (const std::string& id : named.cves.empty() ? named.others : named.cves) {
      Record record;
      record.id = id;
      record.package = package;
      if (named.fixed == "0") record.state = State::kNotAffected;
      else record.ranges.push_back({"", std::string(named.fixed), ""});
      for (const std::string& other : named.others) {
        if (named.cves.size() == 1 && cves_of[other].size() == 1) record.aliases.push_back(other);
      }
      record.url = "https://security.alpinelinux.org/vuln/" + id;
      BW_CHECK(out.Add(std::move(record)));
    }
  }
  return {};
}

Status ReadPackage(dom::element entry, const std::string& ecosystem, FeedOutput& out) {
  dom::element package;
  dom::object fixes;
  if (!entry.is_object() || entry["pkg"].get(package) || !package.is_object()) return Malformed("a package without pkg");
  BW_TRY(const std::string_view name, RequiredText(package, "name"));
  dom::element value;
  if (package["secfixes"].get(value) || value.is_null()) {
    out.Skip();
    return {};
  }
  if (value.get(fixes)) return Malformed(fmt::format("{}: secfixes is not an object", name));
  BW_TRY(const std::vector<Named> all, ReadFixes(fixes));
  return AddNamed(all, {ecosystem, std::string(name)}, out);
}

bool IsAlpineRelease(std::string_view text) {
  auto digits = [](std::string_view s) { return !s.empty() && s.find_first_not_of("0123456789") == s.npos; };
  const auto dot = text.find('.');
  return text == "edge" || (text.starts_with('v') && dot != text.npos && digits(text.substr(1, dot - 1)) && digits(text.substr(dot + 1)));
}

// The release as OSV names it. Rolling distributions state none, but where their packages lie.
Result<std::string> EcosystemOf(dom::element root) {
  BW_TRY(const auto release, OptionalText(root, "distroversion"));
  BW_TRY(const auto prefix, OptionalText(root, "urlprefix"));
  if (release) {
    if (!IsAlpineRelease(*release)) return Malformed("distroversion is no release of Alpine");
    return "Alpine:" + std::string(*release);
  }
  if (prefix && prefix->ends_with("packages.wolfi.dev")) return std::string("Wolfi");
  if (prefix && prefix->ends_with("packages.cgr.dev")) return std::string("Chainguard");
  return Malformed("distroversion is missing");
}

// What has no packages has an empty object in their place.
Result<std::optional<dom::array>> PackagesOf(dom::element root) {
  dom::element packages;
  dom::array array;
  dom::object none;
  if (root["packages"].get(packages)) return Malformed("packages is missing");
  if (!packages.get(array)) return std::optional(array);
  if (packages.get(none) || none.size() > 0) return Malformed("packages is not an array");
  return std::optional<dom::array>{};
}

}  // namespace

bool IsSecdb(const Document& first) {
  dom::parser parser;
  if (first.syntax != Syntax::kJson) return false;
  const auto root = ParseFeedJson(parser, first.text);
  return root && root->is_object() && RequiredText(*root, "reponame").ok() && PackagesOf(*root).ok();
}

Status ReadSecdb(const Document& document, FeedOutput& out) {
  dom::parser parser;
  BW_TRY(const dom::element root, ParseFeedJson(parser, document.text));
  if (!root.is_object()) return Malformed("not an object");
  BW_TRY(const std::string ecosystem, EcosystemOf(root));
  BW_TRY(const auto packages, PackagesOf(root));
  if (!packages) return {};
  for (dom::element entry : *packages) {
    out.CountItems(1);
    if (Status read = ReadPackage(entry, ecosystem, out); !read) {
      if (read.error().code == Errc::kLimit) return read;
      out.CountError(document.name, read.error());
    }
  }
  return {};
}

}  // namespace bulwark::advisory
