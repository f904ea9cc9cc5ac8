#include "remote/copy_ends.h"

#include "base/byte_source.h"
#include "crypto/hash.h"
#include "formats/json.h"

namespace bulwark::remote {

std::string FallbackTag(const Digest& subject) { return std::string(subject.algorithm_name()) + "-" + subject.hex().substr(0, 64); }

std::string ReferrerJson(const CopiedManifest& manifest) {
  const auto& document = manifest.document;
  formats::JsonWriter out;
  out.BeginObject().Field("mediaType", document.media_type).Field("digest", manifest.manifest.digest.str());
  out.Field("size", std::uint64_t{manifest.manifest.bytes.size()});
  std::string type = document.artifact_type;
  if (type.empty() && document.config) type = document.config->media_type;
  if (!type.empty()) out.Field("artifactType", type);
  if (!document.annotations.empty()) out.Key("annotations").Raw(document.annotations);
  return out.EndObject().Take();
}

Status VerifyFile(const formats::Descriptor& blob, const OpenedFile& file) { return CopyVerified(blob, file, -1, nullptr); }

Status CopyVerified(const formats::Descriptor& blob, const OpenedFile& from, int to, const Moved& moved) {
  const Error wrong{Errc::kDigest, "the file of " + blob.digest.str() + " has other bytes than that; copy the image again"};
  if (from.size != blob.size) return wrong;
  crypto::Hasher hasher(blob.digest.algorithm() == DigestAlgorithm::kSha512 ? crypto::HashKind::kSha512 : crypto::HashKind::kSha256);
  FileSource source(from.fd.get(), from.size);
  Bytes buffer(1 << 18);
  for (;;) {
    BW_TRY(std::size_t n, source.Read(buffer));
    if (n == 0) break;
    const ByteSpan bytes = ByteSpan(buffer).first(n);
    hasher.Update(bytes);
    if (to >= 0) BW_CHECK(WriteAll(to, AsText(bytes)));
    if (moved) BW_CHECK(moved(n));
  }
  return hasher.FinishDigest() == blob.digest ? Status() : wrong;
}

}  // namespace bulwark::remote
