#pragma once
// What an account may do now, read from the database and kept for at most limits::kRightsLease (DESIGN 2.16, 2.20).

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/auth.h"
#include "base/sync.h"

namespace bulwark::auth {

struct Rights {
  User user;
  std::string password_hash;
  struct Held {
    std::uint32_t verbs = 0;  // bit (1 << Verb)
    std::string repositories;
  };
  std::vector<Held> held;

  bool Holds(Verb verb, std::string_view repository) const;
  bool HoldsEverywhere(Verb verb) const;  // by a grant on "**"
  bool HoldsThroughout(Verb verb, std::string_view glob) const;  // Authenticator::AllowedThroughout
};

// nullopt: no such account.
Result<std::optional<Rights>> LoadRights(const storage::ReadTx& tx, std::int64_t user_id);
Result<std::optional<Rights>> LoadRightsByName(const storage::ReadTx& tx, std::string_view name);

// Any thread.
class RightsCache {
 public:
  RightsCache(storage::Database& database, const Clock& clock) : database_(database), clock_(clock) {}
  // Null: no such account. Shared by the cache and the calls that read it.
  Result<std::shared_ptr<const Rights>> Of(std::int64_t user_id);
  // Also null where they would have to be read.
  std::shared_ptr<const Rights> AtHand(std::int64_t user_id);
  void Forget();

 private:
  struct Entry {
    std::shared_ptr<const Rights> rights;
    Time loaded{};
  };
  storage::Database& database_;
  const Clock& clock_;
  Mutex mutex_;
  std::uint64_t generation_ BW_GUARDED_BY(mutex_) = 0;  // raised by Forget: what was read before it is not kept
  std::unordered_map<std::int64_t, Entry> entries_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::auth
