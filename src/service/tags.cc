#include <algorithm>

#include "base/limits.h"
#include "service/registry_parts.h"

namespace bulwark::service {

Result<Page> Tags::List(const Caller& caller, const RepoName& name, std::size_t n, std::string_view last) {
  BW_TRY(auto repository, d_.rights.Repository(caller, name, auth::Verb::kPull, "tag.list"));
  Page out;
  if (n == 0) return out;
  storage::PageRequest request;
  request.limit = std::min<std::size_t>(n, limits::kPageMaximum);
  request.after = last;
  BW_TRY(auto page,
         d_.database.Read([&](const storage::ReadTx& tx) { return storage::ListTags(tx, repository.id, request); }));
  for (storage::Tag& tag : page.items) out.items.push_back(std::move(tag.name));
  out.more = page.next.has_value();
  return out;
}

Result<Page> Tags::Repositories(const Caller& caller, std::size_t n, std::string_view last) {
  if (caller.principal.kind == auth::PrincipalKind::kAnonymous) return {Errc::kUnauthenticated, "log in first"};
  const bool whole = caller.principal.lists_catalog();
  if (!whole && caller.principal.scopes->empty())
    return {Errc::kDenied, "DENIED: insufficient_scope: the token does not name the scope registry:catalog:*"};
  Page out;
  if (n == 0) return out;
  n = std::min<std::size_t>(n, limits::kPageMaximum);
  storage::PageRequest request;
  request.limit = limits::kPageMaximum;
  request.after = last;
  while (true) {
    BW_TRY(auto page, d_.database.Read([&](const storage::ReadTx& tx) {
      return storage::ListRepositories(tx, std::nullopt, request);
    }));
    for (storage::Repository& repository : page.items) {
      // The catalog's scope names no repository: what the account may pull is listed. Another token lists its own.
      BW_TRY(bool visible, whole ? d_.rights.OwnerHolds(caller.principal, auth::Verb::kPull, repository.name)
                                 : d_.rights.Holds(caller.principal, auth::Verb::kPull, repository.name));
      if (!visible) continue;
      if (out.items.size() == n) {  // a visible one behind the page: invisible ones never make `more`
        out.more = true;
        return out;
      }
      out.items.push_back(std::move(repository.name));
    }
    if (!page.next) return out;
    request.after = *page.next;
  }
}

}  // namespace bulwark::service
