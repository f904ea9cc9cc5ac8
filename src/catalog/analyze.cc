#include "catalog/analyze.h"

#include <algorithm>
#include <map>

#include "catalog/paths.h"
#include "catalog/runner.h"
#include "catalog/unread_packages.h"
#include "crypto/hash.h"
#include "formats/elf.h"

namespace bulwark::catalog {

Result<image::LayerRecord> AnalyzeLayer(ByteSource& blob) {
  Runner runner;
  BW_TRY(image::LayerRecord record, image::WalkLayer(blob, runner));
  runner.AddTo(record);
  return record;
}

Status ReadAgain(const RandomSource& blob, image::LayerRecord& record, const std::vector<image::Unread>& unread) {
  std::map<std::uint32_t, std::vector<std::string>> paths;
  for (const image::Unread& one : unread) paths[one.entry].push_back(one.path);
  std::vector<std::uint32_t> entries;
  for (const auto& [entry, names] : paths) entries.push_back(entry);
  Runner runner(std::move(paths));
  BW_CHECK(image::ReadEntries(blob, record, entries, runner));
  runner.AddTo(record);
  return {};
}

image::LayerRecord AnalyzeFile(const std::string& path, ByteSpan bytes, std::uint32_t mode) {
  image::LayerRecord record;
  record.is_layer = true;
  record.blob_size = record.inflated_size = bytes.size();
  record.diff_id = crypto::Sha256(bytes);
  image::Entry entry;
  entry.mode = mode;
  // Whoever names a single program means it to be read, executable bit or not.
  if (formats::LooksLikeElf(bytes)) entry.mode |= 0111;
  entry.size = bytes.size();
  entry.path = path.substr(std::min(path.find_first_not_of('/'), path.size()));
  Runner runner;
  bool wanted = runner.Wants(entry);
  if (wanted) runner.OnFile(0, entry, bytes);
  record.entries.push_back(std::move(entry));
  runner.AddTo(record);
  // In an image a lock file that is not read is one of many files; alone it is all there is.
  auto unread = [](const image::FileFacts& facts) { return facts.cataloger == kUnreadCataloger; };
  wanted = wanted && (record.files.empty() || !std::all_of(record.files.begin(), record.files.end(), unread));
  if (!wanted) record.gaps.push_back({image::GapKind::kBlind, path, "layer", "no cataloguer reads this kind of file"});
  return record;
}

std::vector<image::Gap> AsGaps(const std::vector<image::Unread>& unread) {
  std::vector<image::Gap> out;
  for (const image::Unread& one : unread) {
    out.push_back({image::GapKind::kBlind, one.path, "merge", "reached through another layer's link and not read"});
  }
  return out;
}

}  // namespace bulwark::catalog
