#include "formats/purl_types.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "base/strings.h"

namespace bulwark::formats {
namespace {

enum class Namespace { kOptional, kRequired, kForbidden };
enum Lower : unsigned { kNothing = 0, kNamespace = 1, kName = 2, kVersion = 4 };

struct TypeRow {
  std::string_view type;
  Namespace name_space;
  unsigned lower;
  std::string_view required_qualifier;
};

// Requirements are checked only where a package without the part has no meaning; distributions and Go programs do occur
// without a namespace ("pkg:golang/stdlib", "pkg:deb/curl") and stay readable.
constexpr std::array kTypes{
    TypeRow{"alpm", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"apk", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"bazel", Namespace::kForbidden, kNothing, ""},
    TypeRow{"bitbucket", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"bitnami", Namespace::kForbidden, kName, ""},
    TypeRow{"brew", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"cargo", Namespace::kForbidden, kNothing, ""},
    TypeRow{"chrome-extension", Namespace::kForbidden, kName, ""},
    TypeRow{"cocoapods", Namespace::kForbidden, kNothing, ""},
    TypeRow{"composer", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"conda", Namespace::kForbidden, kNothing, ""},
    TypeRow{"cran", Namespace::kForbidden, kNothing, ""},
    TypeRow{"deb", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"gem", Namespace::kForbidden, kNothing, ""},
    TypeRow{"github", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"hackage", Namespace::kForbidden, kNothing, ""},
    TypeRow{"hex", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"huggingface", Namespace::kOptional, kVersion, ""},
    TypeRow{"julia", Namespace::kForbidden, kNothing, "uuid"},
    TypeRow{"luarocks", Namespace::kOptional, kNamespace | kName, ""},
    TypeRow{"mlflow", Namespace::kForbidden, kNothing, ""},
    TypeRow{"nuget", Namespace::kForbidden, kNothing, ""},
    TypeRow{"oci", Namespace::kForbidden, kName | kVersion, ""},
    TypeRow{"opam", Namespace::kForbidden, kNothing, ""},
    TypeRow{"otp", Namespace::kForbidden, kName, ""},
    TypeRow{"pub", Namespace::kForbidden, kName, ""},
    TypeRow{"pypi", Namespace::kForbidden, kName | kVersion, ""},
    TypeRow{"qpkg", Namespace::kOptional, kNamespace, ""},
    TypeRow{"rpm", Namespace::kOptional, kNamespace, ""},
    TypeRow{"swid", Namespace::kOptional, kNothing, "tag_id"},
    TypeRow{"swift", Namespace::kRequired, kNothing, ""},
    TypeRow{"vcpkg", Namespace::kForbidden, kNothing, ""},
    TypeRow{"vscode-extension", Namespace::kRequired, kNamespace | kName | kVersion, ""},
    TypeRow{"yocto", Namespace::kOptional, kNamespace, ""},
};

Error Invalid(const Purl& p, std::string_view why) {
  return Error{Errc::kInvalid, fmt::format("not a package URL of type {}: {}", p.type, why)};
}

Status CheckParts(const TypeRow& row, const Purl& p) {
  if (row.name_space == Namespace::kForbidden && !p.name_space.empty()) return Invalid(p, "it has a namespace");
  if (row.name_space == Namespace::kRequired && p.name_space.empty()) return Invalid(p, "it has no namespace");
  const bool has = std::any_of(p.qualifiers.begin(), p.qualifiers.end(),
                               [&](const auto& q) { return q.first == row.required_qualifier; });
  if (!row.required_qualifier.empty() && !has) {
    return Invalid(p, fmt::format("the qualifier {} is missing", row.required_qualifier));
  }
  return {};
}

// An identifier of 32 letters a to p; the version has up to four numbers.
Status CheckChromeExtension(const Purl& p) {
  const bool letters = std::all_of(p.name.begin(), p.name.end(), [](char c) { return c >= 'a' && c <= 'p'; });
  if (p.name.size() != 32 || !letters) return Invalid(p, "the name is not 32 letters from a to p");
  const auto numbers = Split(p.version, '.');
  const bool plain = std::all_of(numbers.begin(), numbers.end(), [](std::string_view n) {
    return !n.empty() && n.find_first_not_of("0123456789") == std::string_view::npos;
  });
  if (!p.version.empty() && (numbers.size() > 4 || !plain)) return Invalid(p, "the version is not up to four numbers");
  return {};
}

// MLflow names fold case on Databricks only (mlflow-definition.json).
void NormalizeMlflow(Purl& p) {
  for (const auto& [key, value] : p.qualifiers) {
    if (key == "repository_url" && ToLower(value).find("databricks") != std::string::npos) p.name = ToLower(p.name);
  }
}

Status ApplySpecialRules(Purl& p) {
  if (p.type == "pypi") std::replace(p.name.begin(), p.name.end(), '_', '-');
  if (p.type == "pub") {
    for (char& c : p.name) {
      if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '_';
    }
  }
  if (p.type == "mlflow") NormalizeMlflow(p);
  if (p.type == "cpan" && p.name.find("::") != std::string::npos) return Invalid(p, "a module, not a distribution");
  if (p.type == "chrome-extension") return CheckChromeExtension(p);
  return {};
}

}  // namespace

Status ApplyTypeRules(Purl& p) {
  for (const TypeRow& row : kTypes) {
    if (row.type != p.type) continue;
    BW_CHECK(CheckParts(row, p));
    if (row.lower & kNamespace) p.name_space = ToLower(p.name_space);
    if (row.lower & kName) p.name = ToLower(p.name);
    if (row.lower & kVersion) p.version = ToLower(p.version);
  }
  return ApplySpecialRules(p);
}

}  // namespace bulwark::formats
