// Lock files and installed packages of ecosystems that no cataloguer reads yet. Each is a gap: an image with a thousand
// gems must not look like one without any. A kind that gets its own cataloguer leaves this table.
#include "catalog/unread_packages.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "catalog/paths.h"
#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

constexpr auto kInstalled = UnreadPackages::Says::kInstalled;
constexpr auto kWanted = UnreadPackages::Says::kWanted;

// The names are those of each tool's documentation.
constexpr auto kTable = std::to_array<UnreadPackages>({
    {"yarn.lock", "npm", kWanted},
    {"pnpm-lock.yaml", "npm", kWanted},
    {"bun.lock", "npm", kWanted},
    {"bun.lockb", "npm", kWanted},
    {"deno.lock", "npm", kWanted},
    {".pnp.cjs", "npm", kInstalled},  // yarn runs packages out of zip files
    {".pnp.js", "npm", kInstalled},
    {"bower_components/*/.bower.json", "Bower", kInstalled},
    {"requirements*.txt", "PyPI", kWanted},
    {"requirements/*.txt", "PyPI", kWanted},
    {"poetry.lock", "PyPI", kWanted},
    {"Pipfile.lock", "PyPI", kWanted},
    {"uv.lock", "PyPI", kWanted},
    {"pdm.lock", "PyPI", kWanted},
    {"pylock*.toml", "PyPI", kWanted},
    {"*.egg", "PyPI", kInstalled},  // zipped; of a folder x.egg the metadata is read
    {"conda-meta/*.json", "Conda", kInstalled},
    {"Cargo.lock", "crates.io", kWanted},
    {"Gemfile.lock", "RubyGems", kWanted},
    {"gems.locked", "RubyGems", kWanted},
    {"specifications/*.gemspec", "RubyGems", kInstalled},
    {"specifications/default/*.gemspec", "RubyGems", kInstalled},
    {"bundler/gems/*/*.gemspec", "RubyGems", kInstalled},
    {"composer.lock", "Packagist", kWanted},
    {"composer/installed.json", "Packagist", kInstalled},
    {".registry/*.reg", "PEAR", kInstalled},
    {".registry/.channel.*/*.reg", "PEAR", kInstalled},
    {"*.deps.json", "NuGet", kInstalled, "runtimeTarget"},
    {"packages.lock.json", "NuGet", kWanted},
    {"project.assets.json", "NuGet", kWanted},
    {"packages.config", "NuGet", kWanted, "<package"},
    {"*.nuspec", "NuGet", kInstalled},
    {"go.mod", "Go", kWanted},
    {"go.sum", "Go", kWanted},
    {"gradle.lockfile", "Maven", kWanted},
    {"buildscript-gradle.lockfile", "Maven", kWanted},
    {"pom.xml", "Maven", kWanted},
    {"mix.lock", "Hex", kWanted},
    {"rebar.lock", "Hex", kWanted},
    {"pubspec.lock", "Pub", kWanted},
    {"Podfile.lock", "CocoaPods", kWanted},
    {"Package.resolved", "Swift", kWanted},
    {"conan.lock", "Conan", kWanted},
    {"vcpkg/status", "vcpkg", kInstalled},
    {"library/*/DESCRIPTION", "CRAN", kInstalled, "Built:"},
    {"site-library/*/DESCRIPTION", "CRAN", kInstalled, "Built:"},
    {"renv.lock", "CRAN", kWanted},
    {"Manifest.toml", "Julia", kWanted, "uuid = "},
    {"JuliaManifest.toml", "Julia", kWanted},
    {"auto/*/.packlist", "CPAN", kInstalled},
    {"auto/*/*/.packlist", "CPAN", kInstalled},
    {"auto/*/*/*/.packlist", "CPAN", kInstalled},
    {"cpanfile.snapshot", "CPAN", kWanted},
    {"stack.yaml.lock", "Hackage", kWanted},
    {"cabal.project.freeze", "Hackage", kWanted},
    {"INSTALL_RECEIPT.json", "Homebrew", kInstalled},
});

bool FitsName(std::string_view name, std::string_view pattern) {
  std::size_t star = pattern.find('*');
  if (star == pattern.npos) return name == pattern;
  std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
  return name.size() >= before.size() + after.size() && name.starts_with(before) && name.ends_with(after);
}

// Component by component from the end.
bool FitsEnd(std::string_view path, std::string_view pattern) {
  while (FitsName(FileName(path), FileName(pattern))) {
    pattern = FolderOf(pattern);
    path = FolderOf(path);
    if (pattern.empty()) return true;
  }
  return false;
}

// What a package brought along from its own development: nobody installs from there.
bool LiesInPackage(std::string_view path) {
  return HasFolder(path, "node_modules") || HasFolder(path, "site-packages") || HasFolder(path, "dist-packages");
}

}  // namespace

const UnreadPackages* FindUnread(std::string_view path) {
  if (path.empty()) return nullptr;
  for (const UnreadPackages& row : kTable) {
    if (row.pattern.back() != path.back() || !FitsEnd(path, row.pattern)) continue;
    return row.says == kWanted && LiesInPackage(path) ? nullptr : &row;
  }
  return nullptr;
}

bool IsUnreadPackages(std::string_view path, std::uint32_t) { return FindUnread(path) != nullptr; }

Result<Facts> ReadUnreadPackages(const LayerFile& file) {
  Facts facts;
  const UnreadPackages* row = FindUnread(file.path);
  if (!row || file.bytes.empty() || (!row->proof.empty() && AsText(file.bytes).find(row->proof) == std::string_view::npos)) return facts;
  facts.gaps.push_back({image::GapKind::kPartial, "", "",
                        "names packages (" + std::string(row->ecosystem) + ") in a kind of file that is not read yet: they are not checked"});
  return facts;
}

}  // namespace bulwark::catalog
