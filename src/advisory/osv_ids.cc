#include "advisory/osv_ids.h"

#include <algorithm>
#include <array>
#include <set>

namespace bulwark::advisory {
namespace {

constexpr std::array<std::string_view, 21> kErrata{
    "ALSA-", "ALBA-", "ALEA-", "RLSA-", "RLBA-", "RXSA-",   "RHSA-",       "RHBA-",  "RHEA-",   "ELSA-", "ELBA-",
    "DSA-",  "DLA-",  "DTSA-", "USN-",  "LSN-",  "SUSE-SU", "openSUSE-SU", "MGASA-", "FEDORA-", "ALAS"};
constexpr std::array<std::string_view, 6> kBugErrata{"ALBA-", "ALEA-", "RLBA-", "RHBA-", "RHEA-", "ELBA-"};

template <std::size_t N>
bool StartsWithAny(std::string_view id, const std::array<std::string_view, N>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view p) { return id.starts_with(p); });
}

}  // namespace

bool IsErratum(std::string_view id) { return StartsWithAny(id, kErrata); }

std::string_view CveIn(std::string_view id) {
  const auto at = id.find("CVE-");
  if (at == std::string_view::npos || (at > 0 && id[at - 1] != '-')) return {};
  const std::string_view cve = id.substr(at);
  const auto dash = cve.find('-', 4);
  auto digits = [](std::string_view s) { return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos; };
  if (dash != 8 || !digits(cve.substr(4, 4)) || !digits(cve.substr(9))) return {};
  return cve;
}

std::vector<VulnerabilityIds> IdsOf(const std::string& id, const std::vector<std::string>& aliases,
                                    const std::vector<std::string>& related, const std::vector<std::string>& upstream) {
  if (!IsErratum(id)) {
    std::set<std::string> all(aliases.begin(), aliases.end());
    if (upstream.size() == 1) all.insert(upstream[0]);
    std::set<std::string> cves;
    for (const std::string& each : all) cves.emplace(CveIn(each));
    if (CveIn(id) != id) cves.emplace(CveIn(id));
    for (const std::string& cve : cves) {
      if (!cve.empty()) all.insert(cve);
    }
    all.erase(id);
    return {{id, {all.begin(), all.end()}}};
  }
  std::set<std::string> cves;
  for (const auto* list : {&aliases, &related, &upstream}) {
    for (const std::string& each : *list) {
      if (auto cve = CveIn(each); !cve.empty()) cves.emplace(cve);
    }
  }
  std::vector<VulnerabilityIds> out;
  for (const std::string& cve : cves) out.push_back({cve, {id}});
  if (out.empty() && !StartsWithAny(id, kBugErrata)) out.push_back({id, {}});
  return out;
}

}  // namespace bulwark::advisory
