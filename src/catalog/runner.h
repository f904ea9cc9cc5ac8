#pragma once
// Runs the cataloguers over the files of a layer as the walker meets them, and collects their facts.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "catalog/cataloger.h"
#include "catalog/go_build_info.h"
#include "crypto/hash.h"
#include "image/layer_record.h"
#include "image/walk.h"

namespace bulwark::catalog {

// A program too large to be held, while it comes in parts.
struct LargeProgram {
  std::uint32_t index = 0;   // of its entry
  std::string start;         // its first bytes
  bool program = false;      // what they say
  GoBuildInfoSearch search;
  crypto::Hasher md5{crypto::HashKind::kMd5};
  Result<std::optional<GoBuildInfo>> info{std::optional<GoBuildInfo>()};  // once the search has ended
};

class Runner final : public image::LayerVisitor {
 public:
  // Reads files under the names they have in the layer.
  Runner() = default;
  // Reads files under other names: entry -> paths in the final tree.
  explicit Runner(std::map<std::uint32_t, std::vector<std::string>> paths) : paths_(std::move(paths)) {}

  bool Wants(const image::Entry& entry) override;
  bool WantsStart(const image::Entry& entry, ByteSpan start) override;  // ELF programs without the executable bit
  void OnFile(std::uint32_t index, const image::Entry& entry, ByteSpan data) override;
  bool OnPart(std::uint32_t index, const image::Entry& entry, ByteSpan part) override;
  void OnTooLarge(std::uint32_t index, const image::Entry& entry) override;

  // Adds what was collected to the record, sorted and without repetition.
  void AddTo(image::LayerRecord& record);

 private:
  std::vector<std::string> PathsOf(std::uint32_t index, const image::Entry& entry) const;
  void Run(const Cataloger& cataloger, std::uint32_t index, const LayerFile& file, std::string& md5);
  void MarkRead(std::uint32_t index, const std::string& path);
  void Keep(image::FileFacts facts);

  Result<Facts> FactsOfLarge(const Cataloger& cataloger, std::string_view path, std::string& md5);

  std::map<std::uint32_t, std::vector<std::string>> paths_;
  std::optional<LargeProgram> large_;
  std::vector<image::FileFacts> facts_;
  std::uint64_t count_ = 0;      // packages, claims and gaps so far
  bool over_limit_ = false;
};

}  // namespace bulwark::catalog
