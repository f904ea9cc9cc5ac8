#include "service/analysis_messages.h"

#include <algorithm>

#include "base/limits.h"

namespace bulwark::service {
namespace {

// Numbers of docs/formats/worker-messages.md.
enum Type : std::uint8_t { kStart = 1, kGrow = 2, kProgress = 17, kRecord = 18, kFailed = 19 };

class Writer {
 public:
  explicit Writer(Type type) { out_.push_back(type); }
  void Number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  void Raw(ByteSpan bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void Flag(bool value) { out_.push_back(value ? 1 : 0); }
  void Text(std::string_view text) {
    Number(text.size(), 4);
    Raw(AsBytes(text));
  }
  void Put(const Extent& extent) {
    Number(extent.size, 8);
    Flag(extent.finished);
  }
  Bytes Take() { return std::move(out_); }

 private:
  Bytes out_;
};

// Reads what Writer wrote. After a misfit every read gives zero and `ok` stays false.
class Reader {
 public:
  explicit Reader(ByteSpan bytes) : rest_(bytes) {}
  std::uint64_t Number(int bytes) {
    std::uint64_t value = 0;
    ByteSpan raw = Raw(static_cast<std::size_t>(bytes));
    for (std::size_t i = 0; i < raw.size(); ++i) value |= static_cast<std::uint64_t>(raw[i]) << (8 * i);
    return value;
  }
  ByteSpan Raw(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
    }
    ByteSpan out = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }
  bool Flag() {
    std::uint64_t value = Number(1);
    if (value > 1) ok_ = false;
    return value == 1;
  }
  std::string Text(std::size_t limit) {
    std::uint64_t size = Number(4);
    if (size > limit) ok_ = false;
    return ok_ ? std::string(AsText(Raw(size))) : std::string();
  }
  Extent GetExtent() {
    std::uint64_t size = Number(8);
    return {size, Flag()};
  }
  Nonce GetNonce() {
    Nonce nonce{};
    ByteSpan raw = Raw(nonce.size());
    std::copy(raw.begin(), raw.end(), nonce.begin());
    return nonce;
  }
  Bytes Rest() {
    ByteSpan raw = Raw(rest_.size());
    return {raw.begin(), raw.end()};
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  ByteSpan rest_;
  bool ok_ = true;
};

Error Misfit() { return {Errc::kCorrupt, "a worker message does not have its format"}; }

StartMessage ReadStart(Reader& in) {
  StartMessage start;
  start.nonce = in.GetNonce();
  start.extent = in.GetExtent();
  start.again = in.Flag();
  std::uint64_t count = in.Number(4);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    image::Unread unread;
    unread.entry = static_cast<std::uint32_t>(in.Number(4));
    unread.path = in.Text(limits::kPathBytes);
    start.unread.push_back(std::move(unread));
  }
  start.record = in.Rest();
  return start;
}

Bytes EncodeStart(const StartMessage& start) {
  Writer out(kStart);
  out.Raw(start.nonce);
  out.Put(start.extent);
  out.Flag(start.again);
  out.Number(start.unread.size(), 4);
  for (const image::Unread& unread : start.unread) {
    out.Number(unread.entry, 4);
    out.Text(unread.path);
  }
  out.Raw(start.record);
  return out.Take();
}

}  // namespace

Bytes Encode(const FromServer& message) {
  if (const auto* start = std::get_if<StartMessage>(&message)) return EncodeStart(*start);
  Writer out(kGrow);
  out.Put(std::get<GrowMessage>(message).extent);
  return out.Take();
}

Bytes Encode(const FromWorker& message) {
  if (const auto* progress = std::get_if<ProgressMessage>(&message)) {
    Writer out(kProgress);
    out.Number(progress->read, 8);
    out.Flag(progress->waits);
    return out.Take();
  }
  if (const auto* record = std::get_if<RecordMessage>(&message)) {
    Writer out(kRecord);
    out.Raw(record->nonce);
    out.Raw(record->record);
    return out.Take();
  }
  const auto& failed = std::get<FailedMessage>(message);
  Writer out(kFailed);
  out.Raw(failed.nonce);
  out.Text(failed.reason);
  return out.Take();
}

Result<FromServer> DecodeFromServer(ByteSpan bytes) {
  Reader in(bytes);
  FromServer out;
  switch (in.Number(1)) {
    case kStart: out = ReadStart(in); break;
    case kGrow: out = GrowMessage{in.GetExtent()}; break;
    default: return Misfit();
  }
  if (!in.done()) return Misfit();
  return out;
}

Result<FromWorker> DecodeFromWorker(ByteSpan bytes) {
  Reader in(bytes);
  FromWorker out;
  switch (in.Number(1)) {
    case kProgress: {
      std::uint64_t read = in.Number(8);
      out = ProgressMessage{read, in.Flag()};
      break;
    }
    case kRecord: {
      Nonce nonce = in.GetNonce();
      out = RecordMessage{nonce, in.Rest()};
      break;
    }
    case kFailed: {
      Nonce nonce = in.GetNonce();
      out = FailedMessage{nonce, in.Text(limits::kAuditFieldBytes)};
      break;
    }
    default: return Misfit();
  }
  if (!in.done()) return Misfit();
  return out;
}

}  // namespace bulwark::service
