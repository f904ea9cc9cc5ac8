#include "auth/principal.h"

#include <algorithm>
#include <array>
#include <utility>

namespace bulwark::auth {
namespace {

// Stored in tokens and, later, in custom roles: a name never changes its meaning.
constexpr std::array<std::pair<Verb, std::string_view>, 14> kVerbs = {{
    {Verb::kPull, "pull"},
    {Verb::kPullBlocked, "pull-blocked"},
    {Verb::kPush, "push"},
    {Verb::kCreate, "create"},
    {Verb::kDelete, "delete"},
    {Verb::kSign, "sign"},
    {Verb::kReadReport, "read-report"},
    {Verb::kScan, "scan"},
    {Verb::kManagePolicy, "manage-policy"},
    {Verb::kApproveException, "approve-exception"},
    {Verb::kRequestException, "request-exception"},
    {Verb::kManageMembers, "manage-members"},
    {Verb::kReadAudit, "read-audit"},
    {Verb::kAdmin, "admin"},
}};

}  // namespace

std::string_view Name(Verb verb) {
  for (const auto& [v, name] : kVerbs)
    if (v == verb) return name;
  return "?";
}

std::optional<Verb> ParseVerb(std::string_view name) {
  for (const auto& [v, n] : kVerbs)
    if (n == name) return v;
  return std::nullopt;
}

bool Principal::only_pulls(std::string_view repository) const {
  if (!scopes) return true;
  return std::none_of(scopes->begin(), scopes->end(), [&](const Scope& scope) {
    return scope.repository == repository && std::any_of(scope.verbs.begin(), scope.verbs.end(), [](Verb v) {
             return v == Verb::kPush || v == Verb::kSign;
           });
  });
}

bool Principal::lists_catalog() const {
  return !scopes || std::any_of(scopes->begin(), scopes->end(),
                                [](const Scope& scope) { return scope.repository == kCatalogScope; });
}

}  // namespace bulwark::auth
