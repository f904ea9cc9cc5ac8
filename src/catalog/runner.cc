#include "catalog/runner.h"

#include <algorithm>
#include <exception>

#include "base/hex.h"
#include "base/limits.h"
#include "base/strings.h"
#include "catalog/go_program.h"

namespace bulwark::catalog {
namespace {

constexpr std::size_t kMagicBytes = 4;  // tell whether a large file is a program
constexpr std::uint32_t kExecutable = 0111;

bool IsWanted(std::string_view path, std::uint32_t mode) {
  auto list = Catalogers();
  return std::any_of(list.begin(), list.end(), [&](const Cataloger& c) { return c.wants(path, mode); });
}

// A cataloguer's own failure must not end the layer; std::bad_alloc is one as well when a file is hostile.
Result<Facts> ReadGuarded(const Cataloger& cataloger, const LayerFile& file) {
  try {
    return cataloger.read(file);
  } catch (const std::exception& e) {
    return Error{Errc::kInternal, std::string("reading failed: ") + e.what()};
  }
}

image::FileFacts Complete(const Cataloger& cataloger, std::uint32_t index, const LayerFile& file, Facts facts) {
  image::FileFacts out;
  out.entry = index;
  out.cataloger = cataloger.name;
  out.packages = std::move(facts.packages);
  out.owned = std::move(facts.owned);
  out.os = std::move(facts.os);
  out.gaps = std::move(facts.gaps);
  for (image::Gap& gap : out.gaps) {
    if (gap.path.empty()) gap.path = file.path;
    gap.cataloger = cataloger.name;
  }
  return out;
}

}  // namespace

bool Runner::Wants(const image::Entry& entry) { return IsWanted(entry.path, entry.mode); }

bool Runner::WantsStart(const image::Entry& entry, ByteSpan start) {
  return StartsProgram(entry.path, start) && IsWanted(entry.path, entry.mode | kExecutable);
}

void Runner::OnFile(std::uint32_t index, const image::Entry& entry, ByteSpan data) {
  std::string md5;
  for (const std::string& path : PathsOf(index, entry)) {
    bool program = StartsProgram(path, data.first(std::min(data.size(), kStartBytes)));
    LayerFile file{path, data, program ? entry.mode | kExecutable : entry.mode};
    for (const Cataloger& cataloger : Catalogers()) {
      if (cataloger.wants(path, file.mode)) Run(cataloger, index, file, md5);
    }
    MarkRead(index, path);
  }
}

void Runner::Run(const Cataloger& cataloger, std::uint32_t index, const LayerFile& file, std::string& md5) {
  Result<Facts> read = ReadGuarded(cataloger, file);
  Facts facts;
  if (read) facts = *std::move(read);
  else facts.gaps.push_back({cataloger.on_error, std::string(file.path), "", read.error().message});
  // A database without packages is kept too: it says that the image has one.
  bool empty = facts.packages.empty() && facts.owned.empty() && !facts.os && facts.gaps.empty();
  if (empty && !cataloger.is_database) return;
  image::FileFacts out = Complete(cataloger, index, file, std::move(facts));
  if (md5.empty() && out.owned.empty()) md5 = crypto::Md5Hex(file.bytes);
  out.md5 = md5;
  Keep(std::move(out));
}

bool Runner::OnPart(std::uint32_t index, const image::Entry&, ByteSpan part) {
  if (!large_ || large_->index != index) {
    large_.emplace();
    large_->index = index;
  }
  // The first part may be shorter than what tells a program.
  std::string& start = large_->start;
  if (start.size() < kMagicBytes) {
    start += AsText(part.subspan(0, std::min(part.size(), kMagicBytes - start.size())));
    large_->program = LooksLikeProgram(AsBytes(start));
    if (start.size() == kMagicBytes && !large_->program) return false;
  }
  large_->search.Feed(part);
  large_->md5.Update(part);
  return true;
}

void Runner::OnTooLarge(std::uint32_t index, const image::Entry& entry) {
  if (large_ && large_->index != index) large_.reset();
  std::string md5;
  const std::uint32_t mode = large_ && large_->program ? entry.mode | kExecutable : entry.mode;
  for (const std::string& path : PathsOf(index, entry)) {
    for (const Cataloger& cataloger : Catalogers()) {
      if (!cataloger.wants(path, mode)) continue;
      Result<Facts> read = FactsOfLarge(cataloger, path, md5);
      Facts facts;
      if (read) facts = *std::move(read);
      else facts.gaps.push_back({cataloger.on_error, path, "", read.error().message});
      if (facts.packages.empty() && facts.gaps.empty()) continue;
      image::FileFacts out = Complete(cataloger, index, {path, {}, mode}, std::move(facts));
      out.md5 = md5;
      Keep(std::move(out));
    }
    MarkRead(index, path);
  }
  large_.reset();
}

// Only programs are read in parts; of everything else a large file is a gap.
Result<Facts> Runner::FactsOfLarge(const Cataloger& cataloger, std::string_view path, std::string& md5) {
  if (!large_ || cataloger.name != kGoCataloger) return Error{Errc::kLimit, "larger than " + FormatBytes(limits::kCatalogedFileBytes) + ": not read"};
  if (!large_->program) return Facts();
  if (md5.empty()) {
    md5 = ToHex(large_->md5.Finish());
    large_->info = large_->search.Finish();
  }
  BW_TRY(std::optional<GoBuildInfo> info, Result(large_->info));
  return info ? GoFacts(*info, path) : Facts();
}

// When a file is read again under a final path, merge wants to see that it was, whatever came out.
void Runner::MarkRead(std::uint32_t index, const std::string& path) {
  if (!paths_.contains(index)) return;
  image::FileFacts nothing;
  nothing.entry = index;
  bool marked = false;
  for (auto at = facts_.rbegin(); at != facts_.rend() && at->entry == index && at->read_as.empty(); ++at) {
    at->read_as = path;
    marked = true;
  }
  if (marked) return;
  nothing.read_as = path;
  facts_.push_back(std::move(nothing));
}

// What fits of it: the rest is told as a gap, and hides nothing of what came before.
void Runner::Keep(image::FileFacts facts) {
  auto take = [&](auto& list) {
    const std::uint64_t room = limits::kPackagesPerLayer - count_;
    over_limit_ |= list.size() > room;
    if (list.size() > room) list.erase(list.begin() + static_cast<std::ptrdiff_t>(room), list.end());
    count_ += list.size();
  };
  take(facts.packages);
  take(facts.gaps);
  take(facts.owned);
  facts_.push_back(std::move(facts));
}

std::vector<std::string> Runner::PathsOf(std::uint32_t index, const image::Entry& entry) const {
  auto at = paths_.find(index);
  return at == paths_.end() ? std::vector<std::string>{entry.path} : at->second;
}

void Runner::AddTo(image::LayerRecord& record) {
  record.set_version = kSetVersion;
  record.limits_version = limits::kLimitsVersion;
  for (image::FileFacts& facts : facts_) record.files.push_back(std::move(facts));
  facts_.clear();
  // Entry and cataloguer first, then everything else, so that reading again adds nothing twice.
  std::sort(record.files.begin(), record.files.end());
  record.files.erase(std::unique(record.files.begin(), record.files.end()), record.files.end());
  if (!over_limit_) return;
  record.gaps.push_back({image::GapKind::kBlind, "", "layer", "names more packages, files and gaps than " +
                                                                  std::to_string(limits::kPackagesPerLayer) + ": not all are listed"});
  record.complete = false;
}

}  // namespace bulwark::catalog
