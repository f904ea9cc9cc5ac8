#include "auth/login_cache.h"

#include <utility>

#include "base/limits.h"
#include "crypto/hash.h"

namespace bulwark::auth {

LoginCache::LoginCache() : secret_(crypto::RandomBytes(32)) {}

Digest LoginCache::KeyOf(std::string_view account, std::string_view network, std::string_view password) const {
  crypto::Hasher hasher(crypto::HashKind::kSha256);
  hasher.Update(secret_);
  for (std::string_view part : {account, network, password}) {
    std::uint64_t size = part.size();  // framed, so that no part can run into the next
    hasher.Update({reinterpret_cast<const std::uint8_t*>(&size), sizeof size});
    hasher.Update(AsBytes(part));
  }
  return hasher.FinishDigest();
}

std::optional<CachedLogin> LoginCache::Find(const Digest& key, Time now) {
  MutexLock lock(mutex_);
  auto found = logins_.find(key);
  if (found == logins_.end()) return std::nullopt;
  if (now < found->second.until && found->second.until - now <= limits::kLoginCache) return found->second;
  logins_.erase(found);  // too old, or the clock stepped back
  return std::nullopt;
}

std::uint64_t LoginCache::generation() {
  MutexLock lock(mutex_);
  return generation_;
}

void LoginCache::Insert(const Digest& key, CachedLogin login, std::uint64_t generation) {
  MutexLock lock(mutex_);
  if (generation != generation_) return;
  if (logins_.size() >= limits::kCachedLogins) logins_.clear();
  logins_[key] = std::move(login);
}

void LoginCache::Forget() {
  MutexLock lock(mutex_);
  ++generation_;
  logins_.clear();
}

Result<Principal> LoginCache::Once(const Digest& key, const std::function<Result<Principal>()>& verify) {
  std::shared_ptr<Flight> flight;
  bool lead = false;
  {
    MutexLock lock(mutex_);
    auto [at, inserted] = flights_.try_emplace(key);
    if (inserted) at->second = std::make_shared<Flight>();
    flight = at->second;
    lead = inserted;
    while (!lead && !flight->outcome) landed_.wait(mutex_);
    if (!lead) return *flight->outcome;
  }
  Result<Principal> outcome(Errc::kUnavailable, "the log-in was interrupted");
  try {
    outcome = verify();
  } catch (const std::exception&) {
    // Out of memory: whoever waits must still be woken.
  }
  MutexLock lock(mutex_);
  flight->outcome.emplace(outcome);
  flights_.erase(key);
  landed_.notify_all();
  return outcome;
}

}  // namespace bulwark::auth
