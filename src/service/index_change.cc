#include "service/index_change.h"

#include "advisory/delta.h"
#include "service/facts.h"
#include "service/verdict_rows.h"

namespace bulwark::service {

std::optional<std::vector<std::int64_t>> AffectedKeys(const advisory::Index& before, const advisory::Index& after) {
  auto changed = advisory::ChangedKeys(before, after);
  if (!changed) return std::nullopt;
  std::vector<std::int64_t> keys;
  std::string covered;  // the last ecosystem whose coverage was compared; keys are sorted by it
  for (const versions::PackageKey& key : *changed) {
    keys.push_back(HashKey(key.ecosystem, key.name));
    if (key.ecosystem == covered) continue;
    covered = key.ecosystem;
    if (before.Covers(covered) != after.Covers(covered)) keys.push_back(HashKey(covered, ""));
  }
  return keys;
}

Status MarkAffected(storage::Tx& tx, const std::optional<std::vector<std::int64_t>>& keys) {
  if (!keys) {
    BW_CHECK(tx.Exec("UPDATE verdicts SET pending = ?1 WHERE pending = 0", {Pending::kData}));
    return {};
  }
  for (std::int64_t key : *keys) {
    BW_CHECK(tx.Exec(
        "UPDATE verdicts SET pending = ?1 WHERE pending = 0 AND digest IN (SELECT f.digest FROM package_images p "
        "JOIN image_facts f ON f.id = p.image WHERE p.package_key = ?2)",
        {Pending::kData, key}));
  }
  // Fresh data answers those at once that were judged by its age.
  BW_CHECK(tx.Exec("UPDATE verdicts SET pending = ?1 WHERE pending = 0 AND decision LIKE '%\"rule\":\"stale_data\"%'",
                   {Pending::kData}));
  return {};
}

}  // namespace bulwark::service
