// An OCI layout and a docker archive as sources of a copy.
#include <algorithm>
#include <map>

#include <unistd.h>

#include <boost/json/object.hpp>

#include "base/limits.h"
#include "crypto/hash.h"
#include "formats/json.h"
#include "remote/copy_ends.h"
#include "remote/layout_index.h"
#include "remote/local_image.h"

namespace bulwark::remote {
namespace {

class Layout final : public CopySource {
 public:
  explicit Layout(const ImageFiles& files) : files_(files) {}

  Result<FetchedManifest> Manifest(const std::string& reference) override {
    BW_CHECK(Load());
    if (auto digest = Digest::Parse(reference)) return ByDigest(*digest);
    BW_TRY(auto entry, ChooseEntry(files_, *entries_, reference));
    return ReadDocument(files_, entry.descriptor);
  }

  // oras lists referrers in index.json without a name, regctl under the fallback tag: both count.
  Result<std::vector<formats::Descriptor>> Referrers(const Digest& subject) override {
    BW_CHECK(Load());
    std::vector<formats::Descriptor> out;
    for (const auto& entry : *entries_) {
      BW_TRY(auto of, SubjectOf(entry.descriptor));
      if (of && *of == subject) out.push_back(entry.descriptor);
      if (entry.name != FallbackTag(subject)) continue;
      BW_TRY(auto index, ReadDocument(files_, entry.descriptor));
      BW_TRY(auto document, formats::ParseOciDocument(index.media_type, index.bytes));
      out.insert(out.end(), document.manifests.begin(), document.manifests.end());
    }
    return out;
  }

  Result<BlobBytes> Blob(const formats::Descriptor& blob, const Spool&, const Moved&) override {
    BlobBytes out;
    BW_TRY(out.file, files_.Open(BlobFile(blob.digest)));
    BW_CHECK(VerifyFile(blob, out.file));
    return out;
  }

 private:
  Status Load() {
    if (entries_) return {};
    BW_TRY(entries_, LayoutEntries(files_));
    return {};
  }

  // The file says itself what it is, where no entry does.
  Result<FetchedManifest> ByDigest(const Digest& digest) {
    formats::Descriptor d;
    d.digest = digest;
    for (const auto& entry : *entries_)
      if (entry.descriptor.digest == digest) d = entry.descriptor;
    BW_TRY(auto manifest, ReadDocument(files_, d));
    if (!manifest.media_type.empty()) return manifest;
    BW_TRY(auto value, formats::ParseJson(manifest.bytes));
    const auto* object = value.if_object();
    if (!object) return Error{Errc::kInvalid, digest.short_str() + " is no manifest"};
    BW_TRY(auto type, formats::JsonOptionalString(*object, "mediaType"));
    manifest.media_type = type ? std::string(*type) : std::string(object->contains("manifests") ? formats::kOciIndex : formats::kOciManifest);
    return manifest;
  }

  Result<std::optional<Digest>> SubjectOf(const formats::Descriptor& d) {
    auto known = subjects_.find(d.digest);
    if (known != subjects_.end()) return known->second;
    auto manifest = ReadDocument(files_, d);
    std::optional<Digest> subject;
    if (!manifest && manifest.error().code != Errc::kNotFound) return manifest.error();
    if (manifest) {
      auto document = formats::ParseOciDocument(manifest->media_type, manifest->bytes);
      if (document && document->subject) subject = document->subject->digest;
    }
    subjects_[d.digest] = subject;
    return subject;
  }

  const ImageFiles& files_;
  std::optional<std::vector<LayoutEntry>> entries_;
  std::map<Digest, std::optional<Digest>> subjects_;
};

// What the layers of a docker archive are: plain tars, but some tools pack them.
Result<std::string> LayerType(const OpenedFile& file) {
  std::uint8_t head[4] = {};
  if (file.size >= sizeof head) BW_CHECK(FileSource(file.fd.get(), file.size).ReadAt(0, head));
  const std::string plain = "application/vnd.oci.image.layer.v1.tar";
  if (head[0] == 0x1f && head[1] == 0x8b) return plain + "+gzip";
  if (head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd) return plain + "+zstd";
  return plain;
}

Result<Digest> HashFile(const OpenedFile& file) {
  crypto::Hasher hasher(crypto::HashKind::kSha256);
  FileSource source(file.fd.get(), file.size);
  Bytes buffer(1 << 18);
  for (;;) {
    BW_TRY(std::size_t n, source.Read(buffer));
    if (n == 0) return hasher.FinishDigest();
    hasher.Update(ByteSpan(buffer).first(n));
  }
}

class DockerArchive final : public CopySource {
 public:
  explicit DockerArchive(const ImageFiles& files) : files_(files) {}

  Status Load() {
    BW_TRY(LocalImage image, FindImage(files_, ""));
    if (image.manifest) return {Errc::kNotFound, "no docker archive"};
    config_ = std::move(image.config);
    config_digest_ = image.config_digest;
    formats::JsonWriter out;
    out.BeginObject().Field("schemaVersion", 2).Field("mediaType", formats::kOciManifest).Key("config").BeginObject();
    out.Field("mediaType", formats::kOciConfig).Field("digest", config_digest_.str()).Field("size", std::uint64_t{config_.size()}).EndObject();
    out.Key("layers").BeginArray();
    for (const auto& layer : image.layers) {
      BW_TRY(auto file, files_.Open(layer.file));
      BW_TRY(std::string type, LayerType(file));
      BW_TRY(Digest digest, HashFile(file));
      names_[digest] = layer.file;
      out.BeginObject().Field("mediaType", type).Field("digest", digest.str()).Field("size", file.size).EndObject();
    }
    manifest_.bytes = out.EndArray().EndObject().Take();
    manifest_.media_type = formats::kOciManifest;
    manifest_.digest = crypto::Sha256(AsBytes(manifest_.bytes));
    return {};
  }

  Result<FetchedManifest> Manifest(const std::string& reference) override {
    if (reference.empty() || reference == manifest_.digest.str()) return manifest_;
    return Error{Errc::kNotFound, "the archive has no " + reference};
  }
  Result<std::vector<formats::Descriptor>> Referrers(const Digest&) override { return std::vector<formats::Descriptor>(); }

  Result<BlobBytes> Blob(const formats::Descriptor& blob, const Spool& spool, const Moved&) override {
    BlobBytes out;
    if (blob.digest == config_digest_) {
      BW_TRY(out.file.fd, spool());
      out.file.size = config_.size();
      out.spooled = true;
      if (::pwrite(out.file.fd.get(), config_.data(), config_.size(), 0) != static_cast<ssize_t>(config_.size())) return ErrnoError("write a temporary file");
      return out;
    }
    auto name = names_.find(blob.digest);
    if (name == names_.end()) return Error{Errc::kNotFound, "the archive has no " + blob.digest.str()};
    BW_TRY(out.file, files_.Open(name->second));
    BW_CHECK(VerifyFile(blob, out.file));
    return out;
  }

 private:
  const ImageFiles& files_;
  std::string config_;
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
