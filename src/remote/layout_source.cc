// An OCI layout and a docker archive as sources of a copy.
#include <algorithm>
#include <map>
#include <set>

#include <boost/json/object.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "formats/json.h"
#include "remote/copy_ends.h"
#include "remote/layout_index.h"
#include "remote/local_image.h"
#include "remote/reference.h"

namespace bulwark::remote {
namespace {

class Layout final : public CopySource {
 public:
  explicit Layout(const ImageFiles& files) : files_(files) {}

  Result<FetchedManifest> Manifest(const std::string& reference) override {
    BW_CHECK(Load());
    if (auto digest = Digest::Parse(reference)) return ByDigest(*digest);
    if (!reference.empty()) {  // asked for three times a manifest: signatures have names
      auto named = by_name_.find(reference);
      if (named != by_name_.end()) return ReadDocument(files_, named->second);
      if (reference.starts_with("sha")) return Error{Errc::kNotFound, "the layout has no " + Printable(reference, 200)};
    }
    BW_TRY(auto entry, ChooseEntry(files_, *entries_, reference));
    return ReadDocument(files_, entry.descriptor);
  }

  Result<std::string> NameOf(const std::string& reference) override {
    BW_CHECK(Load());
    if (Digest::Parse(reference)) return std::string();
    BW_TRY(auto entry, ChooseEntry(files_, *entries_, reference));
    return entry.name;
  }

  // oras lists referrers in index.json without a name, regctl under the fallback tag: both count.
  Result<ReferrerList> Referrers(const Digest& subject, std::uint64_t most) override {
    BW_CHECK(Load());
    LoadSubjects();
    ReferrerList out;
    std::swap(out.notes, notes_);  // once
    if (auto found = referrers_.find(subject); found != referrers_.end()) out.digests = found->second;
    const std::string tag = FallbackTag(subject);
    for (auto [it, end] = by_name_.equal_range(tag); it != end; ++it) {
      BW_TRY(auto index, ReadDocument(files_, it->second));
      auto document = formats::ParseOciDocument(index.media_type, index.bytes);
      if (!document) return document.error().Wrap("the entry " + tag + " of index.json");
      for (const auto& d : document->manifests) out.digests.push_back(d.digest);
    }
    if (out.digests.size() > most) return Error{Errc::kLimit, "more than " + std::to_string(most) + " manifests refer to " + subject.short_str()};
    return out;
  }

  Result<BlobBytes> Blob(const formats::Descriptor& blob, const Spool&, const Moved&) override {
    BlobBytes out;
    BW_TRY(out.file, files_.Open(BlobFile(blob.digest)));
    return out;
  }

 private:
  Status Load() {
    if (entries_) return {};
    BW_TRY(entries_, LayoutEntries(files_));
    for (const auto& entry : *entries_) {
      if (!entry.name.empty()) by_name_.emplace(entry.name, entry.descriptor);
      by_digest_[entry.descriptor.digest] = entry.descriptor;
    }
    return {};
  }

  // Once. An entry that has nothing to do with the image does not stop its copy, even if it cannot be read; what might have
  // been a signature is told.
  void LoadSubjects() {
    if (subjects_known_) return;
    subjects_known_ = true;
    std::set<Digest> seen;
    for (const auto& entry : *entries_) {
      if (!seen.insert(entry.descriptor.digest).second) continue;
      auto manifest = ReadDocument(files_, entry.descriptor);
      if (!manifest) {
        if (manifest.error().code != Errc::kNotFound) notes_.push_back("the layout's " + entry.descriptor.digest.str() + " cannot be read, and is left behind if it refers to the image: " + manifest.error().message);
        continue;
      }
      auto document = formats::ParseOciDocument(manifest->media_type, manifest->bytes);  // what is no manifest has no subject
      if (document && document->subject) referrers_[document->subject->digest].push_back(entry.descriptor.digest);
    }
  }

  // The file says itself what it is, where no entry does.
  Result<FetchedManifest> ByDigest(const Digest& digest) {
    const auto listed = by_digest_.find(digest);
    BW_TRY(auto manifest, listed == by_digest_.end() ? ReadDocument(files_, digest) : ReadDocument(files_, listed->second));
    if (!manifest.media_type.empty()) return manifest;
    BW_TRY(auto value, formats::ParseJson(manifest.bytes));
    const auto* object = value.if_object();
    if (!object) return Error{Errc::kInvalid, digest.short_str() + " is no manifest"};
    BW_TRY(auto type, formats::JsonOptionalString(*object, "mediaType"));
    manifest.media_type = type ? std::string(*type) : std::string(object->contains("manifests") ? formats::kOciIndex : formats::kOciManifest);
    return manifest;
  }

  const ImageFiles& files_;
  std::optional<std::vector<LayoutEntry>> entries_;
  bool subjects_known_ = false;
  std::map<Digest, std::vector<Digest>> referrers_;  // by subject
  std::multimap<std::string, formats::Descriptor> by_name_;  // of one name the first as in index.json first
  std::map<Digest, formats::Descriptor> by_digest_;
  std::vector<std::string> notes_;
};

// What the layers of a docker archive are: plain tars, but some tools pack them.
std::string LayerType(ByteSpan head) {
  std::string plain = "application/vnd.oci.image.layer.v1.tar";
  if (AsText(head).starts_with("\x1f\x8b")) return plain + "+gzip";
  if (AsText(head).starts_with("\x28\xb5\x2f\xfd")) return plain + "+zstd";
  return plain;
}

// As manifests have it; read where it lies.
Result<std::pair<Digest, std::string>> DescribeLayer(const FilePart& file) {
  crypto::Hasher hasher(crypto::HashKind::kSha256);
  std::string type;
  BW_CHECK(file.Stream([&](ByteSpan bytes) {
    if (type.empty()) type = LayerType(bytes);
    hasher.Update(bytes);
    return Status();
  }));
  if (type.empty()) type = LayerType({});
  const Digest digest = hasher.FinishDigest();
  formats::JsonWriter out;
  out.BeginObject().Field("mediaType", type).Field("digest", digest.str()).Field("size", file.size).EndObject();
  return std::pair(digest, out.Take());
}

class DockerArchive final : public CopySource {
 public:
  explicit DockerArchive(const ImageFiles& files) : files_(files) {}

  Status Load() {
    BW_TRY(LocalImage image, FindImage(files_, "", ""));
    if (image.manifest) return {Errc::kNotFound, "no docker archive"};
    config_ = std::move(image.config);
    config_digest_ = image.config_digest;
    name_ = image.name;
    formats::JsonWriter out;
    out.BeginObject().Field("schemaVersion", 2).Field("mediaType", formats::kOciManifest).Key("config").BeginObject();
    out.Field("mediaType", formats::kOciConfig).Field("digest", config_digest_.str()).Field("size", std::uint64_t{config_.size()}).EndObject();
    out.Key("layers").BeginArray();
    std::map<std::string, std::string> known;  // descriptors; a layer that is named often is read once
    for (const auto& layer : image.layers) {
      BW_TRY(FilePart file, files_.Find(layer.file));
      BW_TRY(const std::string identity, file.Identity());
      auto at = known.find(identity);
      if (at == known.end()) {
        BW_TRY(auto described, DescribeLayer(file));
        names_[described.first] = layer.file;
        at = known.emplace(identity, std::move(described.second)).first;
      }
      out.Raw(at->second);
    }
    manifest_.bytes = out.EndArray().EndObject().Take();
    manifest_.media_type = formats::kOciManifest;
    manifest_.digest = crypto::Sha256(AsBytes(manifest_.bytes));
    return {};
  }

  Result<FetchedManifest> Manifest(const std::string& reference) override {
    if (reference.empty() || reference == manifest_.digest.str() || reference == TagOf(name_)) return manifest_;
    return Error{Errc::kNotFound, "the archive has no " + reference};
  }
  Result<std::string> NameOf(const std::string& reference) override { return Digest::Parse(reference) ? std::string() : TagOf(name_); }
  Result<ReferrerList> Referrers(const Digest&, std::uint64_t) override { return ReferrerList(); }

  Result<BlobBytes> Blob(const formats::Descriptor& blob, const Spool& spool, const Moved&) override {
    BlobBytes out;
    if (blob.digest == config_digest_) {
      BW_TRY(out.file.fd, spool());
      out.file.size = config_.size();
      out.spooled = out.verified = true;
      BW_CHECK(WriteAll(out.file.fd.get(), config_));
      return out;
    }
    auto name = names_.find(blob.digest);
    if (name == names_.end()) return Error{Errc::kNotFound, "the archive has no " + blob.digest.str()};
    BW_TRY(out.file, files_.Open(name->second));
    return out;
  }

 private:
  const ImageFiles& files_;
  std::string config_, name_;
  Digest config_digest_;
  FetchedManifest manifest_;
  std::map<Digest, std::string> names_;
};

}  // namespace

std::unique_ptr<CopySource> LayoutSource(const ImageFiles& files) { return std::make_unique<Layout>(files); }

Result<std::unique_ptr<CopySource>> DockerArchiveSource(const ImageFiles& files) {
  auto out = std::make_unique<DockerArchive>(files);
  BW_CHECK(out->Load());
  return std::unique_ptr<CopySource>(std::move(out));
}

}  // namespace bulwark::remote
