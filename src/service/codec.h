#pragma once
// Stored forms of this folder's values (docs/formats/service-tables.md). Ours, but read as foreign: a damaged
// database gives kCorrupt, never a wrong verdict.

#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/result.h"
#include "catalog/inventory.h"
#include "policy/decide.h"

namespace bulwark::service {

inline constexpr std::uint64_t kRecordBytes = 4 * limits::kLayerFactsBytes;  // most that one stored record inflates to

Bytes Compress(ByteSpan plain);                                  // zstd, level 1
Result<Bytes> Decompress(ByteSpan packed, std::uint64_t limit);  // kCorrupt, kLimit

Bytes EncodeInventory(const catalog::Inventory& inventory);  // deterministic
Result<catalog::Inventory> DecodeInventory(ByteSpan bytes);

std::string DecisionJson(const policy::Decision& decision);  // compact, deterministic
Result<policy::Decision> ParseDecision(std::string_view text);

}  // namespace bulwark::service
