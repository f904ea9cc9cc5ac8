#pragma once
// The file tree of an image: layers applied in order with whiteouts (image-spec layer.md), paths resolved inside the
// root and through links as container runtimes do. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/layer_record.h"

namespace bulwark::image {

// A file's facts that are visible in the running image.
struct MergedFile {
  std::uint32_t layer = 0;           // index into the layers given
  std::string path;                  // in the final tree, without leading "/"
  const FileFacts* facts = nullptr;  // points into the records given
};

// A file that matters under the name it has in the final tree, but was not catalogued as such in its layer (reached
// through another layer's link). Read it once more (catalog::ReadAgain), then merge again with the result: facts with
// FileFacts::read_as set to `path`; if no cataloguer has a use for it, one such FileFacts without a cataloguer. Without
// that mark merge asks for it again.
struct Unread {
  std::uint32_t layer = 0;
  std::uint32_t entry = 0;
  std::string path;  // in the final tree
};

struct Merged {
  std::vector<MergedFile> files;  // sorted by (path, cataloger)
  std::vector<Unread> unread;
  std::vector<Gap> gaps;         // those of the surviving files and of the streams, link loops, removed evidence
  bool has_executables = false;  // some regular file in the final tree is executable
  // Packages that lower layers hold although their database is gone or lost them in the final tree (evidence removed):
  // facts of hidden package databases, newest first.
  std::vector<MergedFile> hidden_databases;
};

// Tells which final paths a cataloguer would want. Given by catalog, so that image/ knows no cataloguer.
using WantsPath = bool (*)(std::string_view path);
// Tells which of them are package databases whose removal is evidence (DESIGN 2.5, specs "removed-evidence").
using IsDatabasePath = bool (*)(std::string_view path);

// `layers`, lowest first, outlive the result. kLimit when the tree is absurd (the caller reports the image as blind).
Result<Merged> Merge(const std::vector<const LayerRecord*>& layers, WantsPath wants, IsDatabasePath is_database);

}  // namespace bulwark::image
