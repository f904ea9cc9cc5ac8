#pragma once
// Build information of Go programs (runtime/debug.BuildInfo), as the linker leaves it in ELF, PE and Mach-O files. It
// survives -trimpath, -ldflags="-s -w" and strip, because it is data of the program.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"

namespace bulwark::catalog {

struct GoModule {
  std::string path;
  std::string version;   // "(devel)" if it was built from a working tree or replaced by a folder
};

struct GoBuildInfo {
  std::string go_version;          // "go1.22.3"
  std::string path;                // of the main package; empty if it was built without modules: dependencies unknown
  std::optional<GoModule> main;
  std::vector<GoModule> modules;   // dependencies; a replaced one as its replacement
};

// The build information in a program that is in memory. nullopt: no Go program. kCorrupt: a Go program whose
// information is missing or unreadable. kUnsupported: a packed program.
Result<std::optional<GoBuildInfo>> FindGoBuildInfo(ByteSpan program);

// Whether the first bytes of a file are those of an ELF, PE or Mach-O program.
bool LooksLikeProgram(ByteSpan start);

// The same for programs that are too large to be held: fed in parts, from the start, every part behind the other. Finds
// only the form that Go writes since 1.18, where the texts follow the header.
class GoBuildInfoSearch {
 public:
  void Feed(ByteSpan part);
  // What was found. kCorrupt: a header whose information could not be read.
  Result<std::optional<GoBuildInfo>> Finish();

 private:
  void Search();
  Bytes held_;                  // bytes from held_offset_ on that may hold or precede a header
  std::uint64_t held_offset_ = 0;
  std::optional<GoBuildInfo> found_;
  bool saw_header_ = false;
};

// "path\t…\nmod\tpath\tversion\tsum\n…": the text form of the modules. kLimit for too many.
Result<GoBuildInfo> ParseGoModules(std::string_view text);

}  // namespace bulwark::catalog
