#include "service/codec.h"

#include <gtest/gtest.h>

namespace bulwark::service {
namespace {

catalog::Inventory Sample() {
  catalog::Inventory inventory;
  inventory.os = image::OsRelease{"debian", "12", "bookworm", "Debian", {"a", "b"}};
  inventory.distribution = "Debian:12";
  catalog::InventoryPackage item;
  item.package.name = "libc6";
  item.package.version = "2.36-9+deb12u8";
  item.package.development = true;
  item.layer = *Digest::Parse("sha256:" + std::string(64, 'a'));
  item.layer_index = 300;
  item.ownership = catalog::Ownership::kMismatch;
  item.hidden = true;
  inventory.packages.assign(3, item);
  inventory.gaps.push_back({image::GapKind::kPartial, "a/b", "npm", "why"});
  return inventory;
}

TEST(Codec, InventoriesSurvive) {
  catalog::Inventory before = Sample();
  Bytes encoded = EncodeInventory(before);
  auto after = DecodeInventory(encoded);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->packages, before.packages);
  EXPECT_EQ(after->gaps, before.gaps);
  EXPECT_EQ(after->os, before.os);
  EXPECT_EQ(EncodeInventory(*after), encoded);
}

TEST(Codec, DamageIsSeen) {
  Bytes encoded = EncodeInventory(Sample());
  for (std::size_t cut = 0; cut < encoded.size(); ++cut)
    EXPECT_FALSE(DecodeInventory(ByteSpan(encoded).first(cut))) << cut;
  Bytes longer = encoded;
  longer.push_back(0);
  EXPECT_FALSE(DecodeInventory(longer));
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 0xff;
    (void)DecodeInventory(flipped);  // must not crash or allocate by a declared size
  }
  EXPECT_FALSE(Decompress(encoded, 1000));
  Bytes packed = Compress(encoded);
  EXPECT_EQ(*Decompress(packed, encoded.size()), encoded);
  EXPECT_EQ(Decompress(packed, encoded.size() - 1).error().code, Errc::kLimit);
  packed.pop_back();
  EXPECT_FALSE(Decompress(packed, encoded.size()));
}

TEST(Codec, DecisionsSurvive) {
  policy::Decision before;
  before.outcome = policy::Outcome::kPending;
  before.hold = std::chrono::seconds(30);
  before.quarantine = true;
  before.reasons.push_back({policy::Effect::kWarn, "p", "r", "message \"x\"\n", 7, {"a", "b"}});
  auto after = ParseDecision(DecisionJson(before));
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(*after, before);
  for (const char* bad : {"", "{}", "[]", R"({"outcome":9,"hold":0,"valid_until":1,"reasons":[]})",
                          R"({"outcome":1,"hold":0,"valid_until":1,"reasons":[1]})"})
    EXPECT_FALSE(ParseDecision(bad)) << bad;
}

}  // namespace
}  // namespace bulwark::service
