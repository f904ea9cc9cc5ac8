#pragma once
// What one manifest holds: image or artifact, its inventory, its gaps. A function of the manifest's bytes, its config
// and its layer records, so it is kept per digest and shared by repositories.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/sync.h"
#include "catalog/inventory.h"
#include "formats/oci.h"
#include "service/layer_store.h"
#include "storage/blob/driver.h"
#include "storage/db/database.h"

namespace bulwark::service {

enum class SubjectKind : std::uint8_t { kImage = 1, kIndex = 2, kArtifact = 3 };  // stored numbers

struct ImageFacts {
  SubjectKind kind = SubjectKind::kImage;
  std::string artifact_type;  // of an artifact: artifactType, else what its config or first layer says
  std::string platform;       // "linux/amd64" as the config says
  std::uint32_t set_version = 0, limits_version = 0;
  bool complete = true;                                 // every layer was read to its end
  bool sparse = false;  // parts are absent where it was asked for: for that repository alone, never stored
  std::string revision;                                 // "set.limits-" and 16 hex digits of the inventory's hash
  std::shared_ptr<const catalog::Inventory> inventory;  // shared with caches; never null
};

class FactsMaker {
 public:
  // Both outlive it.
  FactsMaker(LayerStore& layers, const storage::BlobDriver& blobs) : layers_(layers), blobs_(blobs) {}
  // Of a manifest (not an index) whose required blobs are there. kUnavailable: a layer is not analysed within
  // `timeout`.
  Result<ImageFacts> Make(const formats::OciDocument& document, std::chrono::milliseconds timeout) const;
  // Of a manifest some of whose layers are absent: nothing but what it is, and a blind gap for each of them.
  Result<ImageFacts> MakeSparse(const formats::OciDocument& document, std::span<const Digest> absent) const;
  // Whether every layer of an artifact parses as an in-toto statement about one of `siblings` (DESIGN 2.3). What is read
  // is taken off `budget`; false when that does not suffice. One statement is in memory at a time, whoever asks.
  bool IsAttestation(const formats::OciDocument& document, const std::unordered_set<Digest>& siblings,
                     std::uint64_t& budget) const;

 private:
  struct Layers;
  Result<Layers> ReadLayers(const formats::OciDocument& document, std::chrono::milliseconds timeout) const;
  Status ReadUnread(const formats::OciDocument& document, Layers& layers, catalog::Inventory& inventory) const;
  Result<std::string> ReadSmallBlob(const Digest& digest, std::uint64_t limit) const;
  Result<std::string> ReadStart(const Digest& digest) const;  // its first bytes

  LayerStore& layers_;
  const storage::BlobDriver& blobs_;
  mutable Mutex statement_;  // held while one is read: parsed, a hostile one takes twenty times its size
};

// The same where the kind is known from before.
ImageFacts SparseFacts(SubjectKind kind, std::span<const Digest> absent);
// Content that may live elsewhere: a foreign or non-distributable layer with urls. Its absence is a blind gap.
bool MayBeElsewhere(const formats::Descriptor& layer);
// Signatures, attestations, SBOM and VEX documents: they explain denials and stay readable (DESIGN 2.4).
bool IsEvidenceType(std::string_view artifact_type);

Result<std::optional<ImageFacts>> LoadFacts(const storage::ReadTx& tx, const Digest& digest);
// With the reverse index of its package keys.
Status SaveFacts(storage::Tx& tx, const Digest& digest, const ImageFacts& facts);
// Whether the stored facts are of the current cataloguers and limits.
bool IsCurrent(const ImageFacts& facts);
// The number under which images with a package of that key are found.
std::int64_t HashKey(std::string_view ecosystem, std::string_view name);

}  // namespace bulwark::service
