// apk's database of installed packages (apk-tools, doc/apk-db or src/database.c): lines "X:value", one stanza a package, an
// empty line behind each. P name, V version, A architecture, o origin (the source package; absent: the package itself), L
// licence; then the files: F a folder, R a file in it, Z the file's checksum. Z is a SHA-1, files here have only an MD5: a
// claim stays without a checksum, which counts as not proven (DESIGN 2.12).
#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "base/log.h"
#include "catalog/lines.h"
#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

class Database {
 public:
  explicit Database(const LayerFile& file) : file_(file) {}

  Result<Facts> Read() {
    std::string_view rest = AsText(file_.bytes);
    const bool cut = !rest.empty() && rest.back() != '\n';
    while (!rest.empty()) {
      ++line_;
      std::string_view line = TakeLine(rest);
      if (line.empty()) Finish();
      else BW_CHECK(ReadLine(line));
    }
    Finish();
    if (cut) AddGap("it ends in the middle of a line");
    if (malformed_ > 1) AddGap(std::to_string(malformed_ - 1) + " more lines that are no field of a package");
    return std::move(facts_);
  }

 private:
  Status ReadLine(std::string_view line) {
    if (line.size() < 2 || line[1] != ':') {
      if (++malformed_ == 1) AddGap(At() + "not a field of a package");
      return {};
    }
    started_ = true;
    const std::string_view value = line.substr(2);
    switch (line[0]) {
      case 'P': Set(package_.name, value, "P"); break;
      case 'V': Set(package_.version, value, "V"); break;
      case 'A': Set(package_.arch, value, "A"); break;
      case 'o': Set(package_.source_name, value, "o"); break;
      case 'L': package_.license = value; break;
      case 'F': folder_ = value; break;
      case 'R': return Claim(value);
      default: break;  // sizes, dependencies, scripts; apk itself passes over what it does not know
    }
    return {};
  }

  // A second value would hide the first.
  void Set(std::string& into, std::string_view value, std::string_view field) {
    if (!into.empty()) AddGap(At() + "field " + std::string(field) + " is there twice");
    if (into.empty()) into = value;
  }

  Status Claim(std::string_view name) {
    if (!folder_) {
      if (++malformed_ == 1) AddGap(At() + "a file without a folder");
      return {};
    }
    std::string path = folder_->empty() ? std::string(name) : std::string(*folder_) + "/" + std::string(name);
    if (package_.name.empty() || !IsClaimKept(path)) return {};
    if (facts_.owned.size() >= limits::kPackagesPerLayer) return Error{Errc::kLimit, "claims too many files"};
    facts_.owned.push_back({std::move(path), package_.name, ""});
    return {};
  }

  // The end of a stanza.
  void Finish() {
    if (started_) {
      if (package_.name.empty() || package_.version.empty()) {
        AddGap(At() + "an installed package without " + (package_.name.empty() ? "name" : "version"));
      } else {
        Add();
      }
    }
    package_ = {};
    folder_.reset();
    started_ = false;
  }

  void Add() {
    package_.ecosystem = versions::Ecosystem::kApk;
    package_.path = file_.path;
    if (package_.source_name.empty()) package_.source_name = package_.name;
    package_.source_version = package_.version;  // all packages of one origin are built together
    facts_.packages.push_back(std::move(package_));
  }

  std::string At() const { return "line " + std::to_string(line_) + ": "; }
  void AddGap(std::string reason) {
    if (facts_.gaps.size() < limits::kPackagesPerLayer) facts_.gaps.push_back({image::GapKind::kBlind, "", "", std::move(reason)});
  }

  const LayerFile& file_;
  Facts facts_;
  image::Package package_;
  std::optional<std::string_view> folder_;
  bool started_ = false;
  std::uint64_t line_ = 0, malformed_ = 0;
};

}  // namespace

bool IsApkInstalled(std::string_view path, std::uint32_t) { return path == "lib/apk/db/installed" || path == "usr/lib/apk/db/installed"; }

Result<Facts> ReadApkInstalled(const LayerFile& file) { return Database(file).Read(); }

}  // namespace bulwark::catalog
