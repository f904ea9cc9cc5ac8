#pragma once
// The documents of a source of advisories: a file, a file of JSON lines, a folder, a tar or zip archive; compressed by
// zstd or gzip or not. Which, the name tells.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark::advisory {

enum class Syntax { kJson, kYaml, kCsv };

struct Document {
  std::string name;  // path, with ":line" for lines; for messages
  Syntax syntax = Syntax::kJson;
  std::string_view text;
};

// Calls `each` for every document, in a fixed order; an error from it ends the walk. Of folders and archives only
// *.json, *.jsonl, *.yaml and *.yml count (a *.csv beside them is an index of theirs), links are not followed. kNotFound, kIo, kCorrupt (damaged compression or
// archive), kLimit (limits::kFeed…).
Status EachDocument(const std::string& path, const std::function<Status(const Document&)>& each);
// The same of an open file of `size` bytes; `name` tells what it is. Asks the system for nothing but its bytes.
Status EachDocumentOf(int fd, std::uint64_t size, const std::string& name, const std::function<Status(const Document&)>& each);

}  // namespace bulwark::advisory
