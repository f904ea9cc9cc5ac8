// Installed npm packages: package.json below a node_modules folder (docs.npmjs.com, "package.json"). Deeper ones that
// bring no name and version of their own only configure a module system; they are no packages.
#include <algorithm>

#include "base/limits.h"
#include "catalog/npm_json.h"
#include "catalog/paths.h"
#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

struct Read {
  std::string name, version, license;
};

// "license": "MIT", or the older {"type": "MIT"}; "licenses": [{"type": …}, …] older still.
std::string LicenseOf(simdjson::ondemand::value value) {
  std::string text;
  if (TextOf(value, text)) return text;
  simdjson::ondemand::object object;
  if (value.get_object().get(object) == simdjson::SUCCESS) {
    for (auto field : object) {
      std::string_view key;
      if (field.unescaped_key().get(key) != simdjson::SUCCESS) return text;
      simdjson::ondemand::value type;
      if (key == "type" && field.value().get(type) == simdjson::SUCCESS) TextOf(type, text);
    }
  }
  return text;
}

// Of repeated keys the last one counts, as for JSON.parse.
Result<Read> ReadFields(simdjson::ondemand::object object) {
  Read out;
  for (auto field : object) {
    std::string_view key;
    simdjson::ondemand::value value;
    BW_CHECK(Checked(field.unescaped_key().get(key)));
    BW_CHECK(Checked(field.value().get(value)));
    if (key == "name") TextOf(value, out.name);
    else if (key == "version") TextOf(value, out.version);
    else if (key == "license") out.license = LicenseOf(value);
  }
  return out;
}

// "…/node_modules/a" and "…/node_modules/@scope/a", the places from which node loads packages.
bool IsPackageFolder(std::string_view folder) {
  std::string_view above = FolderOf(folder);
  if (FileName(above).starts_with('@')) above = FolderOf(above);
  return FileName(above) == "node_modules" && !FileName(folder).starts_with('.');
}

}  // namespace

bool IsNodePackage(std::string_view path, std::uint32_t) {
  return FileName(path) == "package.json" && HasFolder(path, "node_modules");
}

Result<Facts> ReadNodePackage(const LayerFile& file) {
  BW_TRY(JsonText json, JsonText::Open(file.bytes, limits::kPackageFileBytes));
  simdjson::ondemand::object object;
  BW_CHECK(Checked(json.document().get_object().get(object)));
  BW_TRY(Read read, ReadFields(object));
  Facts facts;
  if (read.name.empty() || read.version.empty()) {
    // node loads a package by its folder and needs neither: what lies there is installed, and what it is, unknown.
    if (!IsPackageFolder(FolderOf(file.path))) return facts;
    return Error{Errc::kCorrupt, "an installed package without " + std::string(read.name.empty() ? "name" : "version")};
  }
  image::Package package;
  package.ecosystem = versions::Ecosystem::kNpm;
  package.name = std::move(read.name);
  package.version = std::move(read.version);
  package.license = std::move(read.license);
  package.path = file.path;
  facts.packages.push_back(std::move(package));
  return facts;
}

}  // namespace bulwark::catalog
