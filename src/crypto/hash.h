#pragma once

#include <memory>
#include <string>

#include "base/byte_source.h"
#include "base/digest.h"

struct evp_md_ctx_st;

namespace bulwark::crypto {

enum class HashKind { kMd5, kSha256, kSha512 };  // MD5 only to compare with what dpkg recorded

// A running hash. Not thread-safe; movable. After Finish it may only be destroyed.
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void Update(ByteSpan bytes);
  Bytes Finish();
  Digest FinishDigest();  // kSha256 and kSha512 only

 private:
  HashKind kind_;
  evp_md_ctx_st* context_;
};

Digest Sha256(ByteSpan bytes);
Digest HashWith(DigestAlgorithm algorithm, ByteSpan bytes);
std::string Md5Hex(ByteSpan bytes);
Bytes RandomBytes(std::size_t n);  // from the operating system; aborts if it has none
bool EqualConstantTime(ByteSpan a, ByteSpan b);

}  // namespace bulwark::crypto
