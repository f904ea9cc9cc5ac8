#pragma once
// The sentences of decisions: for the person whose push or pull it is, so they name the rule, the first finding and
// what would clear it. Names from images are made printable. No text depends on the time of asking.

#include <string>
#include <vector>

#include "policy/policy.h"

namespace bulwark::policy {

// "CVE-2024-1234 in openssl 3.0.11-1 is fixed in 3.0.15-1".
std::string Describe(const match::Finding& finding);
// "policy default, rule fixable-high: <first> (and 11 more)"; `offending` is not empty, worst first.
std::string FindingsMessage(const Policy& policy, const std::string& rule,
                            const std::vector<const match::Finding*>& offending);
// "policy default: <text>".
std::string PolicyMessage(const Policy& policy, std::string_view text);
// "var/lib/dpkg/status (dpkg): reason (and 2 more)"; `gaps` is not empty.
std::string GapsText(const std::vector<const image::Gap*>& gaps);
std::string ExceptionMessage(const Exception& exception, const match::Finding& first, std::size_t count);

}  // namespace bulwark::policy
