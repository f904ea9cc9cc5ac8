// package-lock.json and npm-shrinkwrap.json (docs.npmjs.com, "package-lock.json"). Version 1 nests "dependencies";
// version 2 has that and the flat "packages", which counts; version 3 only "packages". What a lock file names is
// wanted, not proven to be installed: assembly compares it with node_modules.
#include <vector>

#include "base/limits.h"
#include "catalog/npm_json.h"
#include "catalog/paths.h"
#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

using simdjson::ondemand::object;
using simdjson::ondemand::value;

constexpr std::string_view kModules = "node_modules/";

// The fields of one locked package, of either form.
struct Locked {
  std::string name, version, license;
  bool link = false, development = false;
};

class LockReader {
 public:
  explicit LockReader(const LayerFile& file) : file_(file) {}
  Facts Read(object root);

 private:
  Status ReadRoot(object root);
  Status ReadPackages(object packages);
  Status ReadPackage(std::string_view place, object fields);
  Status ReadDependencies(object dependencies, std::uint64_t depth);
  Status ReadDependency(std::string name, object fields, std::uint64_t depth);
  Status Add(std::vector<image::Package>& to, Locked locked);

  const LayerFile& file_;
  std::vector<image::Package> flat_, nested_;  // of "packages", of "dependencies"
  bool has_packages_ = false;
  std::uint64_t version_ = 0;
};

// Calls each(key, value) for every field; stops at the first failure.
template <typename F>
Status EachField(object fields, F&& each) {
  for (auto field : fields) {
    std::string_view key;
    value content;
    BW_CHECK(Checked(field.unescaped_key().get(key)));
    BW_CHECK(Checked(field.value().get(content)));
    BW_CHECK(each(key, content));
  }
  return {};
}

// What was read before the file broke still counts, beside the gap.
Facts LockReader::Read(object root) {
  Status status = ReadRoot(root);
  Facts facts;
  facts.packages = std::move(has_packages_ ? flat_ : nested_);
  auto add_gap = [&facts](std::string reason) { facts.gaps.push_back({image::GapKind::kPartial, "", "", std::move(reason)}); };
  if (!status.ok()) add_gap(status.error().message);
  else if (version_ < 1 || version_ > 3) add_gap("lockfileVersion " + std::to_string(version_) + " is not known");
  return facts;
}

Status LockReader::ReadRoot(object root) {
  return EachField(root, [&](std::string_view key, value content) -> Status {
    if (key == "lockfileVersion") return Checked(content.get_uint64().get(version_));
    if (key != "packages" && key != "dependencies") return {};
    object fields;
    BW_CHECK(Checked(content.get_object().get(fields)));
    if (key == "dependencies") return ReadDependencies(fields, 0);
    has_packages_ = true;
    return ReadPackages(fields);
  });
}

Status LockReader::ReadPackages(object packages) {
  return EachField(packages, [&](std::string_view key, value content) -> Status {
    object fields;
    BW_CHECK(Checked(content.get_object().get(fields)));
    return ReadPackage(key, fields);
  });
}

// "node_modules/a/node_modules/@s/b" names "@s/b"; an alias brings its real name. Keys outside node_modules are the
// project itself and its workspaces.
Status LockReader::ReadPackage(std::string_view place, object fields) {
  Locked locked;
  BW_CHECK(EachField(fields, [&](std::string_view key, value content) -> Status {
    if (key == "name") TextOf(content, locked.name);
    else if (key == "version") TextOf(content, locked.version);
    else if (key == "license") TextOf(content, locked.license);
    else if (key == "link") locked.link = IsTrue(content);
    else if (key == "dev") locked.development = IsTrue(content);
    return {};
  }));
  std::size_t at = place.rfind(kModules);
  if (at == place.npos || (at != 0 && place[at - 1] != '/')) return {};
  if (locked.name.empty()) locked.name = place.substr(at + kModules.size());
  return Add(flat_, std::move(locked));
}

Status LockReader::ReadDependencies(object dependencies, std::uint64_t depth) {
  if (depth >= limits::kLockFileDepth) return {Errc::kLimit, "dependencies nested too deep"};
  return EachField(dependencies, [&](std::string_view key, value content) -> Status {
    std::string name(key);
    object fields;
    BW_CHECK(Checked(content.get_object().get(fields)));
    return ReadDependency(std::move(name), fields, depth);
  });
}

Status LockReader::ReadDependency(std::string name, object fields, std::uint64_t depth) {
  Locked locked;
  BW_CHECK(EachField(fields, [&](std::string_view key, value content) -> Status {
    if (key == "version") TextOf(content, locked.version);
    else if (key == "dev") locked.development = IsTrue(content);
    else if (key == "dependencies") {
      object inner;
      BW_CHECK(Checked(content.get_object().get(inner)));
      return ReadDependencies(inner, depth + 1);
    }
    return {};
  }));
  locked.name = std::move(name);
  locked.link = locked.version.starts_with("file:") || locked.version.starts_with("link:");
  // An alias: "npm:real-name@1.2.3", the name possibly with a scope.
  if (locked.version.starts_with("npm:")) {
    std::size_t at = locked.version.rfind('@');
    if (at != std::string::npos && at > 4) {
      locked.name = locked.version.substr(4, at - 4);
      locked.version.erase(0, at + 1);
    }
  }
  return Add(nested_, std::move(locked));
}

Status LockReader::Add(std::vector<image::Package>& to, Locked locked) {
  if (locked.link || locked.name.empty() || locked.version.empty()) return {};
  if (to.size() >= limits::kPackagesPerLayer) return {Errc::kLimit, "names too many packages"};
  image::Package package;
  package.ecosystem = versions::Ecosystem::kNpm;
  package.name = std::move(locked.name);
  package.version = std::move(locked.version);
  package.license = std::move(locked.license);
  package.path = file_.path;
  package.development = locked.development;
  package.locked_only = true;
  to.push_back(std::move(package));
  return {};
}

}  // namespace

bool IsNpmLock(std::string_view path, std::uint32_t) {
  std::string_view name = FileName(path);
  // A lock file inside an installed package is that package's own development business; npm ignores it there, except
  // npm-shrinkwrap.json, whose packages are installed below and found as such.
  return (name == "package-lock.json" || name == "npm-shrinkwrap.json") && !HasFolder(path, "node_modules");
}

Result<Facts> ReadNpmLock(const LayerFile& file) {
  BW_TRY(JsonText json, JsonText::Open(file.bytes, limits::kLockFileBytes));
  object root;
  BW_CHECK(Checked(json.document().get_object().get(root)));
  return LockReader(file).Read(root);
}

}  // namespace bulwark::catalog
