// Format: debug/buildinfo of the Go distribution. A header at a multiple of 16:
//   "\xff Go buildinf:" (14 bytes), pointer size, flags (1 = big endian, 2 = texts follow), padding up to 32 bytes.
// Flag 2 (Go 1.18 and later): two texts follow, each with its length as a varint: Go version, modules.
// Otherwise two pointers follow at 16, each to a Go string header (pointer, length) with the same two texts.
// The text of the modules has 16 marker bytes before and behind it.
#include "catalog/go_build_info.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/limits.h"
#include "catalog/lines.h"
#include "formats/elf.h"

namespace bulwark::catalog {
namespace {

constexpr std::string_view kMagic("\xff Go buildinf:", 14);
constexpr std::size_t kAlign = 16, kHeaderBytes = 32, kMarkerBytes = 16;
constexpr std::size_t kCandidates = 64;         // places that look like a header and are tried
constexpr std::size_t kGoVersionBytes = 256;

struct Texts {
  std::string_view version, modules;
};

std::optional<std::string_view> TakeVarintText(ByteSpan& bytes, std::size_t limit) {
  std::uint64_t length = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (bytes.empty()) return std::nullopt;
    std::uint8_t byte = bytes[0];
    bytes = bytes.subspan(1);
    length |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte & 0x80) continue;
    if (length > limit || length > bytes.size()) return std::nullopt;
    std::string_view text = AsText(bytes.subspan(0, length));
    bytes = bytes.subspan(length);
    return text;
  }
  return std::nullopt;
}

bool HasTextsBehind(ByteSpan header) { return header[15] & 2; }

std::optional<Texts> DecodeInline(ByteSpan header) {
  ByteSpan rest = header.subspan(kHeaderBytes);
  auto version = TakeVarintText(rest, kGoVersionBytes);
  if (!version) return std::nullopt;
  auto modules = TakeVarintText(rest, limits::kGoModInfoBytes);
  if (!modules) return std::nullopt;
  return Texts{*version, *modules};
}

// Follows a pointer to a string header and that to its bytes. Every step is checked against the file's segments, so a
// pointer to itself reads garbage at worst.
std::optional<std::string_view> StringAt(const formats::Elf& elf, std::uint64_t address, unsigned width, std::size_t limit) {
  auto header = elf.AtAddress(address);
  if (!header || header->size() < 2 * width) return std::nullopt;
  std::uint64_t length = elf.Load(*header, width, width);
  if (length == 0) return std::string_view();
  auto bytes = elf.AtAddress(elf.Load(*header, 0, width));
  if (!bytes || length > limit || length > bytes->size()) return std::nullopt;
  return AsText(bytes->subspan(0, length));
}

std::optional<Texts> DecodePointers(const formats::Elf& elf, ByteSpan header) {
  unsigned width = header[14];
  if (width != 4 && width != 8) return std::nullopt;
  auto version = StringAt(elf, elf.Load(header, 16, width), width, kGoVersionBytes);
  auto modules = StringAt(elf, elf.Load(header, 16 + width, width), width, limits::kGoModInfoBytes);
  if (!version || !modules) return std::nullopt;
  return Texts{*version, *modules};
}

// Text between its markers; empty for programs that were built without modules.
std::string_view WithoutMarkers(std::string_view modules) {
  if (modules.size() < 2 * kMarkerBytes + 1 || modules[modules.size() - kMarkerBytes - 1] != '\n') return {};
  return modules.substr(kMarkerBytes, modules.size() - 2 * kMarkerBytes);
}

Result<GoBuildInfo> ToBuildInfo(const Texts& texts) {
  if (!texts.version.starts_with("go") && !texts.version.starts_with("devel")) return Error{Errc::kCorrupt, "no Go version"};
  BW_TRY(GoBuildInfo info, ParseGoModules(WithoutMarkers(texts.modules)));
  info.go_version = texts.version;
  return info;
}

// The first header in `bytes`, which lie at `address`, that can be decoded; `elf` may be null.
std::optional<GoBuildInfo> SearchIn(ByteSpan bytes, std::uint64_t address, const formats::Elf* elf) {
  std::string_view text = AsText(bytes);
  std::size_t tried = 0;
  for (std::size_t at = text.find(kMagic); at != text.npos && tried < kCandidates; at = text.find(kMagic, at + 1)) {
    if ((address + at) % kAlign != 0 || bytes.size() - at < kHeaderBytes) continue;
    ++tried;
    ByteSpan header = bytes.subspan(at);
    std::optional<Texts> texts;
    if (HasTextsBehind(header)) texts = DecodeInline(header);
    else if (elf) texts = DecodePointers(*elf, header);
    if (!texts) continue;
    if (auto info = ToBuildInfo(*texts)) return *std::move(info);
  }
  return std::nullopt;
}

bool Contains(ByteSpan bytes, std::string_view what) { return AsText(bytes).find(what) != std::string_view::npos; }

bool IsPacked(ByteSpan program) {
  constexpr std::size_t kEdge = 1024;  // UPX leaves its name in its loader's header and in the trailer
  return Contains(program.subspan(0, std::min(program.size(), kEdge)), "UPX!") ||
         Contains(program.subspan(program.size() - std::min(program.size(), kEdge)), "UPX!");
}

bool HasGoSections(const formats::Elf& elf) {
  static constexpr std::array<std::string_view, 4> kGo = {".gopclntab", ".note.go.buildid", ".data.rel.ro.gopclntab", ".go.buildinfo"};
  return std::any_of(kGo.begin(), kGo.end(), [&](std::string_view name) { return elf.Section(name) != nullptr; });
}

Result<std::optional<GoBuildInfo>> FindInElf(ByteSpan program) {
  BW_TRY(formats::Elf elf, formats::ReadElf(program));
  if (const auto* section = elf.Section(".go.buildinfo")) {
    if (auto info = SearchIn(section->bytes, section->address, &elf)) return info;
  }
  bool has_names = std::any_of(elf.sections.begin(), elf.sections.end(), [](const auto& s) { return !s.name.empty(); });
  bool is_go = has_names && HasGoSections(elf);
  if (has_names && !is_go && !elf.sections_damaged) return std::optional<GoBuildInfo>();
  // Without section names, or with a section that lies, the data segments still have the header.
  for (const formats::ElfSegment& segment : elf.segments) {
    if (segment.type != 1) continue;
    if (auto info = SearchIn(segment.bytes, segment.address, &elf)) return info;
  }
  if (is_go || Contains(program, kMagic)) return Error{Errc::kCorrupt, "a Go program without readable build information"};
  if (IsPacked(program)) return Error{Errc::kUnsupported, "a packed program (UPX): its content cannot be seen"};
  if (elf.sections_damaged || elf.segments_damaged) return Error{Errc::kCorrupt, "a program with damaged headers"};
  return std::optional<GoBuildInfo>();
}

bool IsPeOrMachO(ByteSpan program) {
  if (AsText(program).starts_with("MZ")) return true;
  static constexpr std::array<std::string_view, 4> kMachO = {"\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe"};
  return std::any_of(kMachO.begin(), kMachO.end(), [&](std::string_view magic) { return AsText(program).starts_with(magic); });
}

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> out;
  while (out.size() < 5) {
    std::size_t tab = line.find('\t');
    out.push_back(line.substr(0, tab));
    if (tab == line.npos) break;
    line.remove_prefix(tab + 1);
  }
  return out;
}

}  // namespace

Result<std::optional<GoBuildInfo>> FindGoBuildInfo(ByteSpan program) {
  if (formats::LooksLikeElf(program)) return FindInElf(program);
  if (!IsPeOrMachO(program)) return std::optional<GoBuildInfo>();
  if (auto info = SearchIn(program, 0, nullptr)) return info;
  if (Contains(program, kMagic)) return Error{Errc::kCorrupt, "a Go program without readable build information"};
  return std::optional<GoBuildInfo>();
}

bool LooksLikeProgram(ByteSpan start) { return formats::LooksLikeElf(start) || IsPeOrMachO(start); }

Result<GoBuildInfo> ParseGoModules(std::string_view text) {
  GoBuildInfo info;
  while (!text.empty()) {
    std::vector<std::string_view> fields = Fields(TakeLine(text));
    if (fields.size() < 2) continue;  // "build" and lines of later versions need no look
    if (fields[0] == "path") info.path = fields[1];
    GoModule module{std::string(fields[1]), fields.size() > 2 && !fields[2].empty() ? std::string(fields[2]) : "(devel)"};
    if (fields[0] == "mod") {
      info.main = std::move(module);
    } else if (fields[0] == "dep") {
      if (info.modules.size() >= limits::kPackagesPerLayer) return Error{Errc::kLimit, "too many modules"};
      info.modules.push_back(std::move(module));
    } else if (fields[0] == "=>") {
      // Replaces the module before it. A folder has no version: what it holds is unknown, under the name it was used by.
      bool folder = fields.size() < 3 || fields[2].empty() || fields[2] == "(devel)";
      if (folder) module.path = info.modules.empty() ? (info.main ? info.main->path : module.path) : info.modules.back().path;
      if (!info.modules.empty()) info.modules.back() = std::move(module);
      else if (info.main) info.main = std::move(module);
    }
  }
  return info;
}

void GoBuildInfoSearch::Feed(ByteSpan part) {
  if (found_) return;
  held_.insert(held_.end(), part.begin(), part.end());
  Search();
}

Result<std::optional<GoBuildInfo>> GoBuildInfoSearch::Finish() {
  if (!found_ && saw_header_) return Error{Errc::kCorrupt, "a Go program without readable build information"};
  return std::move(found_);
}

// Decodes what is whole; keeps the tail in which a header may have begun.
void GoBuildInfoSearch::Search() {
  constexpr std::size_t kWhole = kHeaderBytes + kGoVersionBytes + limits::kGoModInfoBytes + 16;
  std::string_view text = AsText(held_);
  std::size_t keep_from = held_.size() - std::min(held_.size(), kMagic.size());
  for (std::size_t at = text.find(kMagic); at != text.npos; at = text.find(kMagic, at + 1)) {
    if ((held_offset_ + at) % kAlign != 0) continue;
    saw_header_ = true;
    ByteSpan header = ByteSpan(held_).subspan(at);
    if (header.size() >= kHeaderBytes && HasTextsBehind(header)) {
      if (auto texts = DecodeInline(header)) {
        if (auto info = ToBuildInfo(*texts)) {
          found_ = *std::move(info);
          held_ = {};
          return;
        }
      }
    }
    if (header.size() < kWhole) {
      keep_from = std::min(keep_from, at);
      break;
    }
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(keep_from));
  held_offset_ += keep_from;
}

}  // namespace bulwark::catalog
