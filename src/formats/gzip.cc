#include "formats/gzip.h"

// ISA-L neither loops over members nor stops between deflate blocks. Members are looped here. For a seek point we let
// ISA-L believe that the current block is the last one (bfinal): it then stops exactly behind it, with the bit position
// in read_in. Its history is not kept over such an end, so inflating goes on from the point just taken, by the same
// code that later resumes from it.

#include <algorithm>
#include <cstring>
#include <utility>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "base/limits.h"

namespace bulwark::formats {
namespace {

constexpr std::size_t kInputBytes = 256 * 1024;
constexpr std::size_t kWindowBytes = 32 * 1024;

// FLG bits, RFC 1952 section 2.3.1.
constexpr int kHeaderCrc = 2, kExtra = 4, kName = 8, kComment = 16, kReserved = 0xe0;

std::uint32_t Crc(std::uint32_t crc, const std::uint8_t* bytes, std::size_t n) {
  return crc32_gzip_refl(crc, const_cast<std::uint8_t*>(bytes), n);
}

const char* Describe(int code) {
  switch (code) {
    case ISAL_INVALID_BLOCK: return "gzip: invalid deflate block";
    case ISAL_INVALID_SYMBOL: return "gzip: invalid deflate symbol";
    case ISAL_INVALID_LOOKBACK: return "gzip: a distance reaches before the start";
    default: return "gzip: cannot be inflated";
  }
}

}  // namespace

struct GzipReader::Inflater {
  inflate_state s;
};

GzipReader::GzipReader(ByteSource& compressed)
    : source_(compressed), in_(kInputBytes), z_(std::make_unique<Inflater>()) {}

GzipReader::GzipReader(ByteSource& compressed, const InflatePoint& point) : GzipReader(compressed) {
  first_ = ResumeOffset(point);
  inflated_ = last_point_ = point.inflated;
  if (point.window.empty()) return;
  first_member_ = false;
  verify_ = false;
  phase_ = Phase::kDeflate;
  BeginDeflate(point.window);
  history_.assign(point.window.begin(), point.window.end());
  // The shared byte is only known once the source is read; until then read_in_length says how much of it counts.
  z_->s.read_in_length = -point.bits;
}

GzipReader::~GzipReader() = default;

void GzipReader::CapturePoints(std::uint64_t spacing, OnPoint on_point) {
  spacing_ = spacing;
  on_point_ = std::move(on_point);
}

Result<std::size_t> GzipReader::Read(std::span<std::uint8_t> into) {
  std::size_t done = 0;
  while (done < into.size() && phase_ != Phase::kDone) {
    switch (phase_) {
      case Phase::kHeader: BW_CHECK(ReadHeader()); break;
      case Phase::kTrailer: BW_CHECK(ReadTrailer()); break;
      case Phase::kDeflate: {
        BW_TRY(std::size_t n, Inflate(into.subspan(done)));
        done += n;
        break;
      }
      case Phase::kDone: break;
    }
  }
  return done;
}

Result<bool> GzipReader::Fill() {
  BW_TRY(std::size_t n, source_.Read(in_));
  in_next_ = 0;
  in_end_ = n;
  fetched_ += n;
  return n > 0;
}

Result<int> GzipReader::NextByte() {
  if (!carry_.empty()) {
    int byte = carry_.front();
    carry_.erase(carry_.begin());
    return byte;
  }
  if (in_next_ == in_end_) {
    BW_TRY(bool more, Fill());
    if (!more) return -1;
  }
  return in_[in_next_++];
}

std::uint64_t GzipReader::position() const { return fetched_ - (in_end_ - in_next_) - carry_.size(); }

// RFC 1952 section 2.3. Anything but zeros behind a member must be another member.
Status GzipReader::ReadHeader() {
  std::uint64_t start = position();
  std::uint8_t fixed[10];
  std::uint32_t crc = 0;
  for (int i = 0; i < 10; ++i) {
    BW_TRY(int byte, NextByte());
    if (byte < 0 && i == 0 && !first_member_) return phase_ = Phase::kDone, Status();
    if (byte == 0 && i == 0 && !first_member_) return SkipZeros();
    if (byte < 0) return Damage("gzip: truncated in a member header"), Status();
    fixed[i] = static_cast<std::uint8_t>(byte);
    if ((i == 0 && byte != 0x1f) || (i == 1 && byte != 0x8b))
      return Damage(first_member_ ? "gzip: no gzip header" : "gzip: bytes that are no gzip member follow the data"),
             Status();
  }
  if (fixed[2] != 8 || (fixed[3] & kReserved)) return Damage("gzip: unknown method or flags"), Status();
  crc = Crc(0, fixed, 10);
  auto next = [&]() -> Result<int> {
    BW_TRY(int byte, NextByte());
    auto b = static_cast<std::uint8_t>(byte);
    if (byte >= 0) crc = Crc(crc, &b, 1);
    return byte;
  };
  if (fixed[3] & kExtra) {
    BW_TRY(int low, next());
    BW_TRY(int high, next());
    for (int left = low < 0 || high < 0 ? 0 : low | high << 8; left > 0; --left) BW_CHECK(next());
  }
  for (int flag : {kName, kComment}) {
    if (!(fixed[3] & flag)) continue;
    BW_TRY(bool ended, SkipZeroEnded(crc));
    if (!ended) return Damage("gzip: a header field does not end"), Status();
  }
  if (fixed[3] & kHeaderCrc) {
    std::uint32_t want = crc & 0xffff;
    BW_TRY(int low, NextByte());
    BW_TRY(int high, NextByte());
    if (low < 0 || high < 0 || static_cast<std::uint32_t>(low | high << 8) != want)
      return Damage("gzip: wrong header checksum"), Status();
  }
  if (on_point_ && !first_member_ && inflated_ - last_point_ >= spacing_) {
    last_point_ = inflated_;
    on_point_({first_ + start, inflated_, 0, {}});
  }
  first_member_ = false;
  verify_ = true;
  crc_ = 0;
  member_size_ = 0;
  history_.clear();
  phase_ = Phase::kDeflate;
  BeginDeflate({});
  return {};
}

Result<bool> GzipReader::SkipZeroEnded(std::uint32_t& crc) {
  for (std::uint64_t n = 0; n < limits::kGzipNameBytes; ++n) {
    BW_TRY(int byte, NextByte());
    if (byte < 0) return false;
    auto b = static_cast<std::uint8_t>(byte);
    crc = Crc(crc, &b, 1);
    if (b == 0) return true;
  }
  return false;
}

// After this the inflater is between two blocks, with carry_ as the first bits that it sees.
void GzipReader::BeginDeflate(ByteSpan window) {
  inflate_state& s = z_->s;
  isal_inflate_init(&s);
  s.crc_flag = ISAL_DEFLATE;
  if (!window.empty())
    isal_inflate_set_dict(&s, const_cast<std::uint8_t*>(window.data()), static_cast<std::uint32_t>(window.size()));
  for (std::uint8_t byte : carry_) {  // at most 8
    s.read_in |= std::uint64_t{byte} << s.read_in_length;
    s.read_in_length += 8;
  }
  carry_.clear();
}

Result<std::size_t> GzipReader::Inflate(std::span<std::uint8_t> into) {
  inflate_state& s = z_->s;
  bool flushing = s.block_state == ISAL_BLOCK_INPUT_DONE || s.tmp_out_valid != s.tmp_out_processed;
  if (in_next_ == in_end_ && !flushing && s.block_state != ISAL_BLOCK_FINISH) {
    BW_TRY(bool more, Fill());
    // What is in read_in may still hold the last symbols; only when nothing comes of them is the stream cut.
    if (!more && s.read_in_length <= 0) return Damage("gzip: truncated"), std::size_t{0};
  }
  if (s.read_in_length < 0) {  // resumed in the middle of a byte
    int bits = -s.read_in_length;
    s.read_in = in_[in_next_++] >> (8 - bits);
    s.read_in_length = bits;
  }
  WantPoint();
  std::uint32_t room = static_cast<std::uint32_t>(std::min<std::size_t>(into.size(), 1u << 30));
  bool starved = in_next_ == in_end_;
  s.next_in = in_.data() + in_next_;
  s.avail_in = static_cast<std::uint32_t>(in_end_ - in_next_);
  s.next_out = into.data();
  s.avail_out = room;
  auto state_before = s.block_state;
  int code = isal_inflate(&s);
  in_next_ = in_end_ - s.avail_in;
  std::size_t n = room - s.avail_out;
  KeepWindow(into.first(n));
  if (code < 0) return Damage(Describe(code)), n;
  if (s.block_state == ISAL_BLOCK_FINISH) {
    if (stop_at_block_end_) TakeBlockPoint();
    else EndDeflate();
  } else if (starved && n == 0 && s.tmp_out_valid == s.tmp_out_processed && s.block_state == state_before) {
    Damage("gzip: truncated");
  }
  return n;
}

void GzipReader::KeepWindow(ByteSpan produced) {
  if (produced.empty()) return;
  if (verify_) crc_ = Crc(crc_, produced.data(), produced.size());
  member_size_ += produced.size();
  inflated_ += produced.size();
  if (produced.size() >= kWindowBytes) {
    history_.assign(produced.end() - kWindowBytes, produced.end());
    return;
  }
  if (history_.size() + produced.size() > 4 * kWindowBytes)
    history_.erase(history_.begin(), history_.end() - (kWindowBytes - produced.size()));
  history_.insert(history_.end(), produced.begin(), produced.end());
}

ByteSpan GzipReader::window() const { return ByteSpan(history_).last(std::min(history_.size(), kWindowBytes)); }

// Only inside a block whose header is read: a header would set bfinal anew.
void GzipReader::WantPoint() {
  inflate_state& s = z_->s;
  if (!on_point_ || stop_at_block_end_ || inflated_ - last_point_ < spacing_ || s.bfinal != 0) return;
  if (s.block_state != ISAL_BLOCK_CODED && s.block_state != ISAL_BLOCK_TYPE0) return;
  s.bfinal = 1;
  stop_at_block_end_ = true;
}

void GzipReader::TakeBlockPoint() {
  inflate_state& s = z_->s;
  stop_at_block_end_ = false;
  std::uint64_t bit = (first_ + fetched_ - (in_end_ - in_next_)) * 8 - static_cast<std::uint64_t>(s.read_in_length);
  InflatePoint point;
  point.compressed = (bit + 7) / 8;
  point.bits = static_cast<std::uint8_t>(point.compressed * 8 - bit);
  point.inflated = inflated_;
  point.window.assign(window().begin(), window().end());
  auto read_in = s.read_in;
  auto read_in_length = s.read_in_length;
  BeginDeflate(point.window);
  s.read_in = read_in;
  s.read_in_length = read_in_length;
  last_point_ = inflated_;
  if (!point.window.empty()) on_point_(std::move(point));
}

// The trailer starts at the next whole byte; bytes that the inflater took too many go back.
void GzipReader::EndDeflate() {
  inflate_state& s = z_->s;
  int spare = s.read_in_length % 8;
  std::uint64_t rest = s.read_in >> spare;
  for (int n = s.read_in_length / 8; n > 0; --n, rest >>= 8) carry_.push_back(static_cast<std::uint8_t>(rest));
  phase_ = Phase::kTrailer;
}

Status GzipReader::ReadTrailer() {
  std::uint32_t word[2] = {0, 0};
  for (int i = 0; i < 8; ++i) {
    BW_TRY(int byte, NextByte());
    if (byte < 0) return Damage("gzip: truncated in the trailer of a member"), Status();
    word[i / 4] |= static_cast<std::uint32_t>(byte) << 8 * (i % 4);
  }
  if (verify_ && word[0] != crc_) return Damage("gzip: wrong checksum (CRC-32)"), Status();
  if (verify_ && word[1] != static_cast<std::uint32_t>(member_size_))
    return Damage("gzip: wrong length (ISIZE)"), Status();
  phase_ = Phase::kHeader;
  return {};
}

// gzip(1) and others pad to a block size with zeros.
Status GzipReader::SkipZeros() {
  for (;;) {
    BW_TRY(int byte, NextByte());
    if (byte < 0) return phase_ = Phase::kDone, Status();
    if (byte != 0) return Damage("gzip: bytes that are no gzip member follow the data"), Status();
    auto first = in_.begin() + static_cast<std::ptrdiff_t>(in_next_);
    auto end = in_.begin() + static_cast<std::ptrdiff_t>(in_end_);
    in_next_ = static_cast<std::size_t>(std::find_if(first, end, [](std::uint8_t b) { return b != 0; }) - in_.begin());
  }
}

void GzipReader::Damage(std::string why) {
  damage_ = std::move(why);
  phase_ = Phase::kDone;
}

}  // namespace bulwark::formats
