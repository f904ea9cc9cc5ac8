#include "auth/lockout.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <arpa/inet.h>

#include "base/hex.h"
#include "base/strings.h"

namespace bulwark::auth {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFreeTries = 5;
constexpr Millis kFirstDelay = 1s, kLongestDelay = 15min, kForget = 1h;

std::string Key(std::string_view account, std::string_view network) {
  std::string out(account);
  out.push_back('\n');  // in neither part
  return out.append(network);
}

Millis DelayAfter(std::size_t failures) {
  if (failures < kFreeTries) return 0ms;
  std::size_t doublings = std::min<std::size_t>(failures - kFreeTries, 20);
  return std::min(kLongestDelay, kFirstDelay * (std::int64_t{1} << doublings));
}

// "1.2.3.4:567" and "[::1]:567" without their port.
std::string Address(std::string_view remote) {
  if (remote.starts_with('[')) return std::string(remote.substr(1, remote.find(']') - 1));
  if (std::count(remote.begin(), remote.end(), ':') == 1) return std::string(remote.substr(0, remote.find(':')));
  return std::string(remote.substr(0, remote.find('%')));
}

}  // namespace

std::string NetworkOf(std::string_view remote) {
  std::string address = Address(remote);
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return "4:" + ToHex(std::span(bytes).first(3));
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) {
    static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return "4:" + ToHex(std::span(bytes).subspan(12, 3));
    return "6:" + ToHex(std::span(bytes).first(8));
  }
  return "?:" + ToHex(std::span(reinterpret_cast<const std::uint8_t*>(remote.data()), std::min<std::size_t>(remote.size(), 64)));
}

bool Lockout::Begin(std::string_view account, std::string_view network, Time now) {
  MutexLock lock(mutex_);
  std::string key = Key(account, network);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    if (entries_.size() >= limit_) {  // each costs its maker one password hash, so the table turns over slowly
      by_key_.erase(entries_.front().key);
      entries_.pop_front();
    }
    entries_.push_back({key, 0, now, now});
    found = by_key_.emplace(std::move(key), std::prev(entries_.end())).first;
  }
  Entry& entry = *found->second;
  if (now < entry.locked_until && now >= entry.last) return false;
  if (now - entry.last >= kForget || now < entry.last) entry.failures = 0;  // also after the clock stepped back
  ++entry.failures;
  entry.last = now;
  entry.locked_until = now + DelayAfter(entry.failures);
  entries_.splice(entries_.end(), entries_, found->second);
  return true;
}

bool Lockout::Locked(std::string_view account, std::string_view network, Time now) {
  MutexLock lock(mutex_);
  auto found = by_key_.find(Key(account, network));
  return found != by_key_.end() && now < found->second->locked_until && now >= found->second->last;
}

void Lockout::Succeeded(std::string_view account, std::string_view network) {
  MutexLock lock(mutex_);
  auto found = by_key_.find(Key(account, network));
  if (found == by_key_.end()) return;
  entries_.erase(found->second);
  by_key_.erase(found);
}

void Lockout::Withdraw(std::string_view account, std::string_view network) {
  MutexLock lock(mutex_);
  auto found = by_key_.find(Key(account, network));
  if (found == by_key_.end() || found->second->failures == 0) return;
  Entry& entry = *found->second;
  --entry.failures;
  entry.locked_until = entry.last;
}

}  // namespace bulwark::auth
