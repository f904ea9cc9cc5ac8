// os-release(5): shell-like assignments. Which distribution an image is decides where its packages are looked up.
#include "base/limits.h"
#include "base/strings.h"
#include "catalog/lines.h"
#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

// Value of an assignment: quotes removed, the escapes of double quotes resolved. Nothing is expanded.
std::string Unquote(std::string_view value) {
  value = Trim(value);
  char quote = 0;
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    if (c == '\\' && quote != '\'' && i + 1 < value.size()) {
      out += value[++i];
    } else if ((c == '"' || c == '\'') && (quote == 0 || quote == c)) {
      quote = quote == 0 ? c : 0;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

bool IsOsRelease(std::string_view path, std::uint32_t) { return path == "etc/os-release" || path == "usr/lib/os-release"; }

Result<Facts> ReadOsRelease(const LayerFile& file) {
  if (file.bytes.size() > limits::kPackageFileBytes) return Error{Errc::kLimit, "os-release is too large to be one"};
  image::OsRelease os;
  for (std::string_view rest = AsText(file.bytes); !rest.empty();) {
    std::string_view line = Trim(TakeLine(rest));
    std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == line.npos) continue;  // the manual has readers ignore such lines
    std::string_view key = line.substr(0, equals);
    std::string value = Unquote(line.substr(equals + 1));
    if (key == "ID") os.id = ToLower(value);
    if (key == "VERSION_ID") os.version_id = value;
    if (key == "VERSION_CODENAME") os.codename = value;
    if (key == "PRETTY_NAME") os.pretty_name = value;
    if (key == "ID_LIKE") {
      os.id_like.clear();
      for (std::string_view like : Split(value, ' ')) {
        if (!like.empty()) os.id_like.push_back(ToLower(like));
      }
    }
  }
  Facts facts;
  if (os.id.empty()) os.id = "linux";  // the manual's default
  facts.os = std::move(os);
  return facts;
}

}  // namespace bulwark::catalog
