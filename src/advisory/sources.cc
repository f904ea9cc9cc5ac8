#include "advisory/sources.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"

namespace bulwark::advisory {
namespace {

// OSV: google.github.io/osv.dev/data. Alpine: one file a release and repository. EPSS moved to Empirical Security in 2025.
constexpr KnownSource kKnown[] = {
    {"osv/", "zip", "{}", "https://osv-vulnerabilities.storage.googleapis.com/{}/all.zip",
     "https://storage.googleapis.com/osv-vulnerabilities/{}/all.zip"},
    {"alpine/", "json", "", "https://secdb.alpinelinux.org/{}.json", ""},
    {"debian", "json", "", "https://security-tracker.debian.org/tracker/data/json", ""},
    {"kev", "json", "", "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
     "https://raw.githubusercontent.com/cisagov/kev-data/HEAD/known_exploited_vulnerabilities.json"},
    {"epss", "csv.gz", "", "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz", "https://epss.cyentia.com/epss_scores-current.csv.gz"},
};

constexpr std::string_view kFormats[] = {"json.gz", "json.zst", "json", "jsonl.gz", "jsonl.zst", "jsonl", "csv.gz",
                                         "csv", "zip", "tar.gz", "tar.zst", "tar"};
constexpr std::size_t kNameBytes = 64;

bool IsAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// "Red Hat" is "Red%20Hat"; a slash stays one.
std::string Encoded(std::string_view part) {
  std::string out;
  for (char c : part) {
    if (IsAlnum(c) || c == '.' || c == '-' || c == '_' || c == '/') out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string Fill(std::string_view text, std::string_view part) {
  const auto at = text.find("{}");
  if (at == std::string_view::npos) return std::string(text);
  return std::string(text.substr(0, at)) + std::string(part) + std::string(text.substr(at + 2));
}

bool IsPart(std::string_view part) {
  return !part.empty() && part.size() <= kNameBytes && part.find("..") == std::string_view::npos && part.front() != '/' &&
         std::all_of(part.begin(), part.end(), [](char c) { return IsAlnum(c) || std::string_view(" .:_-/").find(c) != std::string_view::npos; });
}

std::string NameOf(std::string_view from) {
  std::string out;
  for (char c : from) out += IsAlnum(c) || c == '.' ? c : '-';
  return out;
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytes && IsAlnum(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return IsAlnum(c) || c == '.' || c == '-'; });
}

// What the path of an address ends in; empty: nothing that is known.
std::string FormatOf(std::string_view url) {
  std::string_view path = url.substr(0, url.find_first_of("?#"));
  for (std::string_view format : kFormats) {
    if (path.ends_with("." + std::string(format))) return std::string(format);
  }
  return path.ends_with(".bwa") ? std::string(kFinishedFormat) : "";
}

// The host of "http://HOST…", without port and brackets.
std::string_view HostOf(std::string_view rest) {
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (rest.starts_with('[')) return rest.substr(1, rest.find(']') - 1);
  return rest.substr(0, rest.find(':'));
}

Status CheckUrl(const std::string& url, bool plain_http) {
  const bool printable = std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
  const std::string_view text = url;
  const std::string_view authority = text.substr(std::min(text.size(), text.find("//") + 2));
  if (!printable || authority.substr(0, authority.find_first_of("/?#")).find('@') != std::string_view::npos)
    return Error{Errc::kInvalid, "an address must be plain text without a log-in"};
  if (url.starts_with("https://")) return {};
  if (!url.starts_with("http://")) return Error{Errc::kInvalid, fmt::format("{} is no https address", Printable(url, 200))};
  auto address = config::ParseAddress(HostOf(authority).find(':') == std::string_view::npos ? fmt::format("{}:1", HostOf(authority))
                                                                                            : fmt::format("[{}]:1", HostOf(authority)));
  if (plain_http || (address.ok() && address->loopback)) return {};
  return Error{Errc::kInvalid, fmt::format("{} is not TLS; plain_http: on allows it", Printable(url, 200))};
}

// Puts what the table says of `from` where the configuration says nothing.
Status TakeKnown(std::string_view from, FetchSource& into) {
  for (const KnownSource& known : kKnown) {
    const bool open = known.name.ends_with('/');
    if (open ? !from.starts_with(known.name) : from != known.name) continue;
    const std::string_view part = from.substr(known.name.size());
    if (open && !IsPart(part)) break;
    if (into.name.empty()) into.name = NameOf(from);
    if (into.urls.empty()) {
      into.urls.push_back(Fill(known.url, Encoded(part)));
      if (!known.mirror.empty()) into.urls.push_back(Fill(known.mirror, Encoded(part)));
    }
    if (into.format.empty()) into.format = known.format;
    if (!known.whole.empty()) into.whole.push_back(Fill(known.whole, part));
    return {};
  }
  std::string names;
  for (const KnownSource& known : kKnown) names += (names.empty() ? "" : ", ") + std::string(known.name) + (known.name.ends_with('/') ? "…" : "");
  return Error{Errc::kInvalid, fmt::format("'{}' is no known source of advisories; there are {}", Printable(from, 100), names)};
}

}  // namespace

std::span<const KnownSource> KnownSources() { return kKnown; }

Result<FetchSource> ResolveSource(const config::AdvisorySource& c) {
  FetchSource out{c.name, c.urls, c.format, c.whole, c.ca_file, c.credentials_file, c.plain_http, c.max_bytes};
  const std::string line = c.line > 0 ? fmt::format("line {}: ", c.line) : "";
  auto invalid = [&](const std::string& why) {
    const std::string& name = out.name.empty() ? c.from : out.name;
    return Error{Errc::kInvalid, fmt::format("{}advisory source {}{}", line, name.empty() ? "" : Printable(name, 80) + ": ", why)};
  };
  if (!c.from.empty()) {
    if (Status known = TakeKnown(c.from, out); !known.ok()) return invalid(known.error().message);
  }
  if (!IsName(out.name)) return invalid("needs a name of letters, digits, '.' and '-'");
  if (out.urls.empty()) return invalid("needs an address in urls, or from");
  if (out.format.empty()) out.format = FormatOf(out.urls[0]);
  if (out.format.empty()) return invalid("the address does not say the format; give it");
  for (const std::string& url : out.urls) {
    if (Status good = CheckUrl(url, c.plain_http); !good.ok()) return invalid(good.error().message);
  }
  if (out.format == kFinishedFormat && !out.whole.empty()) return invalid("a finished file says itself what it knows wholly");
  return out;
}

Result<std::vector<FetchSource>> ResolveSources(const std::vector<config::AdvisorySource>& configured) {
  std::vector<FetchSource> out;
  std::set<std::string> names;
  for (const auto& source : configured) {
    BW_TRY(FetchSource resolved, ResolveSource(source));
    // File systems that fold case would make one file of two.
    if (!names.insert(ToLower(resolved.name)).second) return Error{Errc::kInvalid, fmt::format("two advisory sources are named {}", resolved.name)};
    out.push_back(std::move(resolved));
  }
  for (const FetchSource& source : out) {
    if (source.format == kFinishedFormat && out.size() > 1)
      return Error{Errc::kInvalid, fmt::format("advisory source {} is a finished file: there can be no other beside it", source.name)};
  }
  return out;
}

}  // namespace bulwark::advisory
