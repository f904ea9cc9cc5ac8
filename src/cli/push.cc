// bulwark push SOURCE IMAGE: an OCI layout or archive to a registry, children of an index first.

#include <set>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "cli/copy_place.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "crypto/hash.h"
#include "formats/oci.h"
#include "remote/layout_index.h"
#include "remote/local_image.h"

namespace bulwark::cli {
namespace {

constexpr int kIndexDepth = 4;

class Pusher {
 public:
  Pusher(const remote::ImageFiles& files, remote::RegistryClient& client) : files_(files), client_(client), progress_("pushing") {}

  // Everything that `manifest` refers to, then the manifest itself.
  Status Push(const remote::FetchedManifest& manifest, const std::string& reference, int depth) {
    if (depth > kIndexDepth) return Error{Errc::kLimit, "the index is nested too deep"};
    BW_TRY(auto document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
    for (const auto& child : document.manifests) {
      if (!manifests_.insert(child.digest).second) continue;
      BW_TRY(auto document_of_child, remote::ReadDocument(files_, child));
      BW_CHECK(Push(document_of_child, child.digest.str(), depth + 1));
    }
    if (document.config) BW_CHECK(PushBlob(*document.config));
    for (const auto& layer : document.layers) BW_CHECK(PushBlob(layer));
    BW_TRY(auto answer, client_.PutManifest(reference, document.media_type, manifest.bytes));
    progress_.Done();
    if (!answer.warning.empty()) NoteLine(answer.warning);
    return {};
  }

 private:
  Status PushBlob(const formats::Descriptor& blob) {
    if (!done_.insert(blob.digest).second) return {};
    BW_TRY(bool there, client_.HasBlob(blob.digest));
    if (there) return {};
    BW_TRY(auto file, files_.Open(remote::BlobFile(blob.digest)));
    std::uint64_t sent = 0;
    return client_.PutBlob(blob.digest, FileSource(file.fd.get(), file.size), [&](std::uint64_t bytes) -> Status {
      progress_.Update(sent += bytes, file.size, blob.digest.short_str());
      return {};
    });
  }

  const remote::ImageFiles& files_;
  remote::RegistryClient& client_;
  Progress progress_;
  std::set<Digest> done_, manifests_;  // blobs, children
};

Result<std::unique_ptr<remote::ImageFiles>> OpenSource(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return ErrnoError("open " + path);
  if (S_ISDIR(info.st_mode)) return remote::DirectoryFiles(path);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("open " + path);
  auto files = remote::ArchiveFiles(std::move(fd));
  if (!files) return files.error().Wrap(path);
  return files;
}

Status Push(const CopyArguments& a) {
  BW_TRY(auto reference, remote::ParseImageReference(a.to));
  auto place = ParseCopySource(a.from);
  const bool local = place && !place->image;
  const std::string& path = local ? place->path : a.from;  // the open will say that it is not there
  BW_TRY(auto files, OpenSource(path));
  auto top = remote::TopManifest(*files, local ? place->tag : "");
  if (!top && top.error().code == Errc::kNotFound && !files->Find("index.json"))
    return Error{Errc::kUnsupported, path + " is no OCI layout or OCI archive; copy docker archives with bulwark copy"};
  if (!top) return top.error().Wrap(path);
  BW_TRY(auto session, OpenSession(reference, a.login));
  session->client.SetPatience(kPatience);
  BW_CHECK(Pusher(*files, session->client).Push(*top, reference.api_reference(), 0));
  return WriteOutput("", top->digest.str() + "\n");
}

}  // namespace

int RunPush(const CopyArguments& a) {
  auto status = Push(a);
  return status ? kPass : FailAtRegistry(status.error());
}

}  // namespace bulwark::cli
