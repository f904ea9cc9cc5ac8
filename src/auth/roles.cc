// The built-in roles. Only admin and security carry pull-blocked (DESIGN 2.2): they must be able to look at what the gate
// holds back. The auditor reads what is said about images (reports, audit) and changes nothing; image bytes are not
// needed for that, so the role has no pull and cannot be used to copy images out.

#include <array>

#include "auth/auth.h"

namespace bulwark::auth {
namespace {

struct Role {
  std::string_view name;
  std::vector<Verb> verbs;
};

const std::array<Role, 6>& Roles() {
  using enum Verb;
  static const std::array<Role, 6> roles = {{
      {"admin",
       {kPull, kPullBlocked, kPush, kCreate, kDelete, kSign, kReadReport, kScan, kManagePolicy, kApproveException,
        kRequestException, kManageMembers, kReadAudit, kAdmin}},
      {"security",
       {kPull, kPullBlocked, kReadReport, kScan, kManagePolicy, kApproveException, kRequestException, kReadAudit}},
      {"auditor", {kReadReport, kReadAudit}},
      {"maintainer", {kPull, kPush, kCreate, kDelete, kSign, kReadReport, kScan, kRequestException, kManageMembers}},
      {"developer", {kPull, kPush, kCreate, kSign, kReadReport, kRequestException}},
      {"puller", {kPull, kReadReport}},
  }};
  return roles;
}

}  // namespace

std::optional<std::vector<Verb>> VerbsOf(std::string_view role) {
  for (const Role& r : Roles())
    if (r.name == role) return r.verbs;
  return std::nullopt;
}

}  // namespace bulwark::auth
