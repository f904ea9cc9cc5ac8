// Installed Python distributions (packaging.python.org, "Core metadata" and "Recording installed projects"): headers of
// *.dist-info/METADATA; of eggs EGG-INFO/PKG-INFO, *.egg-info/PKG-INFO, or a single file *.egg-info.
#include "base/limits.h"
#include "base/strings.h"
#include "catalog/paths.h"
#include "catalog/readers.h"
#include "formats/deb822.h"

namespace bulwark::catalog {
namespace {

constexpr std::size_t kLicenseBytes = 200;  // "License" may hold the whole text; that is no name

// License-Expression (PEP 639), else License if it is a name, else the last part of a licence classifier.
std::string LicenseOf(const formats::Stanza& headers) {
  std::string_view expression = headers.Get("License-Expression");
  if (!expression.empty()) return formats::Unfold(expression.substr(0, kLicenseBytes));
  std::string_view license = headers.Get("License");
  if (!license.empty() && license != "UNKNOWN" && license.size() <= kLicenseBytes && license.find('\n') == license.npos) {
    return std::string(license);
  }
  for (const formats::Deb822Field& field : headers.fields()) {
    if (!EqualsIgnoreCase(field.name, "Classifier") || !field.value.starts_with("License ::")) continue;
    return std::string(Trim(field.value.substr(field.value.rfind("::") + 2)).substr(0, kLicenseBytes));
  }
  return {};
}

}  // namespace

bool IsPythonMetadata(std::string_view path, std::uint32_t) {
  std::string_view name = FileName(path), folder = FileName(FolderOf(path));
  if (name == "METADATA") return folder.ends_with(".dist-info");
  if (name == "PKG-INFO") return folder.ends_with(".egg-info") || folder == "EGG-INFO";
  return name.ends_with(".egg-info");
}

Result<Facts> ReadPythonMetadata(const LayerFile& file) {
  if (file.bytes.size() > limits::kPackageFileBytes) return Error{Errc::kLimit, "larger than " + FormatBytes(limits::kPackageFileBytes)};
  formats::Deb822 reader(AsText(file.bytes), formats::Deb822::Syntax::kHeaders);
  auto next = reader.Next();
  if (!next) return Error{Errc::kCorrupt, "no headers"};
  BW_TRY(formats::Stanza headers, *std::move(next));
  image::Package package;
  package.ecosystem = versions::Ecosystem::kPyPI;
  package.name = headers.Get("Name");
  package.version = headers.Get("Version");
  package.license = LicenseOf(headers);
  package.path = file.path;
  if (package.name.empty() || package.version.empty()) return Error{Errc::kCorrupt, "no name or no version"};
  Facts facts;
  facts.packages.push_back(std::move(package));
  return facts;
}

}  // namespace bulwark::catalog
