// bulwark push SOURCE IMAGE: an OCI layout or archive to a registry, children of an index first.

#include <set>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "crypto/hash.h"
#include "formats/oci.h"
#include "remote/local_image.h"

namespace bulwark::cli {
namespace {

constexpr int kIndexDepth = 4;

// A file that reports how far it was read.
class Watched final : public ByteSource {
 public:
  Watched(const remote::OpenedFile& file, Progress& progress, std::string what)
      : source_(file.fd.get(), file.size), size_(file.size), progress_(progress), what_(std::move(what)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> into) override {
    BW_TRY(std::size_t n, source_.Read(into));
    progress_.Update(done_ += n, size_, what_);
    return n;
  }

 private:
  FileSource source_;
  std::uint64_t size_, done_ = 0;
  Progress& progress_;
  std::string what_;
};

class Pusher {
 public:
  Pusher(const remote::ImageFiles& files, remote::RegistryClient& client) : files_(files), client_(client), progress_("pushing") {}

  // Everything that `manifest` refers to, then the manifest itself.
  Status Push(const remote::FetchedManifest& manifest, const std::string& reference, int depth) {
    if (depth > kIndexDepth) return Error{Errc::kLimit, "the index is nested too deep"};
    BW_TRY(auto document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
    for (const auto& child : document.manifests) {
      BW_TRY(std::string bytes, files_.Read(remote::BlobFile(child.digest), limits::kManifestBytes));
      BW_CHECK(Push({std::move(bytes), child.media_type, child.digest}, child.digest.str(), depth + 1));
    }
    if (document.config) BW_CHECK(PushBlob(*document.config));
    for (const auto& layer : document.layers) BW_CHECK(PushBlob(layer));
    BW_TRY(std::string warning, client_.PutManifest(reference, document.media_type, manifest.bytes));
    progress_.Done();
    if (!warning.empty()) NoteLine(warning);
    return {};
  }

 private:
  Status PushBlob(const formats::Descriptor& blob) {
    if (!done_.insert(blob.digest).second) return {};
    BW_TRY(bool there, client_.HasBlob(blob.digest));
    if (there) return {};
    BW_TRY(auto file, files_.Open(remote::BlobFile(blob.digest)));
    Watched source(file, progress_, blob.digest.short_str());
    return client_.PutBlob(blob.digest, file.size, source);
  }

  const remote::ImageFiles& files_;
  remote::RegistryClient& client_;
  Progress progress_;
  std::set<Digest> done_;
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
  BW_TRY(auto files, OpenSource(a.from));
  auto top = remote::TopManifest(*files);
  if (!top && top.error().code == Errc::kNotFound) return Error{Errc::kUnsupported, a.from + " is no OCI layout or OCI archive; copy docker archives with skopeo"};
  if (!top) return top.error().Wrap(a.from);
  BW_TRY(auto session, OpenSession(reference, a.login));
  BW_CHECK(Pusher(*files, session->client).Push(*top, reference.api_reference(), 0));
  return WriteOutput("", top->digest.str() + "\n");
}

}  // namespace

int RunPush(const CopyArguments& a) {
  auto status = Push(a);
  return status ? kPass : FailAtRegistry(status.error());
}

}  // namespace bulwark::cli
