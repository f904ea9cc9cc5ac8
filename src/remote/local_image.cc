#include "remote/local_image.h"

#include <algorithm>
#include <set>

#include <sys/utsname.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "formats/json.h"
#include "remote/layout_index.h"
#include "remote/reference.h"

namespace bulwark::remote {
namespace {

constexpr int kIndexDepth = 4;  // an index in an index in …

std::string HostArchitecture() {
  utsname name{};
  std::string machine = ::uname(&name) == 0 ? name.machine : "";
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

bool Runnable(const formats::Descriptor& d) { return !d.platform || d.platform->os != "unknown"; }

Result<LocalImage> FromManifest(const ImageFiles& files, FetchedManifest manifest, const std::string& platform, int depth) {
  BW_TRY(auto document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
  if (document.kind == formats::DocumentKind::kIndex) {
    if (depth >= kIndexDepth) return Error{Errc::kLimit, "the index is nested too deep"};
    BW_TRY(auto child, ChoosePlatform(document.manifests, platform));
    BW_TRY(auto next, ReadDocument(files, child));
    return FromManifest(files, std::move(next), platform, depth + 1);
  }
  LocalImage out;
  BW_TRY(out.config, files.Read(BlobFile(document.config->digest), limits::kConfigBytes));
  out.config_digest = document.config->digest;
  if (crypto::HashWith(out.config_digest.algorithm(), AsBytes(out.config)) != out.config_digest)
    return Error{Errc::kDigest, "the image config has other bytes than " + out.config_digest.str()};
  for (const auto& layer : document.layers) out.layers.push_back({BlobFile(layer.digest), layer.digest});
  out.manifest = std::move(manifest);
  return out;
}

Result<LocalImage> FromDockerArchive(const ImageFiles& files, const std::string& wanted) {
  auto text = files.Read("manifest.json", limits::kManifestBytes);
  if (!text && text.error().code == Errc::kNotFound) return Error{Errc::kInvalid, "neither an OCI layout (index.json) nor a docker archive (manifest.json)"};
  if (!text) return text.error();
  BW_TRY(auto value, formats::ParseJson(*text));
  const auto* images = value.if_array();
  if (!images || images->empty() || !images->front().if_object()) return Error{Errc::kInvalid, "manifest.json is not that of a docker archive"};
  if (images->size() > 1) return Error{Errc::kUnsupported, "the archive holds " + std::to_string(images->size()) + " images; save one"};
  const auto& image = *images->front().if_object();
  LocalImage out;
  BW_TRY(auto config, formats::JsonString(image, "Config"));
  BW_TRY(out.config, files.Read(std::string(config), limits::kConfigBytes));
  out.config_digest = crypto::Sha256(AsBytes(out.config));
  BW_TRY(const auto* tags, formats::JsonOptionalArray(image, "RepoTags"));
  if (tags && !tags->empty() && tags->front().if_string()) out.name = tags->front().as_string();
  if (!wanted.empty() && wanted != TagOf(out.name))
    return Error{Errc::kNotFound, "the archive has no " + Printable(wanted, 200) + "; it has: " +
                                     (out.name.empty() ? "an image without a name" : Printable(out.name, 200))};
  BW_TRY(const auto* layers, formats::JsonArray(image, "Layers"));
  if (layers->size() > limits::kManifestDescriptors) return Error{Errc::kLimit, "manifest.json names more than " + std::to_string(limits::kManifestDescriptors) + " layers"};
  for (const auto& layer : *layers) {
    if (!layer.if_string()) return Error{Errc::kInvalid, "manifest.json names a layer by something that is no text"};
    out.layers.push_back({std::string(layer.as_string()), std::nullopt});
  }
  return out;
}

// Some tools write the platforms of one image side by side. Empty if these may be several images: that of another
// platform must not stand in for the one that was meant.
std::vector<formats::Descriptor> PlatformsOfOne(const std::vector<LayoutEntry>& images) {
  std::vector<formats::Descriptor> out;
  std::set<std::string> platforms;
  for (const auto& entry : images) {
    if (!Runnable(entry.descriptor)) continue;
    const std::string platform = entry.descriptor.platform ? entry.descriptor.platform->str() : "";
    if (platform.empty() || entry.name != images.front().name || !platforms.insert(platform).second) return {};
    out.push_back(entry.descriptor);
  }
  return out;
}

}  // namespace

std::string BlobFile(const Digest& digest) { return "blobs/" + std::string(digest.algorithm_name()) + "/" + digest.hex(); }

Result<formats::Descriptor> ChoosePlatform(const std::vector<formats::Descriptor>& manifests, const std::string& platform) {
  std::vector<formats::Descriptor> runnable;
  std::copy_if(manifests.begin(), manifests.end(), std::back_inserter(runnable), Runnable);
  std::string wanted = platform.empty() ? "linux/" + HostArchitecture() : platform;
  for (const auto& d : runnable)
    if (d.platform && (d.platform->str() == wanted || d.platform->os + "/" + d.platform->architecture == wanted)) return d;
  if (platform.empty() && runnable.size() == 1) return runnable.front();
  std::string present;
  for (const auto& d : runnable) present += (present.empty() ? "" : ", ") + (d.platform ? d.platform->str() : d.digest.short_str());
  return Error{Errc::kInvalid, "the image has no " + wanted + "; it has: " + (present.empty() ? "nothing" : present) + " (choose by --platform)"};
}

Result<FetchedManifest> TopManifest(const ImageFiles& files, const std::string& name) {
  BW_TRY(auto entries, LayoutEntries(files));
  BW_TRY(auto top, ChooseEntry(files, entries, name));
  return ReadDocument(files, top.descriptor);
}

Result<LocalImage> FindImage(const ImageFiles& files, const std::string& name, const std::string& platform) {
  auto entries = LayoutEntries(files);
  if (!entries && entries.error().code == Errc::kNotFound) return FromDockerArchive(files, name);
  if (!entries) return entries.error();
  auto images = ImageEntries(files, *entries);
  if (!name.empty()) std::erase_if(images, [&](const LayoutEntry& e) { return e.name != name; });
  formats::Descriptor top;
  if (auto platforms = PlatformsOfOne(images); images.size() > 1 && !platforms.empty()) {
    BW_TRY(top, ChoosePlatform(platforms, platform));
  } else {
    BW_TRY(auto only, ChooseEntry(files, *entries, name));
    top = std::move(only.descriptor);
  }
  BW_TRY(auto document, ReadDocument(files, top));
  return FromManifest(files, std::move(document), platform, 0);
}

}  // namespace bulwark::remote
