#include "cli/copy_place.h"

#include <sys/stat.h>

#include "base/log.h"

namespace bulwark::cli {
namespace {

bool Exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// "PATH:TAG": the tag is what follows the last colon, if there is no slash in it.
// "PATH@DIGEST": what has no name in a layout.
CopyPlace SplitPath(std::string_view text) {
  CopyPlace out;
  if (const auto at = text.rfind('@'); at != std::string_view::npos && at > 0 && Digest::Parse(text.substr(at + 1))) {
    out.path = text.substr(0, at);
    out.tag = text.substr(at + 1);
    return out;
  }
  auto colon = text.rfind(':');
  const bool tagged = colon != std::string_view::npos && colon > 0 && colon + 1 < text.size() && text.find('/', colon) == std::string_view::npos;
  out.path = text.substr(0, tagged ? colon : std::string_view::npos);
  if (tagged) out.tag = text.substr(colon + 1);
  return out;
}

Result<CopyPlace> Registry(std::string_view text) {
  BW_TRY(auto image, remote::ParseImageReference(text));
  CopyPlace out;
  out.tag = image.tag;
  out.image = std::move(image);
  return out;
}

// A tag that nobody wrote must not move `latest` there.
Result<CopyPlace> Target(CopyPlace place, std::string_view text) {
  if (!place.image && (place.path.find("@sha256") != std::string::npos || Digest::Parse(place.tag)))
    return Error{Errc::kInvalid, "the target is named by a tag, not by a digest; its digest is the source's"};
  if (place.image && place.image->digest) return Error{Errc::kInvalid, "the target is named by a tag, not by a digest; its digest is the source's"};
  const auto slash = text.rfind('/');
  const bool tagged = text.find(':', slash == std::string_view::npos ? 0 : slash) != std::string_view::npos;
  if (place.image && !tagged) place.tag.clear();
  if (place.image) place.image->tag = place.tag;
  // A name of a layout goes where tags go one day.
  if (!place.image && !place.tag.empty() && !remote::IsTag(place.tag))
    return Error{Errc::kInvalid, "'" + Printable(place.tag, 200) + "' is no tag; those are of letters, digits, '_', '.', '-'"};
  return place;
}

// What a scheme says; nullopt: there is none.
Result<std::optional<CopyPlace>> BySchema(std::string_view text) {
  if (text.starts_with("docker://")) {
    BW_TRY(auto out, Registry(text.substr(9)));
    return std::optional(std::move(out));
  }
  for (std::string_view scheme : {"oci:", "oci-archive:", "docker-archive:"}) {
    if (!text.starts_with(scheme)) continue;
    CopyPlace out = SplitPath(text.substr(scheme.size()));
    if (out.path.empty()) return Error{Errc::kInvalid, "no path in '" + std::string(text) + "'"};
    return std::optional(std::move(out));
  }
  return std::optional<CopyPlace>();
}

}  // namespace

Result<CopyPlace> ParseCopySource(std::string_view text) {
  BW_TRY(auto named, BySchema(text));
  if (named) return *std::move(named);
  CopyPlace whole;
  whole.path = text;
  if (Exists(whole.path)) return whole;
  CopyPlace split = SplitPath(text);
  if (!split.tag.empty() && IsDirectory(split.path)) return split;
  if (text.starts_with("/") || text.starts_with(".")) return split;  // the open will say what is wrong
  return Registry(text);
}

Result<CopyPlace> ParseCopyTarget(std::string_view text) {
  if (text.starts_with("oci-archive:") || text.starts_with("docker-archive:"))
    return Error{Errc::kInvalid, "archives are read, not written; copy into a layout and pack that with tar"};
  BW_TRY(auto named, BySchema(text));
  if (named) return Target(*std::move(named), text);
  CopyPlace split = SplitPath(text);
  if (text.starts_with("/") || text.starts_with(".") || IsDirectory(split.path)) return Target(std::move(split), text);
  BW_TRY(auto out, Registry(text));
  const bool names_host = text.size() > out.image->host.size() && text.find('/') != std::string_view::npos && out.image->host != "docker.io";
  if (!names_host && !text.starts_with("docker.io/"))
    return Error{Errc::kInvalid, "'" + Printable(text, 400) + "' names no registry; write ./" + Printable(text, 400) + " for a layout, or the registry's host"};
  return Target(std::move(out), text);
}

}  // namespace bulwark::cli
