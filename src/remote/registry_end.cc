// A registry as source and as target of a copy.
#include <map>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/byte_source.h"
#include "base/limits.h"
#include "formats/json.h"
#include "remote/copy_ends.h"

namespace bulwark::remote {
namespace {

class Source final : public CopySource {
 public:
  Source(RegistryClient& client, std::string host) : client_(client), host_(std::move(host)) {}

  Result<FetchedManifest> Manifest(const std::string& reference) override { return client_.GetManifest(reference); }

  Result<std::string> NameOf(const std::string& reference) override { return Digest::Parse(reference) ? std::string() : reference; }

  Result<ReferrerList> Referrers(const Digest& subject, std::uint64_t most) override {
    ReferrerList out;
    if (has_api_) {
      BW_TRY(auto listed, client_.Referrers(subject, most));
      if (listed) {
        out.digests = *std::move(listed);
        return out;
      }
      has_api_ = false;
    }
    auto index = client_.GetManifest(FallbackTag(subject));
    if (!index && index.error().code == Errc::kNotFound) return out;
    if (!index) return index.error();
    auto document = formats::ParseOciDocument(index->media_type, index->bytes);
    if (!document) return document.error().Wrap("the tag " + FallbackTag(subject));
    if (document->manifests.size() > most) return Error{Errc::kLimit, "the tag " + FallbackTag(subject) + " lists too many manifests"};
    for (const auto& d : document->manifests) out.digests.push_back(d.digest);
    return out;
  }

  Result<BlobBytes> Blob(const formats::Descriptor& blob, const Spool& spool, const Moved& moved) override {
    BlobBytes out;
    BW_TRY(out.file.fd, spool());
    BW_CHECK(client_.GetBlob(blob.digest, [&](ByteSpan bytes) -> Status {
      if (bytes.size() > blob.size - out.file.size) return {Errc::kDigest, host_ + " sends more bytes than " + blob.digest.str() + " has"};
      BW_CHECK(WriteAll(out.file.fd.get(), AsText(bytes)));
      out.file.size += bytes.size();
      return moved ? moved(bytes.size()) : Status();
    }));
    if (out.file.size != blob.size) return Error{Errc::kDigest, "the manifest states another size of " + blob.digest.str() + " than it has"};
    out.spooled = out.verified = true;
    return out;
  }

 private:
  RegistryClient& client_;
  std::string host_;
  bool has_api_ = true;
};

class Target final : public CopyTarget {
 public:
  Target(RegistryClient& client, bool may_mount) : client_(client), may_mount_(may_mount) {}

  Result<std::optional<FetchedManifest>> Tagged(const std::string& tag) override { return client_.FindManifest(tag); }
  // A registry that is down, or a wrong password: told at once, before threads go on trying.
  Status Expect(const std::vector<CopiedManifest>& manifests) override {
    for (const auto& m : manifests) {
      if (!m.document.config) continue;
      BW_CHECK(client_.HasBlob(m.document.config->digest));
      break;
    }
    return {};
  }
  Result<bool> HasBlob(const formats::Descriptor& blob) override { return client_.HasBlob(blob.digest); }
  Result<bool> MountBlob(const formats::Descriptor& blob) override {
    if (!may_mount_) return false;
    return client_.MountBlob(blob.digest);
  }
  Result<UniqueFd> MakeSpool() override { return TemporaryFile(); }
  Status PutBlob(const formats::Descriptor& blob, BlobBytes bytes, const Moved& moved) override {
    if (!bytes.verified) BW_CHECK(VerifyFile(blob, bytes.file));
    return client_.PutBlob(blob.digest, FileSource(bytes.file.fd.get(), bytes.file.size), moved);
  }
  Result<bool> HasManifest(const formats::Descriptor& manifest) override { return client_.HasManifest(manifest.digest.str()); }

  Result<std::string> PutManifest(const CopiedManifest& copied) override {
    const std::string reference = copied.tag.empty() ? copied.manifest.digest.str() : copied.tag;
    BW_TRY(auto answer, client_.PutManifest(reference, copied.document.media_type, copied.manifest.bytes));
    if (copied.document.subject && !answer.lists_referrer) unlisted_[copied.document.subject->digest].push_back({copied.manifest.digest, ReferrerJson(copied)});
    return answer.warning;
  }

  Status PutReferrers() override {
    for (const auto& [subject, referrers] : unlisted_) BW_CHECK(AddToFallback(subject, referrers));
    unlisted_.clear();
    return {};
  }
  Status Finish() override { return PutReferrers(); }

 private:
  struct Unlisted {
    Digest digest;
    std::string json;
  };

  // "Pushing Manifests with Subject": the registry keeps no list, so the client does. What others listed stays as it is.
  Status AddToFallback(const Digest& subject, const std::vector<Unlisted>& referrers) {
    const std::string tag = FallbackTag(subject);
    formats::json::object index{{"schemaVersion", 2}, {"mediaType", formats::kOciIndex}, {"manifests", formats::json::array()}};
    BW_TRY(auto present, client_.FindManifest(tag));
    if (present) {
      auto value = formats::ParseJson(present->bytes);
      auto* object = value ? value->if_object() : nullptr;
      auto* manifests = object ? object->if_contains("manifests") : nullptr;
      if (!manifests || !manifests->if_array()) return {Errc::kConflict, "the tag " + tag + " of the target is no list of referrers"};
      index = std::move(*object);
    }
    auto& entries = index["manifests"].as_array();
    std::size_t added = 0;
    for (const auto& referrer : referrers) {
      if (Lists(entries, referrer.digest)) continue;
      BW_TRY(auto entry, formats::ParseJson(referrer.json, {.case_twins = formats::CaseTwins::kAllow}));
      entries.push_back(std::move(entry));
      ++added;
    }
    if (added == 0) return {};
    const bool too_many = entries.size() > limits::kManifestDescriptors;
    const std::string text = formats::json::serialize(index);
    if (too_many || text.size() > limits::kManifestBytes) return {Errc::kLimit, "the tag " + tag + " of the target lists too many referrers to add another one"};
    BW_CHECK(client_.PutManifest(tag, formats::kOciIndex, text));
    return {};
  }

  static bool Lists(const formats::json::array& entries, const Digest& digest) {
    for (const auto& entry : entries) {
      const auto* object = entry.if_object();
      const auto* text = object ? object->if_contains("digest") : nullptr;
      if (text && text->if_string() && std::string_view(text->get_string()) == digest.str()) return true;
    }
    return false;
  }

  RegistryClient& client_;
  bool may_mount_;
  std::map<Digest, std::vector<Unlisted>> unlisted_;
};

}  // namespace

std::unique_ptr<CopySource> RegistrySource(RegistryClient& client, std::string host) { return std::make_unique<Source>(client, std::move(host)); }
std::unique_ptr<CopyTarget> RegistryTarget(RegistryClient& client, bool may_mount) { return std::make_unique<Target>(client, may_mount); }

}  // namespace bulwark::remote
