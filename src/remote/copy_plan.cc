#include "remote/copy_plan.h"

#include <algorithm>
#include <array>

#include "base/log.h"

namespace bulwark::remote {
namespace {

constexpr std::uint64_t kCopyManifests = 10'000;                      // of one copy: children, signatures, SBOMs
constexpr std::uint64_t kCopyManifestBytes = 256 << 20;               // of those together; they are in memory
constexpr int kDepth = 16;                                            // children of children, referrers of referrers
constexpr std::array<std::string_view, 3> kCosign = {".sig", ".att", ".sbom"};  // tags of cosign before OCI 1.1

bool IsManifestType(const std::string& type) {
  return type == formats::kOciManifest || type == formats::kOciIndex || type == formats::kDockerManifest || type == formats::kDockerList;
}

std::string Named(const formats::Descriptor& d) {
  const std::string platform = d.platform ? d.platform->str() : "";
  return d.digest.str() + (platform.empty() ? "" : " (" + Printable(platform, 100) + ")");
}

class Planner {
 public:
  Planner(CopySource& source, const CopyOptions& options, const std::function<void(std::string_view)>& note)
      : source_(source), options_(options), note_(note) {}

  Result<CopyPlan> Make(const std::string& from, const std::string& tag, const std::function<Result<bool>(const formats::Descriptor&)>& has) {
    BW_TRY(CopiedManifest top, Read(from));
    top.tag = tag;
    if (options_.platforms.empty()) {
      BW_CHECK(Walk(std::move(top), 0));
    } else {
      BW_CHECK(WalkPlatforms(std::move(top), has));
    }
    std::sort(plan_.blobs.begin(), plan_.blobs.end(), [](const auto& a, const auto& b) { return a.size != b.size ? a.size > b.size : a.digest < b.digest; });
    return std::move(plan_);
  }

 private:
  Result<CopiedManifest> Read(const std::string& reference) {
    if (++read_ > kCopyManifests) return Error{Errc::kLimit, "the image has more than " + std::to_string(kCopyManifests) + " manifests"};
    CopiedManifest out;
    BW_TRY(out.manifest, source_.Manifest(reference));
    bytes_ += out.manifest.bytes.size();
    if (bytes_ > kCopyManifestBytes) return Error{Errc::kLimit, "the manifests of the image are larger than " + std::to_string(kCopyManifestBytes >> 20) + " MiB"};
    auto document = formats::ParseOciDocument(out.manifest.media_type, out.manifest.bytes);
    if (!document) return document.error().Wrap("the manifest " + out.manifest.digest.short_str());
    out.document = *std::move(document);
    return out;
  }

  // Children and referrers of `m`, then itself.
  Status Walk(CopiedManifest m, int depth) {
    if (depth > kDepth) return {Errc::kLimit, "what belongs to the image is nested deeper than " + std::to_string(kDepth)};
    if (!seen_.insert(m.manifest.digest).second) {
      if (!m.tag.empty()) plan_.manifests.push_back(std::move(m));
      return {};
    }
    for (const auto& child : m.document.manifests) BW_CHECK(WalkChild(child, depth));
    if (m.document.config) AddBlob(*m.document.config);
    for (const auto& layer : m.document.layers) AddBlob(layer);
    if (options_.referrers) BW_CHECK(WalkReferrers(m.manifest.digest, depth));
    plan_.manifests.push_back(std::move(m));
    return {};
  }

  Status WalkChild(const formats::Descriptor& child, int depth, Role role = Role::kChild) {
    if (!IsManifestType(child.media_type)) {  // image-spec allows any content in an index
      AddBlob(child);
      return {};
    }
    if (seen_.contains(child.digest)) return {};
    auto m = Read(child.digest.str());
    if (!m && m.error().code == Errc::kNotFound)
      return {Errc::kNotFound, "the source lacks " + Named(child) + ", which its index names; copy the platforms that are there with --platform"};
    if (!m) return m.error();
    m->role = role;
    m->platform = child.platform;
    return Walk(*std::move(m), depth + 1);
  }

  Status WalkReferrers(const Digest& subject, int depth) {
    auto listed = source_.Referrers(subject);
    if (!listed) return listed.error();
    for (const auto& d : *listed) {
      if (seen_.contains(d.digest)) continue;
      auto m = Read(d.digest.str());
      if (!m) return m.error().Wrap(d.digest.short_str() + ", which refers to the image (--no-referrers leaves it behind)");
      if (!m->document.subject || m->document.subject->digest != subject) {
        note_("the source lists " + d.digest.str() + " as referring to " + subject.short_str() + ", but it does not: left behind");
        continue;
      }
      m->role = Role::kReferrer;
      BW_CHECK(Walk(*std::move(m), depth + 1));
    }
    for (auto suffix : kCosign) {
      const std::string tag = FallbackTag(subject) + std::string(suffix);
      auto m = Read(tag);
      if (!m && m.error().code == Errc::kNotFound) continue;
      if (!m) return m.error().Wrap("the tag " + tag + " (--no-referrers leaves it behind)");
      m->tag = tag;
      BW_CHECK(Walk(*std::move(m), depth + 1));
    }
    return {};
  }

  Status WalkPlatforms(CopiedManifest top, const std::function<Result<bool>(const formats::Descriptor&)>& has) {
    if (top.document.kind != formats::DocumentKind::kIndex) return {Errc::kInvalid, "the image has no choice of platforms; copy it without --platform"};
    std::vector<formats::Descriptor> chosen, others;
    for (const auto& child : top.document.manifests) (IsChosen(child) ? chosen : others).push_back(child);
    for (const auto& wanted : options_.platforms)
      if (std::none_of(chosen.begin(), chosen.end(), [&](const auto& d) { return Matches(d, wanted); })) return {Errc::kNotFound, "the image has no " + wanted};
    std::size_t missing = 0;
    for (const auto& other : others) {
      BW_TRY(bool there, has(other));
      if (!there) ++missing;
    }
    plan_.whole = missing == 0;
    for (const auto& child : chosen) BW_CHECK(WalkChild(child, 0, plan_.whole ? Role::kChild : Role::kTop));
    if (plan_.whole) {
      // Every child is there or comes along: only the index is left to copy.
      if (options_.referrers) BW_CHECK(WalkReferrers(top.manifest.digest, 0));
      plan_.manifests.push_back(std::move(top));
      return {};
    }
    note_("the index itself is not copied: " + std::to_string(missing) + " of its " + std::to_string(top.document.manifests.size()) +
          " children are not at the target; the chosen ones are there under their own digests");
    return {};
  }

  static bool Matches(const formats::Descriptor& d, const std::string& wanted) {
    return d.platform && (d.platform->str() == wanted || d.platform->os + "/" + d.platform->architecture == wanted);
  }
  bool IsChosen(const formats::Descriptor& d) const {
    return std::any_of(options_.platforms.begin(), options_.platforms.end(), [&](const auto& wanted) { return Matches(d, wanted); });
  }

  void AddBlob(const formats::Descriptor& blob) {
    if (blobs_.insert(blob.digest).second) plan_.blobs.push_back(blob);
  }

  CopySource& source_;
  const CopyOptions& options_;
  const std::function<void(std::string_view)>& note_;
  CopyPlan plan_;
  std::set<Digest> seen_, blobs_;
  std::uint64_t read_ = 0, bytes_ = 0;
};

}  // namespace

Result<CopyPlan> PlanCopy(CopySource& source, const std::string& from, const std::string& tag, const CopyOptions& options,
                          const std::function<Result<bool>(const formats::Descriptor&)>& has, const std::function<void(std::string_view)>& note) {
  return Planner(source, options, note).Make(from, tag, has);
}

}  // namespace bulwark::remote
