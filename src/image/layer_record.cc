#include "image/layer_record.h"

// docs/formats/layer-record.md. A head of eight bytes, then one zstd frame of columns. Everything is written and read
// as a stream, so that neither side holds the inflated form; strings share their prefix with the one before in their
// column.

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include <zstd.h>

#include "base/limits.h"
#include "formats/zstd.h"

namespace bulwark::image {
namespace {

constexpr std::uint8_t kMagic[8] = {'B', 'W', 'L', 'A', 'Y', 'E', 'R', 1};  // the last byte is the version
constexpr int kLevel = 1;       // a push waits for it
constexpr int kWindowLog = 21;  // decoding needs no more than this

class Writer {
 public:
  Writer() : context_(ZSTD_createCCtx(), &ZSTD_freeCCtx), buffer_(ZSTD_CStreamOutSize()) {
    if (!context_) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_windowLog, kWindowLog);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    pending_.reserve(kPending);
    out_.assign(std::begin(kMagic), std::end(kMagic));
  }

  void Uint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) Byte(static_cast<std::uint8_t>(v | 0x80));
    Byte(static_cast<std::uint8_t>(v));
  }
  void Raw(ByteSpan bytes) {
    if (pending_.size() + bytes.size() > kPending) Compress(ZSTD_e_continue);
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  }
  void Blob(ByteSpan bytes) {
    Uint(bytes.size());
    Raw(bytes);
  }
  // `previous` is the column's last value.
  void Text(std::string_view text, std::string& previous) {
    std::size_t shared = 0, most = std::min(text.size(), previous.size());
    while (shared < most && text[shared] == previous[shared]) ++shared;
    Uint(shared);
    Blob(AsBytes(text.substr(shared)));
    previous.assign(text);
  }
  Bytes Finish() {
    Compress(ZSTD_e_end);
    return std::move(out_);
  }

 private:
  static constexpr std::size_t kPending = 64 * 1024;

  void Byte(std::uint8_t b) {
    if (pending_.size() == kPending) Compress(ZSTD_e_continue);
    pending_.push_back(b);
  }
  void Compress(ZSTD_EndDirective end) {
    ZSTD_inBuffer in{pending_.data(), pending_.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, end);
      if (ZSTD_isError(left)) throw std::bad_alloc();  // nothing else can fail with these parameters
      out_.insert(out_.end(), buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(out.pos));
      if (end == ZSTD_e_end ? left == 0 : in.pos == in.size) break;
    }
    pending_.clear();
  }

  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context_;
  Bytes pending_, buffer_, out_;
};

class Reader {
 public:
  explicit Reader(ByteSpan bytes) : memory_(bytes), zstd_(memory_, kWindowLog), buffer_(64 * 1024) {}

  Result<std::uint64_t> Uint() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      BW_TRY(std::uint8_t b, Byte());
      if (shift == 63 && b > 1) break;
      v |= std::uint64_t{b & 0x7fu} << shift;
      if (b < 0x80) return v;
    }
    return Corrupt("a number is too large");
  }
  // A number of at most `most`.
  Result<std::uint64_t> Small(std::uint64_t most) {
    BW_TRY(std::uint64_t v, Uint());
    if (v > most) return Corrupt("a value is out of range");
    return v;
  }
  Status Raw(std::uint8_t* into, std::size_t n) {
    while (n > 0) {
      if (next_ == end_) BW_CHECK(Fill());
      std::size_t take = std::min(n, end_ - next_);
      std::memcpy(into, buffer_.data() + next_, take);
      next_ += take;
      into += take;
      n -= take;
    }
    return {};
  }
  Result<Bytes> Blob(std::uint64_t most) {
    BW_TRY(std::uint64_t n, Small(most));
    BW_CHECK(Charge(n));
    Bytes out(static_cast<std::size_t>(n));
    BW_CHECK(Raw(out.data(), out.size()));
    return out;
  }
  Result<std::string> Text(std::string& previous) {
    BW_TRY(std::uint64_t shared, Small(previous.size()));
    BW_TRY(std::uint64_t n, Small(kTextBytes));
    BW_CHECK(Charge(shared + n > 15 ? shared + n + 17 : 0));
    previous.resize(static_cast<std::size_t>(shared + n));
    BW_CHECK(Raw(reinterpret_cast<std::uint8_t*>(previous.data()) + shared, static_cast<std::size_t>(n)));
    return previous;
  }
  // Every element that is about to be stored pays for its memory, so that few bytes cannot fill much of it.
  Status Charge(std::uint64_t bytes) {
    if (bytes > budget_) return Error{Errc::kLimit, "layer record: more than fits in memory"};
    budget_ -= bytes;
    return {};
  }
  // The frame is whole and nothing follows.
  Status ExpectEnd() {
    std::uint8_t byte;
    BW_TRY(std::size_t n, zstd_.Read({&byte, 1}));
    if (next_ != end_ || n != 0) return Corrupt("bytes follow the end");
    if (zstd_.damage()) return Corrupt(*zstd_.damage());
    return {};
  }

  static Error Corrupt(std::string_view what) { return {Errc::kCorrupt, "layer record: " + std::string(what)}; }

 private:
  static constexpr std::uint64_t kTextBytes = limits::kMiB;

  Result<std::uint8_t> Byte() {
    if (next_ == end_) BW_CHECK(Fill());
    return buffer_[next_++];
  }
  Status Fill() {
    BW_TRY(std::size_t n, zstd_.Read(buffer_));
    if (n == 0) return Corrupt(zstd_.damage().value_or("truncated"));
    next_ = 0;
    end_ = n;
    return {};
  }

  MemorySource memory_;
  formats::ZstdReader zstd_;
  Bytes buffer_;
  std::size_t next_ = 0, end_ = 0;
  std::uint64_t budget_ = limits::kLayerRecordBytes;
};

// The last value of each string column; one set for a record.
struct Columns {
  std::string path, link, cataloger, read_as, md5;
  std::string package[7];
  std::string owned[3];
  std::string os[5];
  std::string gap[3];
};

// Field lists that writing and reading share.
template <typename P>
auto Texts(P& p) {
  return std::array{&p.name, &p.version, &p.arch, &p.source_name, &p.source_version, &p.license, &p.path};
}

void PutEntries(Writer& w, const std::vector<Entry>& entries, Columns& c) {
  w.Uint(entries.size());
  std::uint64_t previous = 0;
  for (const Entry& e : entries) {
    w.Uint(static_cast<std::uint64_t>(e.type) << 1 | (e.odd_name ? 1 : 0));
    w.Uint(e.mode);
    w.Uint(e.size);
    w.Uint(e.offset - previous);  // wraps where it goes back, which no walk does
    previous = e.offset;
    w.Text(e.path, c.path);
    w.Text(e.link, c.link);
  }
}

Result<std::vector<Entry>> GetEntries(Reader& r, Columns& c) {
  BW_TRY(std::uint64_t count, r.Small(limits::kLayerEntries));
  std::vector<Entry> out;
  std::uint64_t offset = 0;
  for (; count > 0; --count) {
    // A vector may hold twice what it needs while it grows.
    BW_CHECK(r.Charge(sizeof(Entry)));
    Entry& e = out.emplace_back();
    BW_TRY(std::uint64_t type, r.Small(static_cast<std::uint64_t>(EntryType::kOpaque) << 1 | 1));
    if (type < 2) return Reader::Corrupt("an entry has no type");
    e.type = static_cast<EntryType>(type >> 1);
    e.odd_name = type & 1;
    BW_TRY(std::uint64_t mode, r.Small(UINT32_MAX));
    e.mode = static_cast<std::uint32_t>(mode);
    BW_TRY(e.size, r.Uint());
    BW_TRY(std::uint64_t step, r.Uint());
    e.offset = offset += step;
    BW_TRY(e.path, r.Text(c.path));
    BW_TRY(e.link, r.Text(c.link));
  }
  return out;
}

void PutGaps(Writer& w, const std::vector<Gap>& gaps, Columns& c) {
  w.Uint(gaps.size());
  for (const Gap& g : gaps) {
    w.Uint(static_cast<std::uint64_t>(g.kind));
    w.Text(g.path, c.gap[0]);
    w.Text(g.cataloger, c.gap[1]);
    w.Text(g.reason, c.gap[2]);
  }
}

Result<std::vector<Gap>> GetGaps(Reader& r, Columns& c) {
  BW_TRY(std::uint64_t count, r.Uint());
  std::vector<Gap> out;
  for (; count > 0; --count) {
    BW_CHECK(r.Charge(sizeof(Gap)));
    Gap& g = out.emplace_back();
    BW_TRY(std::uint64_t kind, r.Small(2));
    if (kind == 0) return Reader::Corrupt("a gap has no kind");
    g.kind = static_cast<GapKind>(kind);
    BW_TRY(g.path, r.Text(c.gap[0]));
    BW_TRY(g.cataloger, r.Text(c.gap[1]));
    BW_TRY(g.reason, r.Text(c.gap[2]));
  }
  return out;
}

void PutPackages(Writer& w, const std::vector<Package>& packages, Columns& c) {
  w.Uint(packages.size());
  for (const Package& p : packages) {
    w.Uint(static_cast<std::uint64_t>(p.ecosystem) << 2 | (p.development ? 2u : 0u) | (p.locked_only ? 1u : 0u));
    auto texts = Texts(p);
    for (std::size_t i = 0; i < texts.size(); ++i) w.Text(*texts[i], c.package[i]);
  }
}

Result<std::vector<Package>> GetPackages(Reader& r, Columns& c) {
  BW_TRY(std::uint64_t count, r.Small(limits::kPackagesPerLayer));
  std::vector<Package> out;
  for (; count > 0; --count) {
    BW_CHECK(r.Charge(sizeof(Package)));
    Package& p = out.emplace_back();
    BW_TRY(std::uint64_t flags, r.Small(255 << 2 | 3));
    p.ecosystem = static_cast<versions::Ecosystem>(flags >> 2);
    if (versions::Name(p.ecosystem) == "unknown") return Reader::Corrupt("a package of an unknown ecosystem");
    p.development = flags & 2;
    p.locked_only = flags & 1;
    auto texts = Texts(p);
    for (std::size_t i = 0; i < texts.size(); ++i) { BW_TRY(*texts[i], r.Text(c.package[i])); }
  }
  return out;
}

void PutOs(Writer& w, const std::optional<OsRelease>& os, Columns& c) {
  w.Uint(os ? 1 : 0);
  if (!os) return;
  w.Text(os->id, c.os[0]);
  w.Text(os->version_id, c.os[1]);
  w.Text(os->codename, c.os[2]);
  w.Text(os->pretty_name, c.os[3]);
  w.Uint(os->id_like.size());
  for (const std::string& like : os->id_like) w.Text(like, c.os[4]);
}

Result<std::optional<OsRelease>> GetOs(Reader& r, Columns& c) {
  BW_TRY(std::uint64_t present, r.Small(1));
  if (!present) return std::optional<OsRelease>();
  OsRelease os;
  BW_TRY(os.id, r.Text(c.os[0]));
  BW_TRY(os.version_id, r.Text(c.os[1]));
  BW_TRY(os.codename, r.Text(c.os[2]));
  BW_TRY(os.pretty_name, r.Text(c.os[3]));
  BW_TRY(std::uint64_t count, r.Uint());
  for (; count > 0; --count) {
    BW_CHECK(r.Charge(sizeof(std::string)));
    BW_TRY(std::string like, r.Text(c.os[4]));
    os.id_like.push_back(std::move(like));
  }
  return std::optional<OsRelease>(std::move(os));
}

void PutFile(Writer& w, const FileFacts& f, Columns& c) {
  w.Uint(f.entry);
  w.Text(f.cataloger, c.cataloger);
  w.Text(f.read_as, c.read_as);
  w.Text(f.md5, c.md5);
  PutPackages(w, f.packages, c);
  w.Uint(f.owned.size());
  for (const OwnedFile& o : f.owned) {
    w.Text(o.path, c.owned[0]);
    w.Text(o.package, c.owned[1]);
    w.Text(o.md5, c.owned[2]);
  }
  PutOs(w, f.os, c);
  PutGaps(w, f.gaps, c);
}

Result<FileFacts> GetFile(Reader& r, std::size_t entries, Columns& c) {
  FileFacts f;
  if (entries == 0) return Reader::Corrupt("facts without an entry");
  BW_TRY(std::uint64_t entry, r.Small(entries - 1));
  f.entry = static_cast<std::uint32_t>(entry);
  BW_TRY(f.cataloger, r.Text(c.cataloger));
  BW_TRY(f.read_as, r.Text(c.read_as));
  BW_TRY(f.md5, r.Text(c.md5));
  BW_TRY(f.packages, GetPackages(r, c));
  BW_TRY(std::uint64_t count, r.Uint());
  for (; count > 0; --count) {
    BW_CHECK(r.Charge(sizeof(OwnedFile)));
    OwnedFile& o = f.owned.emplace_back();
    BW_TRY(o.path, r.Text(c.owned[0]));
    BW_TRY(o.package, r.Text(c.owned[1]));
    BW_TRY(o.md5, r.Text(c.owned[2]));
  }
  BW_TRY(f.os, GetOs(r, c));
  BW_TRY(f.gaps, GetGaps(r, c));
  return f;
}

Status GetHead(Reader& r, LayerRecord& out) {
  BW_TRY(std::uint64_t flags, r.Small(3));
  out.is_layer = flags & 1;
  out.complete = flags & 2;
  BW_TRY(std::uint64_t compression, r.Small(static_cast<std::uint64_t>(Compression::kZstd)));
  out.compression = static_cast<Compression>(compression);
  BW_TRY(std::uint64_t algorithm, r.Small(1));
  std::uint8_t digest[64];
  std::size_t length = algorithm == 0 ? 32 : 64;
  BW_CHECK(r.Raw(digest, length));
  out.diff_id = Digest::FromBytes(static_cast<DigestAlgorithm>(algorithm), {digest, length});
  BW_TRY(out.blob_size, r.Uint());
  BW_TRY(out.inflated_size, r.Uint());
  BW_TRY(std::uint64_t set, r.Small(UINT32_MAX));
  BW_TRY(std::uint64_t limits_version, r.Small(UINT32_MAX));
  out.set_version = static_cast<std::uint32_t>(set);
  out.limits_version = static_cast<std::uint32_t>(limits_version);
  return {};
}

Result<std::vector<SeekPoint>> GetPoints(Reader& r) {
  BW_TRY(std::uint64_t count, r.Small(limits::kSeekPoints));
  std::vector<SeekPoint> out;
  SeekPoint previous;
  for (; count > 0; --count) {
    BW_CHECK(r.Charge(sizeof(SeekPoint)));
    SeekPoint& p = out.emplace_back();
    BW_TRY(std::uint64_t compressed, r.Uint());
    BW_TRY(std::uint64_t inflated, r.Uint());
    p.compressed = previous.compressed += compressed;
    p.inflated = previous.inflated += inflated;
    BW_TRY(std::uint64_t bits, r.Small(7));
    p.bits = static_cast<std::uint8_t>(bits);
    if (p.bits > 0 && p.compressed == 0) return Reader::Corrupt("a seek point before the start");
    BW_TRY(p.window, r.Blob(32 * limits::kKiB));
  }
  return out;
}

}  // namespace

Bytes Encode(const LayerRecord& record) {
  Writer w;
  Columns c;
  w.Uint((record.is_layer ? 1u : 0u) | (record.complete ? 2u : 0u));
  w.Uint(static_cast<std::uint64_t>(record.compression));
  w.Uint(static_cast<std::uint64_t>(record.diff_id.algorithm()));
  w.Raw(record.diff_id.bytes());
  w.Uint(record.blob_size);
  w.Uint(record.inflated_size);
  w.Uint(record.set_version);
  w.Uint(record.limits_version);
  PutEntries(w, record.entries, c);
  w.Uint(record.files.size());
  for (const FileFacts& f : record.files) PutFile(w, f, c);
  PutGaps(w, record.gaps, c);
  w.Uint(record.seek_points.size());
  SeekPoint previous;
  for (const SeekPoint& p : record.seek_points) {
    w.Uint(p.compressed - previous.compressed);
    w.Uint(p.inflated - previous.inflated);
    w.Uint(p.bits);
    w.Blob(p.window);
    previous.compressed = p.compressed;
    previous.inflated = p.inflated;
  }
  return w.Finish();
}

Result<LayerRecord> DecodeLayerRecord(ByteSpan bytes) {
  if (bytes.size() > limits::kLayerFactsBytes) return Error{Errc::kLimit, "layer record: too large"};
  if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic - 1) != 0)
    return Reader::Corrupt("no layer record");
  if (bytes[7] != kMagic[7]) return Error{Errc::kUnsupported, "layer record: unknown version"};
  Reader r(bytes.subspan(sizeof kMagic));
  Columns c;
  LayerRecord out;
  BW_CHECK(GetHead(r, out));
  BW_TRY(out.entries, GetEntries(r, c));
  BW_TRY(std::uint64_t count, r.Uint());
  for (; count > 0; --count) {
    BW_CHECK(r.Charge(sizeof(FileFacts)));
    BW_TRY(FileFacts f, GetFile(r, out.entries.size(), c));
    out.files.push_back(std::move(f));
  }
  BW_TRY(out.gaps, GetGaps(r, c));
  BW_TRY(out.seek_points, GetPoints(r));
  BW_CHECK(r.ExpectEnd());
  return out;
}

std::uint64_t IndexBytes(const Entry& entry) {
  auto heap = [](const std::string& s) { return s.capacity() > 15 ? s.capacity() + 17 : 0; };
  return sizeof(Entry) + heap(entry.path) + heap(entry.link);
}

}  // namespace bulwark::image
