#pragma once
// index.json of an OCI layout (image-spec image-layout.md): which of its entries is the image.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/result.h"
#include "formats/oci.h"
#include "remote/image_files.h"
#include "remote/registry_client.h"

namespace bulwark::remote {

inline constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";  // image-spec annotations.md

struct LayoutEntry {
  formats::Descriptor descriptor;
  std::string name;  // annotation org.opencontainers.image.ref.name; may be empty
};

// kNotFound if there is no index.json.
Result<std::vector<LayoutEntry>> LayoutEntries(const ImageFiles& files);
// Those that are images, each once whatever names it has: what refers to others (signatures, SBOMs) does not count, whether
// oras wrote it (an entry without name) or regctl (one named sha256-<hex>). Empty where nothing else is there.
std::vector<LayoutEntry> ImageEntries(const ImageFiles& files, const std::vector<LayoutEntry>& entries);
// The entry of that name or digest; with an empty `name` the only image. kNotFound listing what there is; kUnsupported:
// several images, which the message names, and how to choose one.
Result<LayoutEntry> ChooseEntry(const ImageFiles& files, const std::vector<LayoutEntry>& entries, const std::string& name);
// The verified document of a descriptor. kDigest, kInvalid (another size).
Result<FetchedManifest> ReadDocument(const ImageFiles& files, const formats::Descriptor& d);
// The same where only the digest is known; its media_type is empty.
Result<FetchedManifest> ReadDocument(const ImageFiles& files, const Digest& digest);
// What a descriptor says of a manifest's size is what clients go by that pull. kInvalid.
Status CheckSize(const formats::Descriptor& d, std::uint64_t size);
// The name that an entry of index.json states; may be empty.
std::string RefName(const boost::json::value& entry);

}  // namespace bulwark::remote
