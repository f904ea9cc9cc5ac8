#include "crypto/hash.h"

#include <gtest/gtest.h>

namespace bulwark::crypto {
namespace {

TEST(Hash, KnownAnswers) {  // FIPS 180-4 examples, RFC 1321 appendix A.5
  EXPECT_EQ(Sha256(AsBytes("abc")).str(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HashWith(DigestAlgorithm::kSha512, AsBytes("abc")).hex().substr(0, 16), "ddaf35a193617aba");
  EXPECT_EQ(Md5Hex(AsBytes("abc")), "900150983cd24fb0d6963f7d28e17f72");
}

TEST(Hash, PartsEqualTheWhole) {
  Hasher hasher(HashKind::kSha256);
  hasher.Update(AsBytes("a"));
  Hasher moved = std::move(hasher);
  moved.Update(AsBytes("bc"));
  EXPECT_EQ(moved.FinishDigest(), Sha256(AsBytes("abc")));
}

TEST(Hash, ComparesInConstantTime) {
  EXPECT_TRUE(EqualConstantTime(AsBytes("ab"), AsBytes("ab")));
  EXPECT_FALSE(EqualConstantTime(AsBytes("ab"), AsBytes("ac")));
  EXPECT_FALSE(EqualConstantTime(AsBytes("ab"), AsBytes("a")));
  EXPECT_NE(RandomBytes(16), RandomBytes(16));
}

}  // namespace
}  // namespace bulwark::crypto
