#include "service/facts.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/limits.h"
#include "base/strings.h"
#include "catalog/analyze.h"
#include "catalog/cataloger.h"
#include "crypto/hash.h"
#include "service/codec.h"
#include "versions/ecosystem.h"

namespace bulwark::service {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kReadAgainRounds = 3;  // each round can reveal links of the next

constexpr std::array<std::string_view, 10> kEvidence = {"application/vnd.dev.cosign.",
                                                        "application/vnd.dev.sigstore.bundle",
                                                        "application/vnd.in-toto",
                                                        "application/vnd.cncf.notary.signature",
                                                        "application/spdx",
                                                        "text/spdx",
                                                        "application/vnd.cyclonedx",
                                                        "application/vnd.openvex",
                                                        "application/openvex",
                                                        "application/sarif"};

image::Gap Blind(std::string path, std::string reason) {
  return {image::GapKind::kBlind, std::move(path), "layer", std::move(reason)};
}

std::string ArtifactType(const formats::OciDocument& document) {
  if (!document.artifact_type.empty()) return document.artifact_type;
  if (!formats::IsImageConfigType(document.config->media_type)) return document.config->media_type;
  return document.layers.empty() ? std::string() : document.layers.front().media_type;
}

// What a runtime would run decides, never what the manifest calls itself: a config with the diff_ids of the layers, an
// image config type, or a config that we cannot read as a runtime might, makes an image, unless no layer is anything
// that can be unpacked.
bool IsArtifact(const formats::OciDocument& document, const formats::ImageConfig& config, bool config_may_be_read,
                bool any_unpackable) {
  if (!document.layers.empty() && !any_unpackable) return true;
  bool image_config = formats::IsImageConfigType(document.config->media_type);
  bool runnable_config = config.has_rootfs && config.diff_ids.size() == document.layers.size();
  bool unclear_config = any_unpackable && config_may_be_read && !config.problems.empty();
  return !image_config && !runnable_config && !unclear_config;
}

// Layer types of OCI and Docker, also with what is added for encryption.
bool IsLayerType(std::string_view media_type) {
  return media_type.starts_with("application/vnd.oci.image.layer.") ||
         media_type.starts_with("application/vnd.docker.image.rootfs.");
}

// Compressions that runtimes know and we do not: such a layer is unread, not harmless.
bool IsForeignCompression(std::string_view start) {
  using namespace std::string_view_literals;
  constexpr std::array<std::string_view, 5> kMagic = {"BZh"sv, "\xfd""7zXZ\0"sv, "\x5d\0\0"sv, "\x04\x22\x4d\x18"sv,
                                                      "LZIP"sv};
  return std::any_of(kMagic.begin(), kMagic.end(), [&](std::string_view magic) { return start.starts_with(magic); });
}

std::string Revision(const ImageFacts& facts) {
  Bytes encoded = EncodeInventory(*facts.inventory);
  return std::to_string(facts.set_version) + "." + std::to_string(facts.limits_version) + "-" +
         crypto::Sha256(encoded).hex().substr(0, 16);
}

}  // namespace

struct FactsMaker::Layers {
  std::vector<LayerRecordPtr> records;  // null: content elsewhere
  std::vector<Digest> digests;
  std::vector<image::Gap> gaps;
  bool any_unpackable = false;
  bool complete = true;

  std::vector<const image::LayerRecord*> Present() const {
    std::vector<const image::LayerRecord*> out;
    for (const LayerRecordPtr& record : records)
      if (record) out.push_back(record.get());
    return out;
  }
};

namespace {

// diff_ids say which bytes a runtime will run; a layer that is not what the config says is not what was scanned.
void CompareDiffIds(const formats::OciDocument& document, const formats::ImageConfig& config,
                    const std::vector<LayerRecordPtr>& records, std::vector<image::Gap>& gaps) {
  for (const std::string& problem : config.problems) gaps.push_back({image::GapKind::kBlind, "", "config", problem});
  if (config.diff_ids.size() != document.layers.size()) {
    if (config.problems.empty())
      gaps.push_back({image::GapKind::kBlind, "", "config",
                      "the config has " + std::to_string(config.diff_ids.size()) + " diff_ids for " +
                          std::to_string(document.layers.size()) + " layers"});
    return;
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!records[i] || !records[i]->is_layer || records[i]->diff_id.empty()) continue;  // has its own gap
    if (config.diff_ids[i].algorithm() != DigestAlgorithm::kSha256)
      gaps.push_back(Blind(
          "", "diff_id of layer " + document.layers[i].digest.short_str() + " is not sha256 and was not compared"));
    else if (records[i]->diff_id != config.diff_ids[i])
      gaps.push_back(Blind(
          "", "layer " + document.layers[i].digest.short_str() + " is not the one that the config names by diff_id"));
  }
}

void Finish(ImageFacts& facts, catalog::Inventory inventory) {
  std::sort(inventory.gaps.begin(), inventory.gaps.end());
  inventory.gaps.erase(std::unique(inventory.gaps.begin(), inventory.gaps.end()), inventory.gaps.end());
  facts.inventory = std::make_shared<const catalog::Inventory>(std::move(inventory));
  facts.revision = Revision(facts);
}

}  // namespace

Result<ImageFacts> FactsMaker::Make(const formats::OciDocument& document, milliseconds timeout) const {
  BW_TRY(Layers layers, ReadLayers(document, timeout));
  formats::ImageConfig config;
  auto config_text = ReadSmallBlob(document.config->digest, limits::kConfigBytes);
  if (config_text) {
    config = formats::ParseImageConfig(*config_text);
  } else {
    config.problems.push_back("image config: " + config_text.error().message);
  }
  // What is no JSON object, no runtime takes for a config; what we refuse of one, or do not read, it may.
  bool may_be_read = !config_text || Trim(*config_text).starts_with('{');
  // From here on only values: no blob is read again, except what merge finds unread.
  ImageFacts facts;
  facts.set_version = catalog::kSetVersion;
  facts.limits_version = limits::kLimitsVersion;
  facts.complete = layers.complete;
  facts.platform = config.platform.str();
  catalog::Inventory inventory;
  if (IsArtifact(document, config, may_be_read, layers.any_unpackable)) {
    facts.kind = SubjectKind::kArtifact;
    facts.artifact_type = ArtifactType(document);
    Finish(facts, std::move(inventory));
    return facts;
  }
  BW_CHECK(ReadUnread(document, layers, inventory));
  inventory.gaps.insert(inventory.gaps.end(), layers.gaps.begin(), layers.gaps.end());
  CompareDiffIds(document, config, layers.records, inventory.gaps);
  Finish(facts, std::move(inventory));
  return facts;
}

Result<ImageFacts> FactsMaker::MakeSparse(const formats::OciDocument& document, std::span<const Digest> absent) const {
  auto config_text = ReadSmallBlob(document.config->digest, limits::kConfigBytes);
  formats::ImageConfig config;
  if (config_text) config = formats::ParseImageConfig(*config_text);
  else config.problems.push_back("image config: " + config_text.error().message);
  const bool may_be_read = !config_text || Trim(*config_text).starts_with('{');
  // What an absent layer is, nobody knows: it may be one that a runtime unpacks.
  const bool artifact = IsArtifact(document, config, may_be_read, true);
  return SparseFacts(artifact ? SubjectKind::kArtifact : SubjectKind::kImage, absent);
}

ImageFacts SparseFacts(SubjectKind kind, std::span<const Digest> absent) {
  constexpr std::size_t kNamed = 16;
  ImageFacts facts;
  facts.kind = kind;
  facts.set_version = catalog::kSetVersion;
  facts.limits_version = limits::kLimitsVersion;
  facts.complete = false;
  facts.sparse = true;
  catalog::Inventory inventory;
  for (const Digest& layer : absent.first(std::min(absent.size(), kNamed)))
    inventory.gaps.push_back(Blind("", "layer " + layer.short_str() + " is not in the repository and was not read"));
  if (absent.size() > kNamed)
    inventory.gaps.push_back(Blind("", std::to_string(absent.size() - kNamed) + " more layers are not in the repository"));
  Finish(facts, std::move(inventory));
  return facts;
}

Result<FactsMaker::Layers> FactsMaker::ReadLayers(const formats::OciDocument& document, milliseconds timeout) const {
  const auto deadline = steady_clock::now() + timeout;
  Layers out;
  for (const formats::Descriptor& layer : document.layers) {
    if (MayBeElsewhere(layer)) {  // whatever this repository holds: facts are shared by all that hold the manifest
      out.records.push_back(nullptr);
      out.any_unpackable = true;
      out.gaps.push_back(Blind("", "layer " + layer.digest.short_str() + " lives elsewhere (urls) and was not read"));
      continue;
    }
    auto left = std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()));
    BW_TRY(LayerRecordPtr record, layers_.Get(layer.digest, left));
    bool unpackable = record->is_layer || IsLayerType(layer.media_type);
    if (!unpackable) {
      BW_TRY(std::string start, ReadStart(layer.digest));
      unpackable = IsForeignCompression(start);
    }
    out.any_unpackable = out.any_unpackable || unpackable;
    out.complete = out.complete && record->complete;
    if (!record->is_layer)
      out.gaps.push_back(Blind("", "layer " + layer.digest.short_str() + " is no tar archive that we can read"));
    out.records.push_back(std::move(record));
    out.digests.push_back(layer.digest);
  }
  return out;
}

Status FactsMaker::ReadUnread(const formats::OciDocument& document, Layers& layers,
                              catalog::Inventory& inventory) const {
  std::vector<std::size_t> position;  // of the n-th present layer in layers.records
  for (std::size_t i = 0; i < layers.records.size(); ++i)
    if (layers.records[i]) position.push_back(i);
  for (int round = 0;; ++round) {
    catalog::Assembled assembled = catalog::Assemble(layers.Present(), layers.digests);
    inventory = std::move(assembled.inventory);
    if (assembled.unread.empty()) return {};
    if (round == kReadAgainRounds) {
      for (image::Gap& gap : catalog::AsGaps(assembled.unread)) inventory.gaps.push_back(std::move(gap));
      return {};
    }
    for (std::size_t n = 0; n < position.size(); ++n) {
      std::vector<image::Unread> of_layer;
      std::copy_if(assembled.unread.begin(), assembled.unread.end(), std::back_inserter(of_layer),
                   [&](const image::Unread& unread) { return unread.layer == n; });
      if (of_layer.empty()) continue;
      LayerRecordPtr& record = layers.records[position[n]];
      auto more = layers_.ReadAgain(document.layers[position[n]].digest, record, of_layer);
      if (more) {
        record = *std::move(more);
        continue;
      }
      for (image::Gap& gap : catalog::AsGaps(of_layer)) inventory.gaps.push_back(std::move(gap));
      return {};  // the rest is still reported
    }
  }
}

bool FactsMaker::IsAttestation(const formats::OciDocument& document, const std::unordered_set<Digest>& siblings,
                               std::uint64_t& budget) const {
  if (document.kind != formats::DocumentKind::kManifest || document.layers.empty()) return false;
  std::unordered_set<Digest> read;
  for (const formats::Descriptor& layer : document.layers) {
    if (MayBeElsewhere(layer)) return false;  // not known to be held where it was asked for
    if (!read.insert(layer.digest).second) continue;
    const std::uint64_t cost = std::max(layer.size, limits::kStatementCost);
    if (cost > budget) return false;
    budget -= cost;
    MutexLock one(statement_);
    auto text = ReadSmallBlob(layer.digest, std::min(cost, limits::kStatementBytes));
    if (!text) return false;
    auto statement = formats::ParseStatement(*text);
    if (!statement || statement->subjects.empty()) return false;
    bool about_sibling = std::any_of(
        statement->subjects.begin(), statement->subjects.end(),
        [&](const Digest& subject) { return siblings.contains(subject); });
    if (!about_sibling) return false;
  }
  return true;
}

Result<std::string> FactsMaker::ReadSmallBlob(const Digest& digest, std::uint64_t limit) const {
  BW_TRY(auto blob, blobs_.Open({0, digest}));
  if (blob->size() > limit) return {Errc::kLimit, "blob " + digest.short_str() + " is too large to be read here"};
  std::string out(blob->size(), '\0');
  if (out.empty()) return out;
  BW_CHECK(blob->ReadAt(0, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()}));
  return out;
}

Result<std::string> FactsMaker::ReadStart(const Digest& digest) const {
  BW_TRY(auto blob, blobs_.Open({0, digest}));
  std::string out(std::min<std::uint64_t>(blob->size(), 8), '\0');
  if (out.empty()) return out;
  BW_CHECK(blob->ReadAt(0, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()}));
  return out;
}

bool MayBeElsewhere(const formats::Descriptor& layer) {
  return layer.has_urls && (layer.media_type.find(".nondistributable.") != std::string::npos ||
                            layer.media_type.find(".foreign.") != std::string::npos);
}

bool IsEvidenceType(std::string_view artifact_type) {
  return std::any_of(kEvidence.begin(), kEvidence.end(),
                     [&](std::string_view prefix) { return artifact_type.starts_with(prefix); });
}

bool IsCurrent(const ImageFacts& facts) {
  return facts.set_version == catalog::kSetVersion && facts.limits_version == limits::kLimitsVersion;
}

Result<std::optional<ImageFacts>> LoadFacts(const storage::ReadTx& tx, const Digest& digest) {
  std::optional<ImageFacts> out;
  Bytes packed;
  BW_CHECK(
      tx.Each("SELECT kind, artifact_type, platform, set_version, limits_version, complete, revision, inventory FROM "
              "image_facts "
              "WHERE digest = ?1",
              {digest.str()}, [&](const storage::Row& row) {
                out.emplace();
                out->kind = static_cast<SubjectKind>(row.Int(0));
                out->artifact_type = row.Text(1);
                out->platform = row.Text(2);
                out->set_version = static_cast<std::uint32_t>(row.Int(3));
                out->limits_version = static_cast<std::uint32_t>(row.Int(4));
                out->complete = row.Int(5) != 0;
                out->revision = row.Text(6);
                packed.assign(row.Blob(7).begin(), row.Blob(7).end());
                return false;
              }));
  if (!out) return out;
  BW_TRY(Bytes plain, Decompress(packed, kRecordBytes));
  BW_TRY(catalog::Inventory inventory, DecodeInventory(plain));
  out->inventory = std::make_shared<const catalog::Inventory>(std::move(inventory));
  return out;
}

namespace {

// Every key under which match looks advisories up for this inventory, and one for each ecosystem: data of an ecosystem
// that was not covered before turns gaps into answers.
std::set<std::int64_t> KeysOf(const catalog::Inventory& inventory) {
  std::set<std::int64_t> keys;
  auto add = [&](std::string_view ecosystem, std::string_view name) {
    if (!ecosystem.empty() && !name.empty()) keys.insert(HashKey(ecosystem, name));
  };
  for (const catalog::InventoryPackage& item : inventory.packages) {
    const image::Package& package = item.package;
    bool distribution = package.ecosystem == versions::Ecosystem::kDeb ||
                        package.ecosystem == versions::Ecosystem::kApk ||
                        package.ecosystem == versions::Ecosystem::kRpm;
    std::string_view ecosystem =
        distribution ? std::string_view(inventory.distribution) : versions::Name(package.ecosystem);
    add(ecosystem, versions::NormalizeName(package.ecosystem, package.name));
    add(ecosystem, package.source_name);
    add(inventory.distribution, item.owner);
    add(inventory.distribution, item.owner_source);
    if (!ecosystem.empty()) keys.insert(HashKey(ecosystem, ""));
  }
  return keys;
}

}  // namespace

std::int64_t HashKey(std::string_view ecosystem, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, 64 bit
  auto add = [&](std::string_view text) {
    for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  };
  add(ecosystem);
  add(std::string_view("\0", 1));
  add(name);
  return static_cast<std::int64_t>(hash);
}

Status SaveFacts(storage::Tx& tx, const Digest& digest, const ImageFacts& facts) {
  BW_TRY(auto old, tx.Int("SELECT id FROM image_facts WHERE digest = ?1 AND revision = ?2 AND kind = ?3",
                          {digest.str(), facts.revision, facts.kind}));
  if (old) return {};
  Bytes packed = Compress(EncodeInventory(*facts.inventory));
  BW_CHECK(tx.Exec("DELETE FROM package_images WHERE image IN (SELECT id FROM image_facts WHERE digest = ?1)",
                   {digest.str()}));
  BW_CHECK(tx.Exec("DELETE FROM image_facts WHERE digest = ?1", {digest.str()}));
  BW_CHECK(
      tx.Exec("INSERT INTO image_facts (digest, kind, artifact_type, platform, set_version, limits_version, complete, "
              "revision, "
              "inventory) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
              {digest.str(), facts.kind, facts.artifact_type, facts.platform, facts.set_version, facts.limits_version,
               facts.complete, facts.revision, packed}));
  std::int64_t id = tx.last_insert_id();
  for (std::int64_t key : KeysOf(*facts.inventory))
    BW_CHECK(tx.Exec("INSERT INTO package_images (package_key, image) VALUES (?1, ?2)", {key, id}));
  return {};
}

}  // namespace bulwark::service
