// The worker's half of the analysis: reads the blob behind the descriptor as far as it has grown, and answers once.

#include <algorithm>
#include <new>

#include <fmt/format.h>
#include <unistd.h>

#include "base/limits.h"
#include "catalog/analyze.h"
#include "service/analysis.h"
#include "service/analysis_messages.h"

namespace bulwark::service {
namespace {

constexpr std::uint64_t kProgressEvery = 4 * limits::kMiB;

// The blob while it grows: at the end of what is known it asks for more and waits.
class GrowingSource final : public ByteSource {
 public:
  GrowingSource(sandbox::Parent& parent, int fd, Extent extent) : parent_(parent), fd_(fd), extent_(extent) {}

  Result<std::size_t> Read(std::span<std::uint8_t> into) override {
    while (next_ == extent_.size) {
      if (extent_.finished) return std::size_t{0};
      BW_CHECK(WaitForMore());
    }
    std::size_t want = std::min<std::uint64_t>(into.size(), extent_.size - next_);
    ssize_t n = ::pread(fd_, into.data(), want, static_cast<off_t>(next_));
    if (n < 0) return ErrnoError("reading the blob");
    if (n == 0) return Error{Errc::kIo, fmt::format("the blob ends at {} of {} bytes", next_, extent_.size)};
    next_ += static_cast<std::uint64_t>(n);
    if (next_ - reported_ >= kProgressEvery) {
      BW_CHECK(Report(false));
    }
    return static_cast<std::size_t>(n);
  }
  // All of it is there, or waits until it is.
  Result<std::uint64_t> WholeSize() {
    while (!extent_.finished) {
      BW_CHECK(WaitForMore());
    }
    return extent_.size;
  }

 private:
  Status Report(bool waits) {
    reported_ = next_;
    return parent_.Send(Encode(FromWorker(ProgressMessage{next_, waits})));
  }
  Status WaitForMore() {
    BW_CHECK(Report(true));
    BW_TRY(Bytes bytes, parent_.Receive(nullptr));
    BW_TRY(FromServer message, DecodeFromServer(bytes));
    const auto* grow = std::get_if<GrowMessage>(&message);
    if (!grow || grow->extent.size < extent_.size) return {Errc::kInternal, "the server did not say how much more there is"};
    extent_ = grow->extent;
    return {};
  }

  sandbox::Parent& parent_;
  int fd_;
  Extent extent_;
  std::uint64_t next_ = 0, reported_ = 0;
};

Result<image::LayerRecord> Analyze(sandbox::Parent& parent, int fd, const StartMessage& start) {
  GrowingSource source(parent, fd, start.extent);
  if (!start.again) return catalog::AnalyzeLayer(source);
  BW_TRY(image::LayerRecord record, image::DecodeLayerRecord(start.record));
  BW_TRY(std::uint64_t size, source.WholeSize());
  BW_CHECK(catalog::ReadAgain(FileSource(fd, size), record, start.unread));
  return record;
}

FromWorker AnswerTo(sandbox::Parent& parent, int fd, const StartMessage& start) {
  auto record = Analyze(parent, fd, start);
  if (!record.ok()) return FailedMessage{start.nonce, record.error().message.substr(0, limits::kAuditFieldBytes)};
  Bytes encoded = image::Encode(*record);
  if (encoded.size() > limits::kLayerFactsBytes) {
    return FailedMessage{start.nonce, fmt::format("the layer's facts need {} bytes, more than the {} that may be kept", encoded.size(),
                                                  limits::kLayerFactsBytes)};
  }
  return RecordMessage{start.nonce, std::move(encoded)};
}

}  // namespace

Status AnalysisJob(sandbox::Parent& parent) {
  UniqueFd fd;
  BW_TRY(Bytes first, parent.Receive(&fd));
  BW_TRY(FromServer message, DecodeFromServer(first));
  const auto* start = std::get_if<StartMessage>(&message);
  if (!start || !fd) return {Errc::kInternal, "the first message is no start"};
  Bytes().swap(first);
  return parent.Send(Encode(AnswerTo(parent, fd.get(), *start)));
}

}  // namespace bulwark::service
