#include "auth/rights.h"

#include <algorithm>

#include "auth/scope.h"
#include "base/limits.h"
#include "base/strings.h"

namespace bulwark::auth {
namespace {

constexpr std::uint32_t Bit(Verb verb) { return std::uint32_t{1} << static_cast<unsigned>(verb); }

// `where` is ours, never from outside.
Result<std::optional<Rights>> Load(const storage::ReadTx& tx, std::string_view where, storage::Param key) {
  std::optional<Rights> out;
  std::string sql = "SELECT id, name, kind, disabled, must_change_password, created, password_hash FROM users WHERE ";
  BW_CHECK(tx.Each(sql.append(where), {key}, [&](const storage::Row& row) {
    out.emplace();
    out->user = {row.Int(0), std::string(row.Text(1)), static_cast<PrincipalKind>(row.Int(2)), row.Int(3) != 0, row.Int(4) != 0,
                 row.TimeAt(5)};
    out->password_hash = row.Text(6);
    return false;
  }));
  if (!out) return out;
  BW_TRY(auto grants, ListGrants(tx, out->user.id));
  for (Grant& grant : grants) {
    auto verbs = VerbsOf(grant.role);
    if (!verbs) continue;  // a role of a later version: gives nothing here
    Rights::Held held{0, std::move(grant.repositories)};
    for (Verb verb : *verbs) held.verbs |= Bit(verb);
    out->held.push_back(std::move(held));
  }
  return out;
}

}  // namespace

bool Rights::Holds(Verb verb, std::string_view repository) const {
  return std::any_of(held.begin(), held.end(),
                     [&](const Held& h) { return (h.verbs & Bit(verb)) != 0 && GlobMatch(h.repositories, repository); });
}

bool Rights::HoldsEverywhere(Verb verb) const {
  return std::any_of(held.begin(), held.end(), [&](const Held& h) { return (h.verbs & Bit(verb)) != 0 && h.repositories == "**"; });
}

bool Rights::HoldsThroughout(Verb verb, std::string_view glob) const {
  return std::any_of(held.begin(), held.end(), [&](const Held& h) { return (h.verbs & Bit(verb)) != 0 && Covers(h.repositories, glob); });
}

Result<std::optional<Rights>> LoadRights(const storage::ReadTx& tx, std::int64_t user_id) {
  return Load(tx, "id = ?1", user_id);
}

Result<std::optional<Rights>> LoadRightsByName(const storage::ReadTx& tx, std::string_view name) {
  return Load(tx, "name = ?1", name);
}

std::shared_ptr<const Rights> RightsCache::AtHand(std::int64_t user_id) {
  Time now = clock_.Now();
  MutexLock lock(mutex_);
  auto found = entries_.find(user_id);
  if (found == entries_.end() || now < found->second.loaded || now - found->second.loaded >= limits::kRightsLease) return nullptr;
  return found->second.rights;
}

Result<std::shared_ptr<const Rights>> RightsCache::Of(std::int64_t user_id) {
  Time now = clock_.Now();
  std::uint64_t generation = 0;
  {
    MutexLock lock(mutex_);
    auto found = entries_.find(user_id);
    if (found != entries_.end() && now >= found->second.loaded && now - found->second.loaded < limits::kRightsLease) {
      return found->second.rights;
    }
    generation = generation_;
  }
  BW_TRY(auto loaded, database_.Read([&](const storage::ReadTx& tx) { return LoadRights(tx, user_id); }));
  std::shared_ptr<const Rights> rights = loaded ? std::make_shared<const Rights>(*std::move(loaded)) : nullptr;
  MutexLock lock(mutex_);
  if (generation == generation_) {
    if (entries_.size() >= limits::kCachedLogins) entries_.clear();
    entries_[user_id] = {rights, now};
  }
  return rights;
}

void RightsCache::Forget() {
  MutexLock lock(mutex_);
  ++generation_;
  entries_.clear();
}

}  // namespace bulwark::auth
