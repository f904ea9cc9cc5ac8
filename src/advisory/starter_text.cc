// The files of data/starter as they are, put into the binary by the assembler (cmake/libraries.cmake gives the folder and
// makes this file depend on them).

#include "advisory/starter.h"

#define BW_EMBED(name)                                                               \
  asm(".pushsection .rodata\n"                                                       \
      ".global bw_starter_" #name "\n.global bw_starter_" #name "_end\n"             \
      ".hidden bw_starter_" #name "\n.hidden bw_starter_" #name "_end\n"             \
      "bw_starter_" #name ":\n.incbin \"" BW_STARTER_DIR "/" #name ".txt\"\n"        \
      "bw_starter_" #name "_end:\n.popsection\n");                                   \
  extern "C" const char bw_starter_##name[];                                         \
  extern "C" const char bw_starter_##name##_end[];

BW_EMBED(debian)
BW_EMBED(language)
BW_EMBED(cvss)
BW_EMBED(kev)

namespace bulwark::advisory {
namespace {

std::string_view Between(const char* begin, const char* end) { return {begin, static_cast<std::size_t>(end - begin)}; }

}  // namespace

StarterTexts EmbeddedStarterTexts() {
  return {Between(bw_starter_debian, bw_starter_debian_end), Between(bw_starter_language, bw_starter_language_end),
          Between(bw_starter_cvss, bw_starter_cvss_end), Between(bw_starter_kev, bw_starter_kev_end)};
}

}  // namespace bulwark::advisory
