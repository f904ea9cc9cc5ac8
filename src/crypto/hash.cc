#include "crypto/hash.h"

#include <cstdlib>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/hex.h"

namespace bulwark::crypto {
namespace {

// Fetched once: an implicit fetch per hash is slow and takes a lock.
const EVP_MD* Algorithm(HashKind kind) {
  static EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static EVP_MD* const sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  const EVP_MD* out = kind == HashKind::kMd5 ? md5 : kind == HashKind::kSha256 ? sha256 : sha512;
  if (!out) std::abort();
  return out;
}

}  // namespace

Hasher::Hasher(HashKind kind) : kind_(kind), context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex2(context_, Algorithm(kind), nullptr) != 1) std::abort();
}
Hasher::~Hasher() { EVP_MD_CTX_free(context_); }
Hasher::Hasher(Hasher&& other) noexcept : kind_(other.kind_), context_(std::exchange(other.context_, nullptr)) {}
Hasher& Hasher::operator=(Hasher&& other) noexcept {
  std::swap(kind_, other.kind_);
  std::swap(context_, other.context_);
  return *this;
}

void Hasher::Update(ByteSpan bytes) {
  if (EVP_DigestUpdate(context_, bytes.data(), bytes.size()) != 1) std::abort();
}

Bytes Hasher::Finish() {
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_, out.data(), &size) != 1) std::abort();
  out.resize(size);
  return out;
}

Digest Hasher::FinishDigest() {
  return Digest::FromBytes(kind_ == HashKind::kSha512 ? DigestAlgorithm::kSha512 : DigestAlgorithm::kSha256, Finish());
}

Digest Sha256(ByteSpan bytes) { return HashWith(DigestAlgorithm::kSha256, bytes); }

Digest HashWith(DigestAlgorithm algorithm, ByteSpan bytes) {
  Hasher hasher(algorithm == DigestAlgorithm::kSha512 ? HashKind::kSha512 : HashKind::kSha256);
  hasher.Update(bytes);
  return hasher.FinishDigest();
}

std::string Md5Hex(ByteSpan bytes) {
  Hasher hasher(HashKind::kMd5);
  hasher.Update(bytes);
  return ToHex(hasher.Finish());
}

Bytes RandomBytes(std::size_t n) {
  Bytes out(n);
  if (RAND_bytes(out.data(), static_cast<int>(n)) != 1) std::abort();
  return out;
}

bool EqualConstantTime(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace bulwark::crypto
