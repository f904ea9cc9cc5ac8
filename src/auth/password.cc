#include "auth/password.h"

#include <algorithm>
#include <cstdint>

#include <argon2.h>

#include "auth/auth.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/sync.h"
#include "crypto/hash.h"

namespace bulwark::auth {
namespace {

constexpr std::uint32_t kMemoryKiB = 19 * 1024, kPasses = 2, kLanes = 1;
constexpr std::size_t kSaltBytes = 16, kHashBytes = 32;
constexpr std::string_view kPrefix = "$argon2id$v=19$m=19456,t=2,p=1$";
constexpr std::size_t kMinimumCharacters = 12, kMaximumBytes = 1024;

// Bounds how many hashes run and wait at once. The one such object of the process: what it protects is the process's
// memory and processors, whoever hashes.
class Gate {
 public:
  bool Enter() {
    MutexLock lock(mutex_);
    if (running_ >= limits::kPasswordHashes) {
      if (waiting_ >= limits::kPasswordHashQueue) return false;
      ++waiting_;
      while (running_ >= limits::kPasswordHashes) freed_.wait(mutex_);
      --waiting_;
    }
    ++running_;
    return true;
  }
  void Leave() {
    {
      MutexLock lock(mutex_);
      --running_;
    }
    freed_.notify_one();
  }

 private:
  Mutex mutex_;
  ConditionVariable freed_;
  std::size_t running_ BW_GUARDED_BY(mutex_) = 0;
  std::size_t waiting_ BW_GUARDED_BY(mutex_) = 0;
};

// Runs `hash` at the gate.
template <typename F>
Result<int> AtGate(F&& hash) {
  static Gate gate;
  if (!gate.Enter()) return {Errc::kUnavailable, "too many log-ins wait; try again in a few seconds"};
  int code = hash();
  gate.Leave();
  return code;
}

std::size_t CountCharacters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

Result<std::string> HashPassword(std::string_view password) {
  if (password.size() > kMaximumBytes) return {Errc::kInvalid, "password is longer than 1024 bytes"};
  Bytes salt = crypto::RandomBytes(kSaltBytes);
  std::string out(argon2_encodedlen(kPasses, kMemoryKiB, kLanes, kSaltBytes, kHashBytes, Argon2_id), '\0');
  BW_TRY(int code, AtGate([&] {
           return argon2id_hash_encoded(kPasses, kMemoryKiB, kLanes, password.data(), password.size(), salt.data(),
                                        salt.size(), kHashBytes, out.data(), out.size());
         }));
  if (code == ARGON2_MEMORY_ALLOCATION_ERROR) return {Errc::kUnavailable, "no memory to hash a password"};
  if (code != ARGON2_OK) return {Errc::kInternal, std::string("hashing a password: ") + argon2_error_message(code)};
  out.resize(std::string_view(out.c_str()).size());
  return out;
}

Result<bool> VerifyPassword(std::string_view stored_hash, std::string_view password) {
  if (!stored_hash.starts_with(kPrefix)) return {Errc::kCorrupt, "a stored password hash is not in our form"};
  if (password.size() > kMaximumBytes) password = password.substr(0, 0);  // no hash of ours is of such a one
  std::string encoded(stored_hash);
  BW_TRY(int code, AtGate([&] { return argon2id_verify(encoded.c_str(), password.data(), password.size()); }));
  if (code == ARGON2_OK) return true;
  if (code == ARGON2_VERIFY_MISMATCH) return false;
  if (code == ARGON2_MEMORY_ALLOCATION_ERROR) return {Errc::kUnavailable, "no memory to check a password"};
  return {Errc::kCorrupt, std::string("a stored password hash does not parse: ") + argon2_error_message(code)};
}

std::string_view NobodysHash() {
  // Salt and hash are random bytes: nobody knows a password for it, and a match would still not be a log-in.
  return "$argon2id$v=19$m=19456,t=2,p=1$cF0kWJp1u2oS8Vd3nQ7yXg$5mW1rJt0h8K2bYx9ZcQeLw4uTfAiVnDs6gPoEj3HkR8";
}

Status CheckNewPassword(std::string_view user, std::string_view password) {
  if (!IsUtf8(password) || std::any_of(password.begin(), password.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return {Errc::kInvalid, "a password is UTF-8 text without control characters"};
  }
  if (password.size() > kMaximumBytes) return {Errc::kInvalid, "a password has at most 1024 bytes"};
  if (CountCharacters(password) < kMinimumCharacters) return {Errc::kInvalid, "a password needs at least 12 characters"};
  if (password.find_first_not_of(password[0]) == std::string_view::npos) {
    return {Errc::kInvalid, "a password must not be one repeated character"};
  }
  // Also the name written several times over, which is how a short name reaches twelve characters.
  std::string lower = ToLower(password), name = ToLower(user);
  if (!name.empty() && lower.size() % name.size() == 0) {
    std::string repeated;
    while (repeated.size() < lower.size()) repeated += name;
    if (repeated == lower) return {Errc::kInvalid, "a password must not be the user's name"};
  }
  return {};
}

std::string GeneratePassword() {
  // 32 signs without those that look alike: 5 bits each.
  constexpr std::string_view kSigns = "abcdefghijkmnpqrstuvwxyz23456789";
  static_assert(kSigns.size() == 32);
  std::string out;
  for (std::uint8_t byte : crypto::RandomBytes(24)) {
    if (out.size() % 7 == 6) out.push_back('-');
    out.push_back(kSigns[byte % 32]);
  }
  return out;
}

}  // namespace bulwark::auth
