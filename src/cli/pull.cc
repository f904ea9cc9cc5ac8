// bulwark pull IMAGE LAYOUT: an image from a registry into an OCI layout; what is there already is kept, a name moves.

#include <map>
#include <string>

#include "base/byte_source.h"
#include "base/limits.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/oci.h"
#include "remote/copy_ends.h"
#include "remote/layout_index.h"

namespace bulwark::cli {
namespace {

constexpr int kIndexDepth = 4;

class Puller {
 public:
  Puller(remote::RegistryClient& client, remote::CopyTarget& layout) : client_(client), layout_(layout), progress_("pulling") {}

  // A manifest and everything it refers to; children that the registry refuses are left out of a multi-platform image
  // only if another one came (an index is served if any child is allowed).
  Status Pull(const remote::FetchedManifest& manifest, const std::string& tag, int depth) {
    if (depth > kIndexDepth) return Error{Errc::kLimit, "the index is nested too deep"};
    BW_TRY(auto document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
    std::size_t came = 0;
    Status refused;
    for (const auto& child : document.manifests) {
      Status status = PullChild(child, depth);
      if (status) { ++came; continue; }
      if (status.error().code != Errc::kDenied) return status;
      refused = status;
    }
    if (!document.manifests.empty() && came == 0) return refused;
    if (document.config) BW_CHECK(PullBlob(*document.config));
    for (const auto& layer : document.layers) BW_CHECK(PullBlob(layer));
    BW_CHECK(layout_.PutManifest(Entry(manifest, std::move(document), tag, depth)));
    return {};
  }

  static remote::CopiedManifest Entry(const remote::FetchedManifest& manifest, formats::OciDocument document,
                                      const std::string& tag, int depth) {
    document.subject.reset();  // a child has no entry of its own here
    const auto role = depth == 0 ? remote::Role::kTop : remote::Role::kChild;
    return {manifest, std::move(document), role, tag, std::nullopt};
  }

 private:
  struct Child {
    Status status;           // what came of it
    std::uint64_t size = 0;
  };

  // One that is named often is asked for once, and refused as often as it is named.
  Status PullChild(const formats::Descriptor& child, int depth) {
    if (auto known = seen_.find(child.digest); known != seen_.end())
      return known->second.status ? remote::CheckSize(child, known->second.size) : known->second.status;
    if (seen_.size() >= limits::kCopyManifests) return Error{Errc::kLimit, "the index has too many manifests below it"};
    auto fetched = client_.GetManifest(child.digest.str());
    Status status = fetched ? remote::CheckSize(child, fetched->bytes.size()) : Status(fetched.error());
    if (status) status = Pull(*fetched, "", depth + 1);
    if (!status && status.error().code == Errc::kDenied) NoteLine(status.error().message);
    seen_[child.digest] = {status, fetched ? fetched->bytes.size() : 0};
    return status;
  }

  Status PullBlob(const formats::Descriptor& blob) {
    BW_TRY(bool there, layout_.HasBlob(blob));
    if (there) return {};
    remote::BlobBytes bytes;
    BW_TRY(bytes.file.fd, layout_.MakeSpool());
    BW_CHECK(client_.GetBlob(blob.digest, [&](ByteSpan more) -> Status {
      if (more.size() > blob.size - bytes.file.size) return Error{Errc::kDigest, "the registry sends more than " + blob.digest.str() + " has"};
      BW_CHECK(WriteAll(bytes.file.fd.get(), AsText(more)));
      progress_.Update(bytes.file.size += more.size(), blob.size, blob.digest.short_str());
      return {};
    }));
    if (bytes.file.size != blob.size) return Error{Errc::kDigest, "the manifest states another size of " + blob.digest.str() + " than it has"};
    bytes.spooled = bytes.verified = true;
    return layout_.PutBlob(blob, std::move(bytes), nullptr);
  }

  remote::RegistryClient& client_;
  remote::CopyTarget& layout_;
  Progress progress_;
  std::map<Digest, Child> seen_;
};

Status Pull(const CopyArguments& a) {
  BW_TRY(auto reference, remote::ParseImageReference(a.from));
  BW_TRY(auto session, OpenSession(reference, a.login));
  session->client.SetPatience(kPatience);
  BW_TRY(auto manifest, session->client.GetManifest(reference.api_reference()));
  auto layout = remote::LayoutTarget(a.to);
  BW_TRY(auto document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
  BW_CHECK(layout->Expect({Puller::Entry(manifest, std::move(document), reference.tag, 0)}));
  BW_CHECK(Puller(session->client, *layout).Pull(manifest, reference.tag, 0));
  BW_CHECK(layout->Finish());
  return WriteOutput("", manifest.digest.str() + "\n");
}

}  // namespace

int RunPull(const CopyArguments& a) {
  auto status = Pull(a);
  return status ? kPass : FailAtRegistry(status.error());
}

}  // namespace bulwark::cli
