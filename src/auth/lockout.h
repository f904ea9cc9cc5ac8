#pragma once
// Slows guessing per (account, network): a stranger elsewhere cannot lock out the owner (DESIGN section 5). In memory;
// a restart forgets. Any thread.

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/sync.h"

namespace bulwark::auth {

// The network of an address as text: /24 of IPv4 (also of ::ffff:a.b.c.d), /64 of IPv6; a port or brackets are ignored.
// What is no address is its own network.
std::string NetworkOf(std::string_view remote);

class Lockout {
 public:
  explicit Lockout(std::size_t entries) : limit_(entries) {}

  // Asks for one try and counts it as a failure at once, so that parallel guesses do not slip through together. False:
  // still locked; the try is not counted. The first 5 are free, then the delay doubles from 1 s to 15 min; an hour without a
  // try forgets.
  bool Begin(std::string_view account, std::string_view network, Time now);
  bool Locked(std::string_view account, std::string_view network, Time now);  // whether Begin would refuse
  void Succeeded(std::string_view account, std::string_view network);  // forgets the failures
  void Withdraw(std::string_view account, std::string_view network);   // the try was not evaluated

 private:
  struct Entry {
    std::string key;
    std::size_t failures = 0;
    Time last{}, locked_until{};
  };
  using Entries = std::list<Entry>;  // oldest try first

  Mutex mutex_;
  std::size_t limit_;
  Entries entries_ BW_GUARDED_BY(mutex_);
  std::unordered_map<std::string, Entries::iterator> by_key_ BW_GUARDED_BY(mutex_);
};

}  // namespace bulwark::auth
