#pragma once
// Basic credentials that were verified a moment ago, so that a client that sends them with every request costs one argon2
// call a minute; and equal log-ins that arrive together, which share one. Keys are hashes under a random key of the process:
// no password stays in memory. Any thread.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/principal.h"
#include "base/byte_source.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/sync.h"

namespace bulwark::auth {

struct CachedLogin {
  std::int64_t user_id = 0;
  std::string password_hash;  // it was verified against: a changed password ends it
  Time until{};
};

class LoginCache {
 public:
  LoginCache();
  Digest KeyOf(std::string_view account, std::string_view network, std::string_view password) const;
  std::optional<CachedLogin> Find(const Digest& key, Time now);
  std::uint64_t generation();
  // Kept only if nothing was forgotten since `generation` was read.
  void Insert(const Digest& key, CachedLogin login, std::uint64_t generation);
  void Forget();

  // Runs `verify`, or waits for another thread that runs it for the same key and returns the same answer.
  Result<Principal> Once(const Digest& key, const std::function<Result<Principal>()>& verify);

 private:
  struct Flight {
    std::optional<Result<Principal>> outcome;
  };
  Bytes secret_;
  Mutex mutex_;
  ConditionVariable landed_;
  std::uint64_t generation_ BW_GUARDED_BY(mutex_) = 0;
  std::unordered_map<Digest, CachedLogin> logins_ BW_GUARDED_BY(mutex_);
  // Shared by the thread that verifies and those that wait for it.
  std::unordered_map<Digest, std::shared_ptr<Flight>> flights_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::auth
