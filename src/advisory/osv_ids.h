#pragma once
// Which vulnerabilities an OSV record is about.

#include <string>
#include <string_view>
#include <vector>

namespace bulwark::advisory {

struct VulnerabilityIds {
  std::string id;
  std::vector<std::string> aliases;
};

// Most records are about one vulnerability: their own id with its aliases (`upstream` included where it names only one).
// An erratum (ALSA-…, RHSA-…, USN-…) fixes many: one entry per CVE it names, with the erratum as alias. An erratum for
// bugs (ALBA-…, ALEA-…) without a CVE is about none.
std::vector<VulnerabilityIds> IdsOf(const std::string& id, const std::vector<std::string>& aliases,
                                    const std::vector<std::string>& related, const std::vector<std::string>& upstream);

// An id of a vendor's update, which is no name of one vulnerability: it must not join CVEs.
bool IsErratum(std::string_view id);

// The CVE that an id carries: "CVE-2024-1" itself, or at the end of "UBUNTU-CVE-2024-1"; "" if none.
std::string_view CveIn(std::string_view id);

}  // namespace bulwark::advisory
