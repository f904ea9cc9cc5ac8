#include "image/inflated_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>
#include <thread>

#include "base/limits.h"
#include "base/strings.h"
#include "base/sync.h"
#include "crypto/hash.h"
#include "formats/gzip.h"
#include "formats/zstd.h"

namespace bulwark::image {
namespace {

// Chunks stay in the second-level cache between inflating, walking and, on the other core, hashing.
constexpr std::size_t kChunkBytes = 256 * 1024;
constexpr std::size_t kChunks = 8;
// Small layers are hashed where they are: starting a thread costs more.
constexpr std::uint64_t kThreadAfter = 2 * limits::kMiB;

}  // namespace

Compression SniffCompression(ByteSpan head) {
  auto starts = [&](std::initializer_list<std::uint8_t> magic) {
    return head.size() >= magic.size() && std::equal(magic.begin(), magic.end(), head.begin());
  };
  if (starts({0x1f, 0x8b, 0x08})) return Compression::kGzip;
  if (starts({0x28, 0xb5, 0x2f, 0xfd})) return Compression::kZstd;
  if (head.size() >= 4 && (head[0] & 0xf0) == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18)
    return Compression::kZstd;  // a skippable frame comes first
  return Compression::kNone;
}

// The blob with its first bytes put back, counted.
class InflatedStream::Blob final : public ByteSource {
 public:
  Blob(ByteSource& rest, Bytes head) : rest_(rest), head_(std::move(head)) {}

  Result<std::size_t> Read(std::span<std::uint8_t> into) override {
    std::size_t n = std::min(into.size(), head_.size() - used_);
    if (n > 0) {
      std::memcpy(into.data(), head_.data() + used_, n);
      used_ += n;
    } else {
      BW_TRY(n, rest_.Read(into));
    }
    size_ += n;
    return n;
  }
  std::uint64_t size() const { return size_; }

 private:
  ByteSource& rest_;
  Bytes head_;
  std::size_t used_ = 0;
  std::uint64_t size_ = 0;
};

struct InflatedStream::Decoder {
  std::unique_ptr<formats::GzipReader> gzip;
  std::unique_ptr<formats::ZstdReader> zstd;
};

// A ring of chunks. The user fills chunk n while the thread hashes the ones before; a chunk is filled anew only after
// it was hashed.
class InflatedStream::Hashing {
 public:
  Hashing() : hasher_(crypto::HashKind::kSha256) {}
  ~Hashing() { Stop(); }

  std::span<std::uint8_t> Free() {
    std::size_t slot = filled_local_ % kChunks;
    if (thread_.joinable()) {
      MutexLock lock(mutex_);
      while (filled_ - hashed_ >= kChunks) changed_.wait(mutex_);
    }
    chunks_[slot].resize(kChunkBytes);
    return chunks_[slot];
  }

  ByteSpan Fill(std::size_t n) {
    std::size_t slot = filled_local_++ % kChunks;
    ByteSpan bytes = ByteSpan(chunks_[slot]).first(n);
    total_ += n;
    if (!thread_.joinable() && total_ > kThreadAfter && !no_thread_) Start();
    if (!thread_.joinable()) {
      hasher_.Update(bytes);
      return bytes;
    }
    MutexLock lock(mutex_);
    lengths_[slot] = n;
    filled_ = filled_local_;
    changed_.notify_all();
    return bytes;
  }

  Digest Finish() {
    Stop();
    return hasher_.FinishDigest();
  }

 private:
  void Start() {
    {
      MutexLock lock(mutex_);
      filled_ = hashed_ = filled_local_ - 1;  // the chunk at hand is handed over next
    }
    try {
      thread_ = std::thread([this] { Run(); });
    } catch (const std::system_error&) {
      no_thread_ = true;  // not allowed any: hash here
    }
  }
  void Stop() {
    if (!thread_.joinable()) return;
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    thread_.join();
    no_thread_ = true;
  }
  void Run() {
    for (;;) {
      ByteSpan bytes;
      {
        MutexLock lock(mutex_);
        while (hashed_ == filled_ && !stopping_) changed_.wait(mutex_);
        if (hashed_ == filled_) return;
        std::size_t slot = hashed_ % kChunks;
        bytes = ByteSpan(chunks_[slot]).first(lengths_[slot]);
      }
      hasher_.Update(bytes);
      MutexLock lock(mutex_);
      ++hashed_;
      changed_.notify_all();
    }
  }

  crypto::Hasher hasher_;
  std::array<Bytes, kChunks> chunks_;
  std::uint64_t filled_local_ = 0, total_ = 0;
  bool no_thread_ = false;
  Mutex mutex_;
  ConditionVariable changed_;
  std::array<std::size_t, kChunks> lengths_ BW_GUARDED_BY(mutex_) = {};
  std::uint64_t filled_ BW_GUARDED_BY(mutex_) = 0;
  std::uint64_t hashed_ BW_GUARDED_BY(mutex_) = 0;
  bool stopping_ BW_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

InflatedStream::InflatedStream(ByteSource& blob, Bytes head, Compression compression)
    : blob_(std::make_unique<Blob>(blob, std::move(head))),
      decoder_(std::make_unique<Decoder>()),
      hashing_(std::make_unique<Hashing>()),
      spacing_(limits::kSeekPointSpacing) {
  if (compression == Compression::kGzip) {
    decoder_->gzip = std::make_unique<formats::GzipReader>(*blob_);
    decoder_->gzip->CapturePoints(spacing_, [this](formats::InflatePoint p) {
      AddPoint({p.compressed, p.inflated, p.bits, std::move(p.window)});
    });
  } else if (compression == Compression::kZstd) {
    decoder_->zstd = std::make_unique<formats::ZstdReader>(*blob_);
    decoder_->zstd->OnFrames([this](std::uint64_t compressed, std::uint64_t inflated) {
      if (inflated - (points_.empty() ? 0 : points_.back().inflated) >= spacing_)
        AddPoint({compressed, inflated, 0, {}});
    });
  }
}

InflatedStream::~InflatedStream() = default;

std::vector<SeekPoint> InflatedStream::TakePoints() { return std::move(points_); }

// Every other point goes when there are too many, so that a huge layer costs no more memory than a large one.
void InflatedStream::AddPoint(SeekPoint point) {
  points_.push_back(std::move(point));
  if (points_.size() < limits::kSeekPoints) return;
  for (std::size_t i = 1; i < points_.size(); i += 2) points_[i / 2] = std::move(points_[i]);
  points_.resize(points_.size() / 2);
  spacing_ *= 2;
  if (decoder_->gzip) decoder_->gzip->SetSpacing(spacing_);
}

std::size_t InflatedStream::decoder_memory() const { return decoder_->zstd ? decoder_->zstd->memory() : 0; }

Result<ByteSpan> InflatedStream::Next() {
  if (ended_) return ByteSpan();
  std::span<std::uint8_t> into = hashing_->Free();
  ByteSource& decoder = decoder_->gzip   ? static_cast<ByteSource&>(*decoder_->gzip)
                        : decoder_->zstd ? static_cast<ByteSource&>(*decoder_->zstd)
                                         : *blob_;
  std::size_t n = 0;
  while (n < into.size() && !ended_) {  // a plain blob may come in small pieces
    auto read = decoder.Read(into.subspan(n));
    if (!read) {
      ended_ = source_failed_ = true;
      return std::move(read).error();
    }
    n += *read;
    ended_ = *read == 0;
  }
  if (ended_ && decoder_->gzip) problem_ = decoder_->gzip->damage();
  if (ended_ && decoder_->zstd) problem_ = decoder_->zstd->damage();
  inflated_ += n;
  if (n == 0) return ByteSpan();
  ByteSpan chunk = hashing_->Fill(n);
  if (inflated_ > limits::kLayerBytes) problem_ = "the layer inflates to more than " + FormatBytes(limits::kLayerBytes);
  if (inflated_ > limits::kInflateGrace && inflated_ / limits::kInflateRatio > blob_->size())
    problem_ = "the layer inflates to more than " + std::to_string(limits::kInflateRatio) + " times its size";
  ended_ = ended_ || problem_;
  return chunk;
}

Result<std::uint64_t> InflatedStream::Drain() {
  Bytes scratch(kChunkBytes);
  for (;;) {
    BW_TRY(std::size_t n, blob_->Read(scratch));
    if (n == 0) return blob_->size();
  }
}

Digest InflatedStream::FinishDigest() { return hashing_->Finish(); }

}  // namespace bulwark::image
