#include "catalog/java_identity.h"

#include <algorithm>

#include "base/strings.h"
#include "catalog/lines.h"
#include "catalog/paths.h"

namespace bulwark::catalog {
namespace {

constexpr std::size_t kAttributeBytes = 4096;  // a longer value names nothing

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "META-INF/maven/GROUP/ARTIFACT/x" -> group, artifact; empty fields for other paths.
JavaCoordinates FromPath(std::string_view path) {
  std::string_view folder = FolderOf(path);
  std::string_view above = FolderOf(folder);
  JavaCoordinates out;
  if (FolderOf(above) != "META-INF/maven") return out;
  out.group = FileName(above);
  out.artifact = FileName(folder);
  return out;
}

bool LooksLikeGroup(std::string_view text) {
  if (text.find('.') == text.npos || text.starts_with('.') || text.ends_with('.')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || IsDigit(c) || c == '.' || c == '-' || c == '_'; });
}

bool LooksLikeVersion(std::string_view text) {
  return !text.empty() && text.size() <= 128 && IsDigit(text[0]) && text.find_first_of(" ${}\"") == text.npos;
}

std::string Attribute(const std::map<std::string, std::string>& manifest, const char* name) {
  auto at = manifest.find(name);
  return at == manifest.end() ? std::string() : at->second;
}

std::string VersionOf(const JavaFileName& file, const std::map<std::string, std::string>& manifest) {
  if (!file.version.empty()) return file.version;
  for (const char* name : {"implementation-version", "bundle-version", "specification-version"}) {
    // "1.2.3 (build 5)" and "1.2.3 SNAPSHOT 2024" are common.
    std::string value = Attribute(manifest, name);
    value = value.substr(0, value.find(' '));
    if (LooksLikeVersion(value)) return value;
  }
  return {};
}

// "org.apache.logging.log4j.core" for the artifact "log4j-core": the part before the first component of its name.
std::string GroupFromSymbolicName(std::string_view symbolic, std::string_view artifact) {
  symbolic = symbolic.substr(0, symbolic.find(';'));
  std::string_view first = artifact.substr(0, artifact.find('-'));
  for (std::size_t at = symbolic.find(first); !first.empty() && at != symbolic.npos; at = symbolic.find(first, at + 1)) {
    if (at < 2 || symbolic[at - 1] != '.') continue;
    std::string_view group = symbolic.substr(0, at - 1);
    if (LooksLikeGroup(group)) return std::string(group);
  }
  return LooksLikeGroup(symbolic) ? std::string(symbolic.substr(0, symbolic.rfind('.'))) : std::string();
}

}  // namespace

std::optional<JavaCoordinates> ParsePomProperties(std::string_view entry_path, std::string_view text) {
  JavaCoordinates out = FromPath(entry_path);
  while (!text.empty()) {
    std::string_view line = Trim(TakeLine(text));
    if (line.empty() || line[0] == '#' || line[0] == '!') continue;
    std::size_t separator = line.find_first_of("=:");
    if (separator == line.npos) continue;
    std::string_view key = Trim(line.substr(0, separator)), value = Trim(line.substr(separator + 1));
    if (value.empty() || value.find("${") != value.npos) continue;
    if (key == "groupId") out.group = value;
    else if (key == "artifactId") out.artifact = value;
    else if (key == "version") out.version = value;
  }
  if (out.group.empty() || out.artifact.empty() || out.version.empty()) return std::nullopt;
  return out;
}

std::map<std::string, std::string> ParseManifest(std::string_view text) {
  std::map<std::string, std::string> out;
  std::string* last = nullptr;
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    if (line.empty()) break;  // the sections behind speak of single entries
    if (line[0] == ' ') {     // a continuation: lines are at most 72 bytes
      if (last && last->size() < kAttributeBytes) last->append(line.substr(1));
      continue;
    }
    last = nullptr;
    std::size_t colon = line.find(':');
    if (colon == line.npos || out.size() >= 1000) continue;
    auto [at, fresh] = out.try_emplace(ToLower(line.substr(0, colon)), Trim(line.substr(colon + 1)));
    if (fresh) last = &at->second;
  }
  return out;
}

JavaFileName ParseJavaFileName(std::string_view file_name) {
  std::string_view stem = file_name.substr(0, file_name.rfind('.'));
  for (std::size_t at = stem.find('-'); at != stem.npos; at = stem.find('-', at + 1)) {
    if (at == 0 || at + 1 >= stem.size() || !IsDigit(stem[at + 1])) continue;
    if (!LooksLikeVersion(stem.substr(at + 1))) break;
    return {std::string(stem.substr(0, at)), std::string(stem.substr(at + 1))};
  }
  return {std::string(stem), ""};
}

std::optional<JavaIdentity> IdentifyJavaArchive(const JavaEvidence& evidence) {
  JavaFileName file = ParseJavaFileName(evidence.file_name);
  JavaIdentity out;
  out.coordinates.artifact = file.artifact;
  out.coordinates.version = VersionOf(file, evidence.manifest);
  if (out.coordinates.version.empty()) return std::nullopt;
  for (const JavaCoordinates& pom : evidence.pom_paths) {
    if (pom.artifact == file.artifact) out.coordinates.group = pom.group;
  }
  if (out.coordinates.group.empty()) out.coordinates.group = KnownJavaGroup(file.artifact, out.coordinates.version);
  if (!out.coordinates.group.empty()) return out;
  std::string vendor = Attribute(evidence.manifest, "implementation-vendor-id");
  if (LooksLikeGroup(vendor)) {
    out.coordinates.group = vendor;
    return out;
  }
  out.guessed = true;
  out.coordinates.group = GroupFromSymbolicName(Attribute(evidence.manifest, "bundle-symbolicname"), file.artifact);
  if (out.coordinates.group.empty()) {
    out.coordinates.group = GroupFromSymbolicName(Attribute(evidence.manifest, "automatic-module-name"), file.artifact);
  }
  if (out.coordinates.group.empty()) return std::nullopt;
  return out;
}

bool NamesArchive(const JavaCoordinates& pom, const JavaEvidence& evidence) {
  auto same = [&](std::string_view name) { return name == pom.artifact || name == pom.group + "." + pom.artifact; };
  if (same(ParseJavaFileName(evidence.file_name).artifact)) return true;
  std::string bundle = Attribute(evidence.manifest, "bundle-symbolicname");
  std::string version = Attribute(evidence.manifest, "implementation-version");
  bool title = Attribute(evidence.manifest, "implementation-title") == pom.artifact && version == pom.version;
  return same(std::string_view(bundle).substr(0, bundle.find(';'))) || same(Attribute(evidence.manifest, "automatic-module-name")) || title;
}

bool IsPartOfJdk(const std::map<std::string, std::string>& manifest) {
  std::string title = Attribute(manifest, "implementation-title"), specification = Attribute(manifest, "specification-title");
  return title.starts_with("Java Runtime Environment") || specification.starts_with("Java Platform API Specification");
}

}  // namespace bulwark::catalog
