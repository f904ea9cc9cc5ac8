#include "remote/copy_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "formats/json.h"
#include "remote/layout_index.h"

namespace bulwark::remote {
namespace {

constexpr std::array<std::string_view, 3> kCosign = {".sig", ".att", ".sbom"};  // tags of cosign before OCI 1.1

bool IsManifestType(const std::string& type) {
  return type == formats::kOciManifest || type == formats::kOciIndex || type == formats::kDockerManifest || type == formats::kDockerList;
}

std::string Named(const formats::Descriptor& d) {
  const std::string platform = d.platform ? d.platform->str() : "";
  return d.digest.str() + (platform.empty() ? "" : " (" + Printable(platform, 100) + ")");
}

// Whether `next` has all that `present` has. Cosign adds to the manifest under its tag a layer for each signature: compared as
// they are written, because two signatures of one image are told apart by their annotations alone.
bool LosesNothing(const FetchedManifest& present, const FetchedManifest& next) {
  if (present.digest == next.digest) return true;
  auto layers = [](const FetchedManifest& m) {
    std::set<std::string> out;
    auto value = formats::ParseJson(m.bytes, {.case_twins = formats::CaseTwins::kAllow});
    const auto* object = value ? value->if_object() : nullptr;
    const auto* array = object ? object->if_contains("layers") : nullptr;
    if (!array || !array->if_array()) return out;
    for (const auto& layer : array->get_array()) out.insert(formats::json::serialize(layer));
    return out;
  };
  const auto old_layers = layers(present), new_layers = layers(next);
  return !old_layers.empty() && std::includes(new_layers.begin(), new_layers.end(), old_layers.begin(), old_layers.end());
}

class Planner {
 public:
  Planner(CopySource& source, const CopyOptions& options, const TargetView& target, const std::function<void(std::string_view)>& note)
      : source_(source), options_(options), target_(target), note_(note) {}

  Result<CopyPlan> Make(const std::string& from, const std::string& tag) {
    BW_TRY(CopiedManifest top, Read(from));
    top.tag = tag;
    if (options_.platforms.empty()) {
      BW_CHECK(Walk(std::move(top), 0));
    } else {
      BW_CHECK(WalkPlatforms(std::move(top)));
    }
    // What has a second name gets it when everything is there, and before the tag that was asked for.
    const auto at = plan_.whole ? plan_.manifests.end() - 1 : plan_.manifests.end();
    plan_.manifests.insert(at, std::make_move_iterator(named_again_.begin()), std::make_move_iterator(named_again_.end()));
    std::sort(plan_.blobs.begin(), plan_.blobs.end(), [](const auto& a, const auto& b) { return a.size != b.size ? a.size > b.size : a.digest < b.digest; });
    return std::move(plan_);
  }

 private:
  Result<CopiedManifest> Read(const std::string& reference) {
    CopiedManifest out;
    BW_TRY(out.manifest, source_.Manifest(reference));
    if (++read_ > limits::kCopyManifests) return Error{Errc::kLimit, "the image has more than " + std::to_string(limits::kCopyManifests) + " manifests"};
    bytes_ += out.manifest.bytes.size();
    if (bytes_ > limits::kCopyManifestBytes) return Error{Errc::kLimit, "the manifests of the image are larger than " + FormatBytes(limits::kCopyManifestBytes)};
    auto document = formats::ParseOciDocument(out.manifest.media_type, out.manifest.bytes);
    if (!document) return document.error().Wrap("the manifest " + out.manifest.digest.short_str());
    out.document = *std::move(document);
    BW_CHECK(Count(out.document.layers.size() + out.document.manifests.size()));
    return out;
  }

  Status Count(std::uint64_t descriptors) {
    if (descriptors > limits::kCopyDescriptors - descriptors_) return {Errc::kLimit, "more than " + std::to_string(limits::kCopyDescriptors) + " layers, children and referrers belong to the image"};
    descriptors_ += descriptors;
    return {};
  }

  // Children and referrers of `m`, then itself.
  Status Walk(CopiedManifest m, int depth) {
    if (depth > static_cast<int>(limits::kCopyDepth)) return {Errc::kLimit, "what belongs to the image is nested deeper than " + std::to_string(limits::kCopyDepth)};
    if (!seen_.emplace(m.manifest.digest, m.manifest.bytes.size()).second) {
      if (!m.tag.empty()) named_again_.push_back(Lean(std::move(m)));
      return {};
    }
    for (const auto& child : m.document.manifests) BW_CHECK(WalkChild(child, depth));
    if (m.document.config) BW_CHECK(AddBlob(*m.document.config));
    for (const auto& layer : m.document.layers) BW_CHECK(AddBlob(layer));
    m = Lean(std::move(m));
    if (options_.referrers) BW_CHECK(WalkReferrers(m.manifest.digest, depth));
    plan_.manifests.push_back(std::move(m));
    return {};
  }

  // Many of them are in memory at once.
  static CopiedManifest Lean(CopiedManifest m) {
    m.document.layers = {};
    m.document.manifests = {};
    return m;
  }

  Status WalkChild(const formats::Descriptor& child, int depth, Role role = Role::kChild) {
    if (!IsManifestType(child.media_type)) return AddBlob(child);  // image-spec allows any content in an index
    if (auto seen = seen_.find(child.digest); seen != seen_.end()) return CheckSize(child, seen->second);
    auto m = Read(child.digest.str());
    if (!m && m.error().code == Errc::kNotFound)
      return {Errc::kNotFound, "the source lacks " + Named(child) + ", which its index names; copy the platforms that are there with --platform"};
    if (!m) return m.error();
    BW_CHECK(CheckSize(child, m->manifest.bytes.size()));  // told before a byte moves
    m->role = role;
    m->platform = child.platform;
    return Walk(*std::move(m), depth + 1);
  }

  Status WalkReferrers(const Digest& subject, int depth) {
    BW_TRY(ReferrerList listed, source_.Referrers(subject, limits::kCopyDescriptors - descriptors_));
    BW_CHECK(Count(listed.digests.size() + 1));  // one for the question: it may be asked often
    for (const auto& note : listed.notes) note_(note);
    for (const auto& digest : listed.digests) {
      if (seen_.contains(digest)) continue;
      auto m = Read(digest.str());
      if (!m) return m.error().Wrap(digest.short_str() + ", which refers to the image (--no-referrers leaves it behind)");
      if (!m->document.subject || m->document.subject->digest != subject) {
        note_("the source lists " + digest.str() + " as referring to " + subject.short_str() + ", but it does not: left behind");
        continue;
      }
      m->role = Role::kReferrer;
      BW_CHECK(Walk(*std::move(m), depth + 1));
    }
    for (auto suffix : kCosign) BW_CHECK(WalkAttached(FallbackTag(subject) + std::string(suffix), depth));
    return {};
  }

  Status WalkAttached(const std::string& tag, int depth) {
    auto m = Read(tag);
    if (!m && m.error().code == Errc::kNotFound) return {};
    if (!m) return m.error().Wrap("the tag " + tag + " (--no-referrers leaves it behind)");
    auto present = target_.tagged(tag);
    if (!present && present.error().code == Errc::kDenied) {
      note_("the target does not show what it has under " + tag + ": it stays, and the source's (" + m->manifest.digest.str() + ") is left behind: " + present.error().message);
      return {};
    }
    if (!present) return present.error();
    if (*present && !LosesNothing(**present, m->manifest)) {
      note_("the target has a " + tag + " of its own, with more or other signatures than the source's: it stays, and the source's (" +
            m->manifest.digest.str() + ") is left behind");
      return {};
    }
    m->tag = tag;
    m->role = Role::kAttached;
    return Walk(*std::move(m), depth + 1);
  }

  Status WalkPlatforms(CopiedManifest top) {
    if (top.document.kind != formats::DocumentKind::kIndex) return {Errc::kInvalid, "the image has no choice of platforms; copy it without --platform"};
    std::vector<formats::Descriptor> chosen, others;
    for (const auto& child : top.document.manifests) (IsChosen(child) ? chosen : others).push_back(child);
    for (const auto& wanted : options_.platforms)
      if (std::none_of(chosen.begin(), chosen.end(), [&](const auto& d) { return Matches(d, wanted); })) return {Errc::kNotFound, "the image has no " + wanted};
    std::size_t missing = 0;
    for (const auto& other : others) {
      BW_TRY(bool there, target_.has(other));
      if (!there) ++missing;
    }
    plan_.whole = missing == 0;
    for (const auto& child : chosen) BW_CHECK(WalkChild(child, 0, plan_.whole ? Role::kChild : Role::kTop));
    if (plan_.whole) {
      // Every child is there or comes along: only the index is left to copy.
      if (options_.referrers) BW_CHECK(WalkReferrers(top.manifest.digest, 0));
      plan_.manifests.push_back(Lean(std::move(top)));
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

  Status AddBlob(const formats::Descriptor& blob) {
    if (auto [known, added] = blobs_.emplace(blob.digest, blob.size); !added) return CheckTwice(blob, known->second);
    formats::Descriptor lean;
    lean.digest = blob.digest;
    lean.size = blob.size;
    lean.has_urls = blob.has_urls;
    plan_.blobs.push_back(std::move(lean));
    return {};
  }

  static Status CheckTwice(const formats::Descriptor& blob, std::uint64_t before) {
    if (blob.size == before) return {};
    return {Errc::kInvalid, "the image says that " + Named(blob) + " has " + std::to_string(blob.size) + " bytes, and " +
                                std::to_string(before) + " elsewhere"};
  }

  CopySource& source_;
  const CopyOptions& options_;
  const TargetView& target_;
  const std::function<void(std::string_view)>& note_;
  CopyPlan plan_;
  std::vector<CopiedManifest> named_again_;
  std::map<Digest, std::uint64_t> seen_;  // manifests and their sizes
  std::map<Digest, std::uint64_t> blobs_;
  std::uint64_t read_ = 0, bytes_ = 0, descriptors_ = 0;
};

}  // namespace

Result<CopyPlan> PlanCopy(CopySource& source, const std::string& from, const std::string& tag, const CopyOptions& options,
                          const TargetView& target, const std::function<void(std::string_view)>& note) {
  return Planner(source, options, target, note).Make(from, tag);
}

}  // namespace bulwark::remote
