// Java archives. Each pom.properties is a package (a shaded jar has many); the archive itself is one more unless one of them
// is known to be its own. Archives inside are read from memory, within budgets that all depths share.
#include <algorithm>
#include <array>
#include <set>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "catalog/java_identity.h"
#include "catalog/paths.h"
#include "catalog/readers.h"
#include "formats/zip.h"

namespace bulwark::catalog {
namespace {

constexpr std::size_t kGaps = 50;  // of one file; one more says that there are others

bool HasArchiveName(std::string_view path) {
  static constexpr std::array<std::string_view, 10> kNames = {".jar", ".war", ".ear", ".sar", ".par",
                                                              ".hpi", ".jpi", ".kar", ".nar", ".lpkg"};
  std::size_t dot = path.rfind('.');
  if (dot == path.npos) return false;
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view name) { return EqualsIgnoreCase(path.substr(dot), name); });
}

class ArchiveReader {
 public:
  void Read(ByteSpan archive, const std::string& path, std::uint64_t depth);
  Facts Take();

 private:
  // What one archive holds of interest.
  struct Content {
    std::vector<const formats::ZipEntry*> poms, archives;
    const formats::ZipEntry* manifest = nullptr;
    std::vector<JavaCoordinates> pom_paths;
    std::vector<std::string_view> classes;  // names; of all but the archive's description of itself
  };
  Content Sort(const formats::Zip& zip, const std::string& path);
  std::vector<JavaCoordinates> ReadPoms(ByteSpan archive, const Content& content, const std::string& path);
  void Identify(ByteSpan archive, const Content& content, const std::vector<JavaCoordinates>& poms, const std::string& path);
  void ReadNested(ByteSpan archive, const formats::ZipEntry& entry, const std::string& path, std::uint64_t depth);
  std::optional<std::string> ReadText(ByteSpan archive, const formats::ZipEntry& entry, const std::string& path);
  void AddPackage(const JavaCoordinates& coordinates, const std::string& path);
  void AddGap(const std::string& path, const std::string& reason);

  Facts facts_;
  std::uint64_t inflated_left_ = limits::kArchiveBytes;
  std::uint64_t held_left_ = limits::kArchiveHeldBytes;
  std::uint64_t entries_left_ = limits::kArchiveEntries;
};

std::string Inside(const std::string& path, std::string_view entry) { return path + "!/" + Printable(entry, limits::kPathBytes); }

void ArchiveReader::Read(ByteSpan archive, const std::string& path, std::uint64_t depth) {
  if (depth > limits::kArchiveDepth) return AddGap(path, "archives nested deeper than " + std::to_string(limits::kArchiveDepth));
  auto zip = formats::ReadZip(archive);
  if (!zip) return AddGap(path, zip.error().message);
  if (zip->entries.size() > entries_left_) return AddGap(path, "too many entries in one archive file");
  entries_left_ -= zip->entries.size();
  for (const std::string& oddity : zip->oddities) AddGap(path, oddity);
  Content content = Sort(*zip, path);
  std::vector<JavaCoordinates> poms = ReadPoms(archive, content, path);
  Identify(archive, content, poms, path);
  for (const formats::ZipEntry* nested : content.archives) ReadNested(archive, *nested, path, depth);
}

ArchiveReader::Content ArchiveReader::Sort(const formats::Zip& zip, const std::string& path) {
  Content out;
  std::set<std::string_view> seen;
  for (const formats::ZipEntry& entry : zip.entries) {
    std::string_view name = entry.name;
    bool pom = name.starts_with("META-INF/maven/") && name.ends_with("/pom.properties");
    bool manifest = EqualsIgnoreCase(name, "META-INF/MANIFEST.MF");
    bool archive = HasArchiveName(name);
    if (name.ends_with(".class") || name.ends_with(".dex")) out.classes.push_back(name);
    if (name.starts_with("META-INF/maven/") && name.ends_with("/pom.xml")) {
      std::string_view folder = FolderOf(name);
      out.pom_paths.push_back({std::string(FileName(FolderOf(folder))), std::string(FileName(folder)), ""});
    }
    if (!pom && !manifest && !archive) continue;
    if (!seen.insert(name).second) AddGap(path, "the same name twice: " + Printable(name, 200));
    if (pom) out.poms.push_back(&entry);
    if (archive) out.archives.push_back(&entry);
    if (manifest && !out.manifest) out.manifest = &entry;
  }
  return out;
}

std::vector<JavaCoordinates> ArchiveReader::ReadPoms(ByteSpan archive, const Content& content, const std::string& path) {
  std::vector<JavaCoordinates> out;
  for (const formats::ZipEntry* entry : content.poms) {
    auto text = ReadText(archive, *entry, path);
    if (!text) continue;
    auto pom = ParsePomProperties(entry->name, *text);
    if (!pom) {
      AddGap(Inside(path, entry->name), "no version, group or artifact in pom.properties");
      continue;
    }
    AddPackage(*pom, Inside(path, entry->name));
    out.push_back(*std::move(pom));
  }
  return out;
}

// Whether a class lies outside the packages that a group's name suggests: "org.acme.lib" has org/acme/.
bool HasOtherClasses(const std::vector<std::string_view>& classes, std::string_view group) {
  std::size_t second = group.find('.', std::min(group.find('.'), group.size() - 1) + 1);
  std::string place(group.substr(0, second));
  std::replace(place.begin(), place.end(), '.', '/');
  place += '/';
  return std::any_of(classes.begin(), classes.end(), [&](std::string_view name) {
    return name.find('/') != name.npos && !name.starts_with("META-INF/") && !name.starts_with(place);
  });
}

// Whether a single pom is its archive's own although that bears another name: the name tells no version, and either the
// manifest has the pom's or nothing in the archive is of anything else.
bool WasRenamed(const JavaCoordinates& pom, const JavaEvidence& evidence, bool other_classes) {
  if (!ParseJavaFileName(evidence.file_name).version.empty()) return false;
  auto version = evidence.manifest.find("implementation-version");
  return version == evidence.manifest.end() ? !other_classes : version->second == pom.version;
}

// Adds the archive itself, unless one of its poms is its own. A single pom whose name the archive does not bear may be of
// something that it took in: then what the archive says of itself is reported as well.
void ArchiveReader::Identify(ByteSpan archive, const Content& content, const std::vector<JavaCoordinates>& poms, const std::string& path) {
  JavaEvidence evidence;
  evidence.file_name = FileName(path);
  evidence.pom_paths = content.pom_paths;
  auto own = [&](const JavaCoordinates& pom) { return NamesArchive(pom, evidence); };
  if (std::any_of(poms.begin(), poms.end(), own)) return;
  if (content.manifest) {
    if (auto text = ReadText(archive, *content.manifest, path)) evidence.manifest = ParseManifest(*text);
  }
  if (IsPartOfJdk(evidence.manifest) || std::any_of(poms.begin(), poms.end(), own)) return;
  auto identity = IdentifyJavaArchive(evidence);
  bool other_classes = poms.size() != 1 || HasOtherClasses(content.classes, poms[0].group);
  if (poms.size() == 1 && WasRenamed(poms[0], evidence, other_classes)) return;
  if (identity) {
    AddPackage(identity->coordinates, path);
    if (identity->guessed && !content.classes.empty()) {
      AddGap(path, "Maven coordinates are guessed: " + Printable(identity->coordinates.name(), 200));
    }
    return;
  }
  // Containers (war, ear, executable jars) are applications: what they carry is identified, they themselves need not be.
  if (poms.size() <= 1 && other_classes && !content.classes.empty() && content.archives.empty()) {
    AddGap(path, "classes of no known Maven package");
  }
}

void ArchiveReader::ReadNested(ByteSpan archive, const formats::ZipEntry& entry, const std::string& path, std::uint64_t depth) {
  std::string inside = Inside(path, entry.name);
  bool in_place = entry.method == 0 && entry.has_sizes && !entry.encrypted && entry.stored == entry.size;
  if (in_place) return Read(archive.subspan(entry.data, entry.stored), inside, depth + 1);
  if (depth + 1 > limits::kArchiveDepth) return AddGap(inside, "archives nested deeper than " + std::to_string(limits::kArchiveDepth));
  auto bytes = formats::ReadZipEntry(archive, entry, std::min(inflated_left_, held_left_));
  if (!bytes) {
    // What was inflated before the limit was met is spent.
    if (bytes.error().code == Errc::kLimit) inflated_left_ -= std::min(inflated_left_, held_left_);
    return AddGap(inside, bytes.error().message);
  }
  std::uint64_t size = bytes->size();
  inflated_left_ -= size;
  held_left_ -= size;
  Read(*bytes, inside, depth + 1);
  held_left_ += size;
}

std::optional<std::string> ArchiveReader::ReadText(ByteSpan archive, const formats::ZipEntry& entry, const std::string& path) {
  auto bytes = formats::ReadZipEntry(archive, entry, std::min(limits::kArchiveEntryBytes, inflated_left_));
  if (!bytes) {
    if (bytes.error().code == Errc::kLimit) inflated_left_ -= std::min(inflated_left_, limits::kArchiveEntryBytes);
    AddGap(Inside(path, entry.name), bytes.error().message);
    return std::nullopt;
  }
  inflated_left_ -= bytes->size();
  return std::string(AsText(*bytes));
}

void ArchiveReader::AddPackage(const JavaCoordinates& coordinates, const std::string& path) {
  if (facts_.packages.size() >= limits::kPackagesPerLayer) return AddGap(path, "too many packages in one archive file");
  image::Package package;
  package.ecosystem = versions::Ecosystem::kMaven;
  package.name = coordinates.name();
  package.version = coordinates.version;
  package.path = path;
  facts_.packages.push_back(std::move(package));
}

void ArchiveReader::AddGap(const std::string& path, const std::string& reason) {
  if (facts_.gaps.size() > kGaps) return;
  if (facts_.gaps.size() == kGaps) {
    facts_.gaps.push_back({image::GapKind::kPartial, "", "", "more could not be read; only the first are listed"});
    return;
  }
  facts_.gaps.push_back({image::GapKind::kPartial, path, "", reason});
}

Facts ArchiveReader::Take() {
  auto sort_unique = [](auto& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
  };
  sort_unique(facts_.packages);
  sort_unique(facts_.gaps);
  return std::move(facts_);
}

}  // namespace

bool IsJavaArchive(std::string_view path, std::uint32_t) { return HasArchiveName(path); }

Result<Facts> ReadJavaArchive(const LayerFile& file) {
  ArchiveReader reader;
  reader.Read(file.bytes, std::string(file.path), 0);
  return reader.Take();
}

}  // namespace bulwark::catalog
