#include "image/walk_path.h"

#include <vector>

#include "base/strings.h"

namespace bulwark::image {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kWhiteoutMeta = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

bool IsClean(std::string_view name) {
  if (name.empty()) return true;
  for (std::size_t at = 0; at <= name.size();) {
    std::size_t end = std::min(name.find('/', at), name.size());
    std::string_view part = name.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

std::string CleanPath(std::string_view name) {
  if (IsClean(name)) return std::string(name);
  std::string out;
  for (std::size_t at = 0; at <= name.size();) {
    std::size_t end = std::min(name.find('/', at), name.size());
    std::string_view part = name.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      std::size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

bool NameEntry(std::string_view name, Entry& entry, bool& refused) {
  refused = false;
  std::string_view plain = name;
  while (plain.starts_with("./")) plain.remove_prefix(2);
  if (entry.type == EntryType::kDirectory && plain.ends_with('/')) plain.remove_suffix(1);
  if (plain == ".") plain = {};
  entry.path = CleanPath(name);
  entry.odd_name = entry.path != plain || !IsUtf8(entry.path);

  std::size_t slash = entry.path.rfind('/');
  std::size_t base = slash == std::string::npos ? 0 : slash + 1;
  std::string_view last = std::string_view(entry.path).substr(base);
  if (last == kOpaque) {
    entry.type = EntryType::kOpaque;
    entry.path.resize(base > 0 ? base - 1 : 0);
    return true;
  }
  if (entry.path.starts_with(kWhiteoutMeta)) return false;
  if (!last.starts_with(kWhiteout)) return true;
  std::string_view target = last.substr(kWhiteout.size());
  refused = target.empty() || target == "." || target == "..";
  if (refused) return false;
  entry.type = EntryType::kWhiteout;
  entry.path.erase(base, kWhiteout.size());
  return true;
}

}  // namespace bulwark::image
