#pragma once
// Password hashes: argon2id, 19 MiB, two passes (OWASP Password Storage Cheat Sheet's first choice), RFC 9106 encoding
// "$argon2id$v=19$m=19456,t=2,p=1$salt$hash". Any thread.

#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark::auth {

// Whether `password` fits the stored hash. Waits for one of limits::kPasswordHashes places; kUnavailable when
// limits::kPasswordHashQueue callers wait already, kCorrupt if the stored text is no hash of ours (its cost parameters would
// be an attacker's choice).
Result<bool> VerifyPassword(std::string_view stored_hash, std::string_view password);

// A hash that no known password has, for accounts that do not exist: verifying against it costs the same.
std::string_view NobodysHash();

// Printable, from 120 random bits, in groups: for people to type.
std::string GeneratePassword();

}  // namespace bulwark::auth
