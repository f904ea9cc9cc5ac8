// Any documents as manifests, indexes and lists of referrers, separated by NUL: planning ends, and what is planned keeps its
// promises. The first is what is asked for; every other name is answered by one of them, so that cycles and liars occur.

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "crypto/hash.h"
#include "remote/copy_plan.h"

namespace {

using namespace bulwark;

class Documents final : public remote::CopySource {
 public:
  explicit Documents(std::string_view text) : parts_(Split(text, '\0')) {}

  Result<remote::FetchedManifest> Manifest(const std::string& reference) override {
    if (auto digest = Digest::Parse(reference)) {
      for (auto part : parts_)
        if (crypto::HashWith(digest->algorithm(), AsBytes(part)) == *digest) return Fetched(part);
      return Error{Errc::kNotFound, "none"};
    }
    return reference.empty() ? Fetched(parts_[0]) : Any(reference);
  }
  Result<std::string> NameOf(const std::string& reference) override { return reference; }
  Result<remote::ReferrerList> Referrers(const Digest& subject, std::uint64_t most) override {
    remote::ReferrerList out;
    BW_TRY(auto list, Any(subject.str()));
    if (auto index = formats::ParseOciDocument(formats::kOciIndex, list.bytes))
      for (const auto& d : index->manifests) out.digests.push_back(d.digest);
    for (auto part : parts_) out.digests.push_back(crypto::Sha256(AsBytes(part)));
    if (out.digests.size() > most) return Error{Errc::kLimit, "too many"};
    return out;
  }
  Result<remote::BlobBytes> Blob(const formats::Descriptor&, const remote::Spool&, const remote::Moved&) override { return Error{Errc::kNotFound, "none"}; }

 private:
  static remote::FetchedManifest Fetched(std::string_view part) { return {std::string(part), "", crypto::Sha256(AsBytes(part))}; }
  Result<remote::FetchedManifest> Any(const std::string& name) const {
    const std::size_t which = std::hash<std::string>()(name) % (parts_.size() + 1);
    if (which == parts_.size()) return Error{Errc::kNotFound, "none"};
    return Fetched(parts_[which]);
  }
  std::vector<std::string_view> parts_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (bool some : {false, true}) {
    Documents source({reinterpret_cast<const char*>(data), size});
    remote::CopyOptions options;
    if (some) options.platforms = {"linux/amd64"};
    const remote::TargetView view{[](const formats::Descriptor& d) { return Result<bool>(d.size % 2 == 0); },
                                  [&](const std::string& tag) -> Result<std::optional<remote::FetchedManifest>> {
                                    auto present = tag.size() % 2 ? source.Manifest(tag + "x") : source.Manifest("");
                                    if (!present) return std::optional<remote::FetchedManifest>();
                                    return std::optional(*std::move(present));
                                  }};
    auto plan = remote::PlanCopy(source, "", "v1", options, view, [](std::string_view) {});
    if (!plan) continue;
    std::set<Digest> written, blobs;
    for (const auto& blob : plan->blobs)
      if (!blobs.insert(blob.digest).second) std::abort();  // each once
    for (const auto& m : plan->manifests) {
      auto document = formats::ParseOciDocument(m.manifest.media_type, m.manifest.bytes);
      if (!document) std::abort();
      for (const auto& layer : document->layers)
        if (!blobs.contains(layer.digest)) std::abort();  // nothing is left out
      if (!written.insert(m.manifest.digest).second && m.tag.empty()) std::abort();
    }
    if (plan->whole && plan->manifests.back().tag != "v1") std::abort();  // the tag comes last
    if (!plan->whole)
      for (const auto& m : plan->manifests)
        if (m.tag == "v1") std::abort();
  }
  return 0;
}
