#include "remote/layout_index.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "formats/json.h"
#include "remote/local_image.h"

namespace bulwark::remote {
namespace {

// "sha256-<64 hex>" and "sha256-<64 hex>.sig".
bool BelongsToAnother(const std::string& name) {
  if (!name.starts_with("sha256-") && !name.starts_with("sha512-")) return false;
  const std::string hex = name.substr(7, name.find('.') == std::string::npos ? std::string::npos : name.find('.') - 7);
  return hex.size() == 64 && hex.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// An image whose files are missing is still the image: the caller will say what is missing.
bool HasSubject(const ImageFiles& files, const formats::Descriptor& d) {
  auto manifest = ReadDocument(files, d);
  if (!manifest) return false;
  auto document = formats::ParseOciDocument(manifest->media_type, manifest->bytes);
  return document && document->subject;
}

// Under another name; what states another platform is another choice.
bool SameImage(const formats::Descriptor& a, const formats::Descriptor& b) {
  auto platform = [](const formats::Descriptor& d) { return d.platform ? d.platform->str() : std::string(); };
  return a.digest == b.digest && platform(a) == platform(b);
}

// What tells it from the others.
std::string Known(const LayoutEntry& e) { return e.name.empty() ? e.descriptor.digest.str() : Printable(e.name, 200); }

std::string Listed(const std::vector<LayoutEntry>& entries) {
  std::string out;
  for (std::size_t i = 0; i < entries.size() && i < 20; ++i)
    out += (i ? ", " : "") + Known(entries[i]);
  return out + (entries.size() > 20 ? ", …" : "");
}

}  // namespace

Result<FetchedManifest> ReadDocument(const ImageFiles& files, const Digest& digest) {
  BW_TRY(std::string bytes, files.Read(BlobFile(digest), limits::kManifestBytes));
  if (crypto::HashWith(digest.algorithm(), AsBytes(bytes)) != digest)
    return Error{Errc::kDigest, "the file of " + digest.str() + " has other bytes than that; copy the image again"};
  return FetchedManifest{std::move(bytes), "", digest};
}

Result<FetchedManifest> ReadDocument(const ImageFiles& files, const formats::Descriptor& d) {
  BW_TRY(auto document, ReadDocument(files, d.digest));
  BW_CHECK(CheckSize(d, document.bytes.size()));
  document.media_type = d.media_type;
  return document;
}

Status CheckSize(const formats::Descriptor& d, std::uint64_t size) {
  if (d.size == size) return {};
  return {Errc::kInvalid, "the descriptor of " + d.digest.str() + " says " + std::to_string(d.size) + " bytes, it has " +
                              std::to_string(size)};
}

std::string RefName(const formats::json::value& entry) {
  const auto* object = entry.if_object();
  const auto* annotations = object ? object->if_contains("annotations") : nullptr;
  const auto* fields = annotations ? annotations->if_object() : nullptr;
  const auto* name = fields ? fields->if_contains(kRefName) : nullptr;
  return name && name->if_string() ? std::string(name->get_string()) : std::string();
}

Result<std::vector<LayoutEntry>> LayoutEntries(const ImageFiles& files) {
  BW_TRY(std::string text, files.Read("index.json", limits::kManifestBytes));
  auto index = formats::ParseOciDocument(formats::kOciIndex, text);  // its own mediaType is optional, and skopeo writes none
  if (!index) return index.error().Wrap("index.json");
  BW_TRY(auto value, formats::ParseJson(text));
  std::vector<LayoutEntry> out;
  const auto* object = value.if_object();
  if (!object) return Error{Errc::kInvalid, "index.json is no object"};
  BW_TRY(const auto* raw, formats::JsonOptionalArray(*object, "manifests"));
  for (std::size_t i = 0; i < index->manifests.size(); ++i)
    out.push_back({index->manifests[i], raw && i < raw->size() ? RefName((*raw)[i]) : ""});
  return out;
}

std::vector<LayoutEntry> ImageEntries(const ImageFiles& files, const std::vector<LayoutEntry>& entries) {
  std::vector<LayoutEntry> images;
  for (const auto& entry : entries) {
    bool known = std::any_of(images.begin(), images.end(),
                             [&](const LayoutEntry& e) { return SameImage(e.descriptor, entry.descriptor); });
    if (!known && !BelongsToAnother(entry.name)) images.push_back(entry);
  }
  auto refers = [&](const LayoutEntry& e) { return e.name.empty() && HasSubject(files, e.descriptor); };
  if (images.size() > 1) std::erase_if(images, refers);
  return images;
}

Result<LayoutEntry> ChooseEntry(const ImageFiles& files, const std::vector<LayoutEntry>& entries, const std::string& name) {
  if (entries.empty()) return Error{Errc::kNotFound, "the layout's index.json names no image"};
  if (!name.empty()) {
    for (const auto& entry : entries)
      if (entry.name == name || entry.descriptor.digest.str() == name) return entry;
    return Error{Errc::kNotFound, "the layout has no " + Printable(name, 200) + "; it has: " + Listed(entries)};
  }
  const auto images = ImageEntries(files, entries);
  if (images.size() == 1) return images.front();
  if (images.empty()) return entries.front();
  const std::string one = (images.back().name.empty() ? "@" : ":") + Known(images.back());
  return Error{Errc::kUnsupported, "the layout holds " + std::to_string(images.size()) + " images (" + Listed(images) +
                                      "); choose one, as in LAYOUT" + one};
}

}  // namespace bulwark::remote
