#include "image/walk.h"

// One pass over a layer blob: sniff, inflate, hash, walk the tar, index. Foreign damage never fails it; whatever could
// not be read is a gap of the record.

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "base/strings.h"
#include "formats/tar.h"
#include "formats/tar_fields.h"
#include "image/inflated_stream.h"
#include "image/walk_path.h"

namespace bulwark::image {
namespace {

constexpr std::size_t kHeadBytes = 512;
// Once a layer is this large its index gets room for all that is allowed: growing would copy it and hold it twice.
constexpr std::size_t kManyEntries = 64 * 1024;

Result<Bytes> ReadHead(ByteSource& blob) {
  Bytes head(kHeadBytes);
  std::size_t used = 0;
  while (used < head.size()) {
    BW_TRY(std::size_t n, blob.Read(std::span(head).subspan(used)));
    if (n == 0) break;
    used += n;
  }
  head.resize(used);
  return head;
}

// A tar starts with a header whose checksum fits, or with the zeros that end an empty one.
bool StartsTar(ByteSpan bytes) {
  if (bytes.size() < 512) return bytes.empty();
  auto block = bytes.first<512>();
  return formats::tar::ChecksumFits(block) || std::all_of(block.begin(), block.end(), [](auto b) { return b == 0; });
}

std::optional<EntryType> TypeOf(char tar_type) {
  switch (tar_type) {
    case '0':
    case '7': return EntryType::kFile;
    case '1': return EntryType::kHardlink;
    case '2': return EntryType::kSymlink;
    case '3':
    case '4': return EntryType::kDevice;
    case '5': return EntryType::kDirectory;
    case '6': return EntryType::kFifo;
    default: return std::nullopt;
  }
}

enum class Naming { kEntry, kNothing, kRefused };

// What the record says of a tar header. kNothing for headers that are no files (pax globals, AUFS metadata).
Naming ToEntry(const formats::TarHeader& header, Entry& entry) {
  if (header.type == 'g') return Naming::kNothing;
  auto type = TypeOf(header.type);
  if (!type || header.name.size() > limits::kPathBytes || header.link.size() > limits::kPathBytes)
    return Naming::kRefused;
  entry.type = *type;
  entry.mode = header.mode;
  entry.size = header.size;
  entry.offset = header.offset;
  if (entry.type == EntryType::kSymlink) entry.link = header.link;
  if (entry.type == EntryType::kHardlink) entry.link = CleanPath(header.link);
  bool refused = false;
  if (NameEntry(header.name, entry, refused)) return Naming::kEntry;
  return refused ? Naming::kRefused : Naming::kNothing;
}

class Walk {
 public:
  Walk(ByteSource& blob, Bytes head, Compression compression, LayerVisitor& visitor)
      : stream_(blob, std::move(head), compression), first_(stream_), tar_(first_), visitor_(visitor) {
    record_.compression = compression;
    record_.limits_version = limits::kLimitsVersion;
  }

  Result<LayerRecord> Run() {
    BW_CHECK(first_.Peek());
    // A blob that says it is compressed and then breaks is a damaged layer, not some other kind of document.
    record_.is_layer = StartsTar(first_.peeked()) || (first_.peeked().size() < 512 && stream_.problem());
    if (record_.is_layer) {
      BW_CHECK(Entries());
      BW_CHECK(Rest());
    }
    BW_TRY(record_.blob_size, stream_.Drain());
    if (record_.is_layer) Finish();
    return std::move(record_);
  }

 private:
  // The stream with its first chunk looked at in advance.
  class PeekedSource final : public formats::ChunkSource {
   public:
    explicit PeekedSource(InflatedStream& stream) : stream_(stream) {}
    Status Peek() {
      BW_TRY(chunk_, stream_.Next());
      return {};
    }
    ByteSpan peeked() const { return chunk_; }
    Result<ByteSpan> Next() override {
      if (!given_) return given_ = true, chunk_;
      return stream_.Next();
    }

   private:
    InflatedStream& stream_;
    ByteSpan chunk_;
    bool given_ = false;
  };

  // Until the archive ends, breaks, or hits a limit. An error is one of the blob.
  Status Entries() {
    formats::TarHeader header;
    for (;;) {
      auto more = tar_.Next(header);
      if (!more) return Broken(more.error());
      if (!*more) return {};
      Entry entry;
      switch (ToEntry(header, entry)) {
        case Naming::kNothing: continue;
        case Naming::kRefused: Refused(header); continue;
        case Naming::kEntry: break;
      }
      if (!Fits(entry)) return {};
      record_.entries.push_back(std::move(entry));
      auto read = Visit();
      if (!read) return Broken(read.error());
    }
  }

  Status Visit() {
    auto index = static_cast<std::uint32_t>(record_.entries.size() - 1);
    const Entry& entry = record_.entries.back();
    if (entry.type != EntryType::kFile) return {};
    if (!visitor_.Wants(entry)) return VisitByStart(index, entry);
    if (IsLarge(entry)) {
      BW_CHECK(tar_.Parts([&](ByteSpan part) { return visitor_.OnPart(index, entry, part); }));
      return visitor_.OnTooLarge(index, entry), Status();
    }
    BW_TRY(ByteSpan data, tar_.Data(scratch_));
    visitor_.OnFile(index, entry, data);
    FreeScratch();
    return {};
  }

  bool IsLarge(const Entry& entry) const {
    return entry.size > limits::kCatalogedFileBytes ||
           entry.size + index_bytes_ + stream_.decoder_memory() > limits::kLayerWorkingBytes;
  }

  // A file whose name says nothing. Nearly all are refused by their first part where it lies, and nothing is copied.
  Status VisitByStart(std::uint32_t index, const Entry& entry) {
    if (entry.size == 0) return {};
    const auto enough = static_cast<std::size_t>(std::min<std::uint64_t>(entry.size, LayerVisitor::kStartBytes));
    const bool large = IsLarge(entry);
    bool wanted = false;
    scratch_.clear();
    BW_TRY(bool in_parts, tar_.Parts([&](ByteSpan part) {
      if (wanted && large) return visitor_.OnPart(index, entry, part);
      const bool in_place = scratch_.empty() && part.size() >= enough;
      if (wanted || !in_place) scratch_.insert(scratch_.end(), part.begin(), part.end());
      const ByteSpan start = in_place ? part : ByteSpan(scratch_);
      if (wanted || start.size() < enough) return true;
      wanted = visitor_.WantsStart(entry, start.first(enough));
      if (!wanted || large) return wanted && visitor_.OnPart(index, entry, start);
      if (in_place) scratch_.assign(part.begin(), part.end());
      return true;
    }));
    if (!in_parts && !large) {  // sparse
      BW_TRY(ByteSpan data, tar_.Data(scratch_));
      wanted = data.size() >= enough && visitor_.WantsStart(entry, data.first(enough));
      if (wanted) visitor_.OnFile(index, entry, data);
    } else if (wanted && large) {
      visitor_.OnTooLarge(index, entry);
    } else if (wanted && scratch_.size() == entry.size) {
      visitor_.OnFile(index, entry, scratch_);
    }
    FreeScratch();
    return {};
  }

  // One large file should not cost its memory for the rest of the layer.
  void FreeScratch() {
    if (scratch_.capacity() > limits::kMiB) Bytes().swap(scratch_);
  }

  bool Fits(const Entry& entry) {
    index_bytes_ += IndexBytes(entry);
    bool many = record_.entries.size() >= limits::kLayerEntries;
    bool large = index_bytes_ + stream_.decoder_memory() > limits::kLayerIndexBytes;
    if (many) AddGap({}, "the layer has more than " + std::to_string(limits::kLayerEntries) + " entries");
    else if (large) AddGap({}, "the index of the layer's entries takes too much memory");
    if (many || large) return record_.complete = false;
    if (record_.entries.size() == kManyEntries) record_.entries.reserve(limits::kLayerEntries);
    return true;
  }

  Status Broken(const Error& error) {
    if (stream_.source_failed()) return error;
    record_.complete = false;
    if (!stream_.problem()) AddGap({}, error.message);
    return {};
  }

  void Refused(const formats::TarHeader& header) {
    if (++refused_ > limits::kMergeGaps) return;  // one more is added for all of these
    AddGap(header.name.substr(0, limits::kPathBytes),
           TypeOf(header.type) ? "the entry's name cannot be extracted" : "the entry is of an unknown type");
  }

  // What lies behind the end of the archive is hashed too.
  Status Rest() {
    auto data = tar_.RestHasData();
    if (!data) return Broken(data.error());
    if (*data && record_.complete) AddGap({}, "data follows the end of the tar archive");
    return {};
  }

  void Finish() {
    if (refused_ > limits::kMergeGaps)
      AddGap({}, std::to_string(refused_ - limits::kMergeGaps) + " more entries cannot be extracted");
    record_.inflated_size = stream_.inflated();
    Digest digest = stream_.FinishDigest();
    if (stream_.problem()) {
      AddGap({}, *stream_.problem());
      record_.complete = false;
    } else {
      record_.diff_id = digest;
    }
    record_.seek_points = stream_.TakePoints();
  }

  void AddGap(std::string path, std::string reason) {
    record_.gaps.push_back({GapKind::kBlind, std::move(path), "layer", std::move(reason)});
  }

  InflatedStream stream_;
  PeekedSource first_;
  formats::TarReader tar_;
  LayerVisitor& visitor_;
  LayerRecord record_;
  Bytes scratch_;
  std::uint64_t index_bytes_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace

Result<LayerRecord> WalkLayer(ByteSource& blob, LayerVisitor& visitor) {
  BW_TRY(Bytes head, ReadHead(blob));
  Compression compression = SniffCompression(head);
  return Walk(blob, std::move(head), compression, visitor).Run();
}

}  // namespace bulwark::image
