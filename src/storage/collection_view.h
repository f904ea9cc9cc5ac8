#pragma once
// What a collection would remove, and why a blob is kept: the collector's conditions, asked and not acted upon. Reads
// only; of one snapshot, so the next transaction may say otherwise. Not a right of anybody: for administrators.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "storage/content.h"
#include "storage/db/database.h"

namespace bulwark::storage {

struct CollectionPreview {
  struct Blob {
    Digest digest;
    std::int64_t size = 0;
  };
  // No manifest holds these blobs any more, only leases in that repository.
  struct Waiting {
    std::string repository;
    std::int64_t blobs = 0, bytes = 0;
    Time first{}, last{};  // when the leases end, as far as nobody renews them
  };
  std::int64_t blobs = 0, bytes = 0;        // what a pass would remove now
  std::vector<Blob> largest;                // of them
  std::int64_t repositories = 0;            // deleted, whose rows go with the pass
  std::int64_t manifests = 0;               // of those
  std::int64_t uploads = 0;                 // sessions that expired
  std::vector<Waiting> waiting;             // most bytes first
  std::int64_t waiting_blobs = 0, waiting_bytes = 0;  // in all; each blob once
  std::int64_t grace = 0;                   // digests that are looked at again later: orphans, held by an upload
  Time grace_until{};                       // the last of them
};
// The lists have at most `most` elements. Costs what is loose or leased, not what is stored.
Result<CollectionPreview> PreviewCollection(const ReadTx& tx, Time now, std::int64_t most);

enum class Fate : std::uint8_t {
  kReferenced,  // a manifest names it
  kLeased,      // until the last lease ends
  kUploading,   // a finishing upload holds the digest
  kGrace,       // nobody holds it; looked at from `until` on
  kDue,         // nothing holds it: the next pass removes it
  kRemoved,     // being removed: seen by nobody
};

struct BlobHolds {
  struct Edge {
    std::string repository;
    ManifestId manifest_id{};
    Digest manifest;
    std::string media_type;
    std::vector<std::string> tags;  // of the manifest, a few
  };
  struct Lease {
    std::string repository;
    PrincipalId principal{};
    Time until{};
  };
  Fate fate = Fate::kDue;
  std::int64_t size = 0;
  Time created{};
  Time until{};                // kLeased, kUploading, kGrace
  std::vector<Edge> edges;     // oldest manifest first
  bool more_edges = false;
  std::vector<Lease> leases;   // the one that ends last first
  std::int64_t reservations = 0;
};
// nullopt: no such blob. Edges and leases of deleted repositories hold nothing and are not told.
Result<std::optional<BlobHolds>> WhyKept(const ReadTx& tx, const Digest& digest, Time now, std::int64_t most);

}  // namespace bulwark::storage
