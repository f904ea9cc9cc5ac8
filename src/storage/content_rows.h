#pragma once
// Shared by the content_*.cc and collector files: rows to values, conditions that several statements repeat.

#include <string>

#include "storage/content.h"

namespace bulwark::storage {

inline constexpr std::uint32_t kPlainDomain = 0;  // until encryption at rest is on (DESIGN 2.17)

// A digest that this program wrote: kCorrupt instead of kInvalid.
Result<Digest> StoredDigest(std::string_view text);
// kNotFound once it is deleted, also while its rows are still being removed.
Status RequireRepository(const ReadTx& tx, RepositoryId repository);
std::int64_t ClampedLimit(const PageRequest& page);
// An id cursor: kInvalid; an empty one is 0.
Result<std::int64_t> IdCursor(const PageRequest& page);
// Lets the collector look at a digest.
Status MarkLoose(Tx& tx, const Digest& digest, Time since);
// Grants or prolongs a lease; `has_bytes` is never taken back by a later one.
enum class LeaseKind { kTouched = 0, kHasBytes = 1 };
Status GrantLease(Tx& tx, RepositoryId repository, const Digest& digest, PrincipalId principal, LeaseKind kind,
                  Time now);

// The size of a blob that this repository holds by an edge or a live lease (of `by`, if given), unless it is being
// collected.
Result<std::optional<std::uint64_t>> HeldBlobSize(const ReadTx& tx, RepositoryId repository, const Digest& digest,
                                                  Time now, std::optional<PrincipalId> by = std::nullopt);

// Notes that a manifest lacks a blob; BlobArrived takes the note away.
Status InsertAbsent(Tx& tx, RepositoryId repository, ManifestId manifest, const Edge& edge);

// Runs a statement for its effect.
Status Run(Tx& tx, std::string_view sql, std::initializer_list<Param> params);
// Each with a callback that can fail; its error ends the query and is returned.
Status EachRow(const ReadTx& tx, std::string_view sql, std::initializer_list<Param> params,
               const std::function<Result<bool>(const Row&)>& each);

}  // namespace bulwark::storage
