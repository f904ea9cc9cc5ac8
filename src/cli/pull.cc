// bulwark pull IMAGE LAYOUT: an image from a registry into an OCI layout; what is there already is kept.

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/byte_source.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"
#include "formats/oci.h"
#include "remote/local_image.h"

namespace bulwark::cli {
namespace {

constexpr int kIndexDepth = 4;

Status MakeDirectories(const std::string& path) {
  for (std::size_t at = 0; at != std::string::npos;) {
    at = path.find('/', at + 1);
    std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoError("make directory " + part);
  }
  return {};
}

class Puller {
 public:
  Puller(remote::RegistryClient& client, std::string layout) : client_(client), layout_(std::move(layout)), progress_("pulling") {}

  // A manifest and everything it refers to; children that the registry refuses are left out of a multi-platform image
  // only if another one came (an index is served if any child is allowed).
  Status Pull(const remote::FetchedManifest& manifest, int depth) {
    if (depth > kIndexDepth) return Error{Errc::kLimit, "the index is nested too deep"};
    BW_TRY(auto document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
    std::size_t came = 0;
    Status refused;
    for (const auto& child : document.manifests) {
      auto fetched = client_.GetManifest(child.digest.str());
      Status status = fetched ? Pull(*fetched, depth + 1) : Status(fetched.error());
      if (status) { ++came; continue; }
      if (status.error().code != Errc::kDenied) return status;
      NoteLine(status.error().message);
      refused = status;
    }
    if (!document.manifests.empty() && came == 0) return refused;
    if (document.config) BW_CHECK(PullBlob(*document.config));
    for (const auto& layer : document.layers) BW_CHECK(PullBlob(layer));
    return Save(manifest.digest, [&](int fd) { return WriteTo(fd, AsBytes(manifest.bytes)); });
  }

 private:
  static Status WriteTo(int fd, ByteSpan bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::write(fd, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoError("write the layout");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

  Status PullBlob(const formats::Descriptor& blob) {
    struct stat info {};
    std::string path = layout_ + "/" + remote::BlobFile(blob.digest);
    if (::stat(path.c_str(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) == blob.size) return {};
    std::uint64_t done = 0;
    return Save(blob.digest, [&](int fd) {
      return client_.GetBlob(blob.digest, [&](ByteSpan bytes) -> Status {
        if (bytes.size() > blob.size - done) return Error{Errc::kDigest, "the registry sends more than " + blob.digest.str() + " has"};
        BW_CHECK(WriteTo(fd, bytes));
        progress_.Update(done += bytes.size(), blob.size, blob.digest.short_str());
        return {};
      });
    });
  }

  // Written beside its place and renamed, so that a cut connection leaves no half blob.
  template <typename F>
  Status Save(const Digest& digest, F&& write) {
    std::string path = layout_ + "/" + remote::BlobFile(digest), part = path + ".part";
    UniqueFd fd(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) return ErrnoError("create " + part);
    Status status = write(fd.get());
    if (status && ::rename(part.c_str(), path.c_str()) != 0) status = ErrnoError("rename " + part);
    if (!status) ::unlink(part.c_str());
    return status;
  }

  remote::RegistryClient& client_;
  std::string layout_;
  Progress progress_;
};

std::string IndexOf(const remote::FetchedManifest& manifest, const std::string& tag) {
  formats::JsonWriter out;
  out.BeginObject().Field("schemaVersion", 2).Field("mediaType", formats::kOciIndex).Key("manifests").BeginArray().BeginObject();
  out.Field("mediaType", manifest.media_type).Field("digest", manifest.digest.str()).Field("size", std::uint64_t{manifest.bytes.size()});
  if (!tag.empty()) out.Key("annotations").BeginObject().Field("org.opencontainers.image.ref.name", tag).EndObject();
  return out.EndObject().EndArray().EndObject().Take();
}

Status Pull(const CopyArguments& a) {
  BW_TRY(auto reference, remote::ParseImageReference(a.from));
  BW_TRY(auto session, OpenSession(reference, a.login));
  session->client.SetPatience(kPatience);
  BW_TRY(auto manifest, session->client.GetManifest(reference.api_reference()));
  BW_CHECK(MakeDirectories(a.to + "/blobs/sha256"));
  BW_CHECK(MakeDirectories(a.to + "/blobs/sha512"));
  BW_CHECK(Puller(session->client, a.to).Pull(manifest, 0));
  BW_CHECK(WriteFileAtomically(a.to + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
  BW_CHECK(WriteFileAtomically(a.to + "/index.json", IndexOf(manifest, reference.tag)));
  return WriteOutput("", manifest.digest.str() + "\n");
}

}  // namespace

int RunPull(const CopyArguments& a) {
  auto status = Pull(a);
  return status ? kPass : FailAtRegistry(status.error());
}

}  // namespace bulwark::cli
