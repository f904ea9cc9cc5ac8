// Inventory: "BWI1", then fields in the order of the structs; integers as LEB128, strings and lists with their length
// in front. Repeated strings (layer digests, cataloguers, owners) are left to zstd.

#include "service/codec.h"

#include <zstd.h>

#include "formats/json.h"

namespace bulwark::service {
namespace {

constexpr std::string_view kInventoryMagic = "BWI1";
constexpr std::uint64_t kListItems = 4'000'000;

class Writer {
 public:
  explicit Writer(std::string_view magic) { out_.insert(out_.end(), magic.begin(), magic.end()); }
  void Uint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::uint8_t>(value | 0x80));
    out_.push_back(static_cast<std::uint8_t>(value));
  }
  void Text(std::string_view text) {
    Uint(text.size());
    out_.insert(out_.end(), text.begin(), text.end());
  }
  Bytes Take() { return std::move(out_); }

 private:
  Bytes out_;
};

// Every read after a bad one gives zeros; the caller asks ok() at the end.
class Reader {
 public:
  Reader(ByteSpan bytes, std::string_view magic) : rest_(bytes) {
    ok_ = rest_.size() >= magic.size() && AsText(rest_.first(magic.size())) == magic;
    if (ok_) rest_ = rest_.subspan(magic.size());
  }
  std::uint64_t Uint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; ok_ && shift < 64; shift += 7) {
      if (rest_.empty()) break;
      std::uint8_t byte = rest_.front();
      rest_ = rest_.subspan(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    ok_ = false;
    return 0;
  }
  std::string Text() {
    std::uint64_t size = Uint();
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    std::string out(AsText(rest_.first(size)));
    rest_ = rest_.subspan(size);
    return out;
  }
  // How many items follow; never more than there are bytes left.
  std::uint64_t Count() {
    std::uint64_t count = Uint();
    if (count > rest_.size() || count > kListItems) ok_ = false;
    return ok_ ? count : 0;
  }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  ByteSpan rest_;
  bool ok_ = false;
};

void Put(Writer& out, const image::Package& package) {
  out.Uint(static_cast<std::uint64_t>(package.ecosystem));
  for (const std::string* text : {&package.name, &package.version, &package.arch, &package.source_name,
                                  &package.source_version, &package.license, &package.path})
    out.Text(*text);
  out.Uint((package.development ? 1 : 0) | (package.locked_only ? 2 : 0));
}

image::Package GetPackage(Reader& in) {
  image::Package package;
  package.ecosystem = static_cast<versions::Ecosystem>(in.Uint());
  for (std::string* text : {&package.name, &package.version, &package.arch, &package.source_name,
                            &package.source_version, &package.license, &package.path})
    *text = in.Text();
  std::uint64_t flags = in.Uint();
  package.development = flags & 1;
  package.locked_only = flags & 2;
  return package;
}

void Put(Writer& out, const image::OsRelease& os) {
  for (const std::string* text : {&os.id, &os.version_id, &os.codename, &os.pretty_name}) out.Text(*text);
  out.Uint(os.id_like.size());
  for (const std::string& like : os.id_like) out.Text(like);
}

image::OsRelease GetOs(Reader& in) {
  image::OsRelease os;
  for (std::string* text : {&os.id, &os.version_id, &os.codename, &os.pretty_name}) *text = in.Text();
  for (std::uint64_t n = in.Count(); n > 0 && in.ok(); --n) os.id_like.push_back(in.Text());
  return os;
}

catalog::InventoryPackage GetInventoryPackage(Reader& in, bool& ok) {
  catalog::InventoryPackage item;
  item.package = GetPackage(in);
  if (auto layer = Digest::Parse(in.Text())) {
    item.layer = *layer;
  } else {
    ok = false;
  }
  item.layer_index = static_cast<std::uint32_t>(in.Uint());
  item.cataloger = in.Text();
  item.ownership = static_cast<catalog::Ownership>(in.Uint());
  item.owner = in.Text();
  item.owner_source = in.Text();
  item.hidden = in.Uint() == 1;
  return item;
}

image::Gap GetGap(Reader& in) {
  image::Gap gap;
  gap.kind = in.Uint() == 1 ? image::GapKind::kPartial : image::GapKind::kBlind;
  gap.path = in.Text();
  gap.cataloger = in.Text();
  gap.reason = in.Text();
  return gap;
}

Result<policy::Reason> ParseReason(const formats::json::value& value) {
  const formats::json::object* object = value.if_object();
  if (!object) return {Errc::kCorrupt, "decision: a reason is no object"};
  policy::Reason reason;
  BW_TRY(std::uint64_t effect, formats::JsonUint(*object, "effect"));
  reason.effect = static_cast<policy::Effect>(effect);
  BW_TRY(reason.policy, formats::JsonString(*object, "policy"));
  BW_TRY(reason.rule, formats::JsonString(*object, "rule"));
  BW_TRY(reason.message, formats::JsonString(*object, "message"));
  BW_TRY(std::uint64_t count, formats::JsonUint(*object, "count"));
  reason.count = static_cast<std::uint32_t>(count);
  BW_TRY(const formats::json::array* findings, formats::JsonArray(*object, "findings"));
  for (const formats::json::value& finding : *findings) {
    if (!finding.is_string()) return {Errc::kCorrupt, "decision: a finding is no string"};
    reason.findings.emplace_back(std::string_view(finding.get_string()));
  }
  return reason;
}

}  // namespace

Bytes Compress(ByteSpan plain) {
  Bytes out(ZSTD_compressBound(plain.size()));
  std::size_t size = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 1);
  if (ZSTD_isError(size)) std::abort();  // cannot happen with a buffer of the bound
  out.resize(size);
  return out;
}

Result<Bytes> Decompress(ByteSpan packed, std::uint64_t limit) {
  unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
    return {Errc::kCorrupt, "stored record: not a zstd frame of ours"};
  if (size > limit) return {Errc::kLimit, "stored record: too large"};
  Bytes out(size);
  std::size_t got = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) || got != size) return {Errc::kCorrupt, "stored record: damaged zstd frame"};
  return out;
}

Bytes EncodeInventory(const catalog::Inventory& inventory) {
  Writer out(kInventoryMagic);
  out.Uint(inventory.os ? 1 : 0);
  if (inventory.os) Put(out, *inventory.os);
  out.Text(inventory.distribution);
  out.Uint(inventory.packages.size());
  for (const catalog::InventoryPackage& item : inventory.packages) {
    Put(out, item.package);
    out.Text(item.layer.str());
    out.Uint(item.layer_index);
    out.Text(item.cataloger);
    out.Uint(static_cast<std::uint64_t>(item.ownership));
    out.Text(item.owner);
    out.Text(item.owner_source);
    out.Uint(item.hidden ? 1 : 0);
  }
  out.Uint(inventory.gaps.size());
  for (const image::Gap& gap : inventory.gaps) {
    out.Uint(static_cast<std::uint64_t>(gap.kind));
    out.Text(gap.path);
    out.Text(gap.cataloger);
    out.Text(gap.reason);
  }
  return out.Take();
}

Result<catalog::Inventory> DecodeInventory(ByteSpan bytes) {
  Reader in(bytes, kInventoryMagic);
  catalog::Inventory out;
  bool digests = true;
  if (in.Uint() == 1) out.os = GetOs(in);
  out.distribution = in.Text();
  for (std::uint64_t n = in.Count(); n > 0 && in.ok(); --n) out.packages.push_back(GetInventoryPackage(in, digests));
  for (std::uint64_t n = in.Count(); n > 0 && in.ok(); --n) out.gaps.push_back(GetGap(in));
  if (!in.AtEnd() || !digests) return {Errc::kCorrupt, "stored inventory: damaged"};
  return out;
}

std::string DecisionJson(const policy::Decision& decision) {
  formats::JsonWriter out;
  out.BeginObject().Field("outcome", static_cast<unsigned>(decision.outcome));
  out.Field("hold", static_cast<std::int64_t>(decision.hold.count())).Field("quarantine", decision.quarantine);
  out.Field("valid_until", static_cast<std::int64_t>(decision.valid_until.time_since_epoch().count()));
  out.Key("reasons").BeginArray();
  for (const policy::Reason& reason : decision.reasons) {
    out.BeginObject()
        .Field("effect", static_cast<unsigned>(reason.effect))
        .Field("policy", reason.policy)
        .Field("rule", reason.rule);
    out.Field("message", reason.message).Field("count", reason.count).Key("findings").BeginArray();
    for (const std::string& finding : reason.findings) out.String(finding);
    out.EndArray().EndObject();
  }
  out.EndArray().EndObject();
  return out.Take();
}

Result<policy::Decision> ParseDecision(std::string_view text) {
  BW_TRY(formats::json::value value, formats::ParseJson(text));
  const formats::json::object* object = value.if_object();
  if (!object) return {Errc::kCorrupt, "decision: no object"};
  policy::Decision out;
  BW_TRY(std::uint64_t outcome, formats::JsonUint(*object, "outcome"));
  if (outcome < 1 || outcome > 4) return {Errc::kCorrupt, "decision: unknown outcome"};
  out.outcome = static_cast<policy::Outcome>(outcome);
  BW_TRY(std::uint64_t hold, formats::JsonUint(*object, "hold"));
  out.hold = Millis(hold);
  BW_TRY(auto quarantine, formats::JsonOptionalBool(*object, "quarantine"));
  out.quarantine = quarantine.value_or(false);
  BW_TRY(std::uint64_t until, formats::JsonUint(*object, "valid_until"));
  out.valid_until = Time(Millis(until));
  BW_TRY(const formats::json::array* reasons, formats::JsonArray(*object, "reasons"));
  for (const formats::json::value& reason : *reasons) {
    BW_TRY(policy::Reason parsed, ParseReason(reason));
    out.reasons.push_back(std::move(parsed));
  }
  return out;
}

}  // namespace bulwark::service
