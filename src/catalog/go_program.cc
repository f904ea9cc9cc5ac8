// Go programs: the modules they were built from, and the standard library of the Go release that built them.
#include "catalog/go_program.h"

#include "catalog/go_build_info.h"
#include "catalog/paths.h"
#include "catalog/readers.h"
#include "formats/elf.h"

namespace bulwark::catalog {
namespace {

void Add(Facts& facts, std::string_view path, std::string name, std::string version) {
  image::Package package;
  package.ecosystem = versions::Ecosystem::kGo;
  package.name = std::move(name);
  package.version = std::move(version);
  package.path = path;
  facts.packages.push_back(std::move(package));
}

// "libc.so.6", "x.so".
bool HasLibraryName(std::string_view path) {
  std::string_view name = FileName(path);
  std::size_t at = name.rfind(".so");
  return at != name.npos && at > 0 && name.find_first_not_of("0123456789.", at + 3) == name.npos;
}

// The note with Go's build id (cmd/link, ".note.go.buildid"): type 4, name "Go". Linkers place notes at the front.
bool HasGoNote(ByteSpan start) {
  std::string_view text = AsText(start);
  return text.find(std::string_view("\x04\0\0\0Go\0\0", 8)) != text.npos || text.find(std::string_view("\0\0\0\x04Go\0\0", 8)) != text.npos;
}

}  // namespace

bool StartsProgram(std::string_view path, ByteSpan start) {
  constexpr std::size_t kType = 16, kOrder = 5;  // e_type, EI_DATA
  constexpr unsigned kExecutable = 2, kShared = 3;
  if (!formats::LooksLikeElf(start) || start.size() < kType + 2) return false;
  bool big_endian = start[kOrder] == 2;
  unsigned type = big_endian ? start[kType] * 256u + start[kType + 1] : start[kType + 1] * 256u + start[kType];
  if (type != kExecutable && type != kShared) return false;
  return type == kExecutable || !HasLibraryName(path) || HasGoNote(start);
}

bool IsProgram(std::string_view path, std::uint32_t mode) {
  // dpkg's maintainer scripts are executable too, thousands of them. A script's name proves nothing: a program may be
  // called "server.sh", and the first bytes tell.
  return (mode & 0111) != 0 && !path.starts_with("var/lib/dpkg/info/");
}

Result<Facts> ReadGoProgram(const LayerFile& file) {
  BW_TRY(auto info, FindGoBuildInfo(file.bytes));
  return info ? GoFacts(*info, file.path) : Facts();
}

// A module version "(devel)" stays as it is: it has no order, so matching answers unknown where advisories exist.
Facts GoFacts(const GoBuildInfo& info, std::string_view path) {
  Facts facts;
  Add(facts, path, "stdlib", info.go_version);
  if (info.main) Add(facts, path, info.main->path, info.main->version);
  for (const GoModule& module : info.modules) Add(facts, path, module.path, module.version);
  // Go's own tools are of the standard library alone; any other program without a module hides what it was built from.
  if (!info.main && !info.path.starts_with("cmd/")) {
    facts.gaps.push_back({image::GapKind::kPartial, std::string(path), "", "a Go program built without module information: its dependencies are unknown"});
  }
  return facts;
}

}  // namespace bulwark::catalog
