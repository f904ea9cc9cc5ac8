#pragma once
// Who is asking, and what a right is called.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulwark::auth {

// Fine verbs (issue "Access" adds more). Stored by name.
enum class Verb : std::uint8_t {
  kPull, kPullBlocked, kPush, kCreate, kDelete, kSign, kReadReport, kScan, kManagePolicy, kApproveException,
  kRequestException, kManageMembers, kReadAudit, kAdmin
};
std::string_view Name(Verb verb);  // "pull", "pull-blocked", …
std::optional<Verb> ParseVerb(std::string_view name);

enum class PrincipalKind : std::uint8_t { kAnonymous = 0, kUser = 1, kService = 2, kCluster = 3, kSystem = 4 };

// One entry of a bearer token's scope: what the token may do in one repository.
struct Scope {
  std::string repository;
  std::vector<Verb> verbs;
  auto operator<=>(const Scope&) const = default;
};

// The scope of a token that lists the registry's repositories ("registry:catalog:*"), in place of a repository's name,
// which it cannot be: no right to any repository hangs on it.
inline constexpr std::string_view kCatalogScope = "*catalog";

struct Principal {
  PrincipalKind kind = PrincipalKind::kAnonymous;
  std::int64_t id = 0;        // users.id; never re-used
  std::string name = "anonymous";
  bool must_change_password = false;        // may do nothing but set a new one
  std::optional<std::vector<Scope>> scopes; // of the bearer token the request came with; nullopt: not a scoped token
  bool signs = false;                       // logged in as "NAME+sign": tokens of this log-in are meant for signing
  // Whether the request states the intent of only reading (DESIGN 2.2): a token whose scope on that repository holds neither push nor
  // sign, or no token at all.
  bool only_pulls(std::string_view repository) const;
  // Whether lists of repositories go by the account's rights: no scoped token, or one with kCatalogScope.
  bool lists_catalog() const;
};

}  // namespace bulwark::auth
