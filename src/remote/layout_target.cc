// An OCI layout directory as target of a copy. Files get their names only when they are whole; index.json is replaced last.
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/byte_source.h"
#include "base/limits.h"
#include "formats/json.h"
#include "remote/copy_ends.h"
#include "remote/local_image.h"

namespace bulwark::remote {
namespace {

constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";

Status MakeDirectories(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoError("make directory " + part);
  }
  return {};
}

Status CopyBytes(const OpenedFile& from, int to, const Moved& moved) {
  FileSource source(from.fd.get(), from.size);
  Bytes buffer(1 << 18);
  for (off_t at = 0;;) {
    BW_TRY(std::size_t n, source.Read(buffer));
    if (n == 0) return {};
    if (::pwrite(to, buffer.data(), n, at) != static_cast<ssize_t>(n)) return ErrnoError("write the layout");
    if (moved) BW_CHECK(moved(n));
    at += static_cast<off_t>(n);
  }
}

class Layout final : public CopyTarget {
 public:
  explicit Layout(std::string path) : path_(std::move(path)) {}
  ~Layout() override { DropPart(); }

  // What a crash left with the right size need not have the right bytes.
  Result<bool> HasBlob(const formats::Descriptor& blob) override {
    OpenedFile file;
    file.fd = UniqueFd(::open(PathOf(blob.digest).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    if (!file.fd || ::fstat(file.fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    file.size = static_cast<std::uint64_t>(info.st_size);
    return VerifyFile(blob, file).ok();
  }
  Result<bool> MountBlob(const formats::Descriptor&) override { return false; }

  // A file without a name in the layout's own file system; where that is not possible, one that is removed on failure.
  Result<UniqueFd> MakeSpool() override {
    DropPart();
    BW_CHECK(MakeDirectories(path_ + "/blobs"));
    UniqueFd fd(::open((path_ + "/blobs").c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
    if (fd) return fd;
    part_ = path_ + "/blobs/.part-XXXXXX";
    fd = UniqueFd(::mkostemp(part_.data(), O_CLOEXEC));
    if (fd) return fd;
    part_.clear();
    return ErrnoError("make a file in " + path_);
  }

  Status PutBlob(const formats::Descriptor& blob, BlobBytes bytes, const Moved& moved) override {
    if (bytes.spooled) return Name(bytes.file.fd.get(), blob.digest);
    BW_TRY(UniqueFd fd, MakeSpool());
    BW_CHECK(CopyBytes(bytes.file, fd.get(), moved));
    return Name(fd.get(), blob.digest);
  }

  Result<bool> HasManifest(const formats::Descriptor& manifest) override { return HasBlob(manifest); }

  Result<std::string> PutManifest(const CopiedManifest& copied) override {
    BW_TRY(UniqueFd fd, MakeSpool());
    const auto& bytes = copied.manifest.bytes;
    if (::pwrite(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return ErrnoError("write the layout");
    BW_CHECK(Name(fd.get(), copied.manifest.digest));
    // Children are found through their index. What has a subject gets an entry without a name, as oras writes it.
    if (copied.role != Role::kChild || copied.document.subject || !copied.tag.empty()) BW_CHECK(AddEntry(copied));
    return std::string();
  }

  Status PutReferrers() override { return {}; }

  Status Finish() override {
    BW_TRY(auto index, PresentIndex());
    formats::json::array kept;
    for (auto& entry : index["manifests"].as_array()) if (!Replaced(entry)) kept.push_back(std::move(entry));
    for (auto& entry : entries_) kept.push_back(std::move(entry));
    entries_.clear();
    index["manifests"] = std::move(kept);
    BW_CHECK(MakeDirectories(path_ + "/blobs/sha256"));
    BW_CHECK(WriteFileAtomically(path_ + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    return WriteFileAtomically(path_ + "/index.json", formats::json::serialize(index));
  }

 private:
  std::string PathOf(const Digest& digest) const { return path_ + "/" + BlobFile(digest); }

  void DropPart() {
    if (!part_.empty()) ::unlink(part_.c_str());
    part_.clear();
  }

  Status Name(int fd, const Digest& digest) {
    const std::string path = PathOf(digest);
    BW_CHECK(MakeDirectories(path_ + "/blobs/" + std::string(digest.algorithm_name())));
    if (::fdatasync(fd) != 0) return ErrnoError("write " + path);
    if (!part_.empty()) {
      ::fchmod(fd, 0644);
      if (::rename(part_.c_str(), path.c_str()) != 0) return ErrnoError("rename to " + path);
      part_.clear();
      return {};
    }
    const std::string from = "/proc/self/fd/" + std::to_string(fd);
    for (int tried = 0; ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0; ++tried) {
      if (errno != EEXIST || tried == 3) return ErrnoError("name " + path);
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoError("replace " + path);  // it had other bytes
    }
    return {};
  }

  Status AddEntry(const CopiedManifest& copied) {
    BW_TRY(auto value, formats::ParseJson(ReferrerJson(copied), {.case_twins = formats::CaseTwins::kAllow}));
    auto& entry = value.as_object();
    if (!copied.document.subject) {
      entry.erase("annotations");  // those of the manifest belong to lists of referrers only
      if (copied.document.artifact_type.empty()) entry.erase("artifactType");
    }
    if (copied.platform && !copied.platform->str().empty()) {
      formats::json::object platform{{"architecture", copied.platform->architecture}, {"os", copied.platform->os}};
      if (!copied.platform->variant.empty()) platform["variant"] = copied.platform->variant;
      entry["platform"] = std::move(platform);
    }
    if (!copied.tag.empty()) {
      if (!entry.contains("annotations")) entry["annotations"] = formats::json::object();
      entry["annotations"].as_object()[kRefName] = copied.tag;
    }
    entries_.push_back(std::move(value));
    return {};
  }

  Result<formats::json::object> PresentIndex() const {
    auto text = ReadFile(path_ + "/index.json", limits::kManifestBytes);
    if (!text && text.error().code == Errc::kNotFound)
      return formats::json::object{{"schemaVersion", 2}, {"mediaType", formats::kOciIndex}, {"manifests", formats::json::array()}};
    if (!text) return text.error();
    auto value = formats::ParseJson(*text);
    if (!value) return value.error().Wrap(path_ + "/index.json");
    auto* object = value->if_object();
    auto* manifests = object ? object->if_contains("manifests") : nullptr;
    if (!manifests || !manifests->if_array()) return Error{Errc::kInvalid, path_ + "/index.json is no index"};
    return std::move(*object);
  }

  // A name moves to the new image; the same entry is not written twice.
  bool Replaced(const formats::json::value& old) const {
    for (const auto& entry : entries_) {
      const auto name = NameOf(entry), old_name = NameOf(old);
      if (!name.empty() && name == old_name) return true;
      if (DigestOf(entry) == DigestOf(old) && (name == old_name || old_name.empty())) return true;
    }
    return false;
  }
  static std::string Text(const formats::json::value* value) { return value && value->if_string() ? std::string(value->get_string()) : std::string(); }
  static std::string DigestOf(const formats::json::value& entry) {
    return entry.if_object() ? Text(entry.get_object().if_contains("digest")) : std::string();
  }
  static std::string NameOf(const formats::json::value& entry) {
    const auto* annotations = entry.if_object() ? entry.get_object().if_contains("annotations") : nullptr;
    return annotations && annotations->if_object() ? Text(annotations->get_object().if_contains(kRefName)) : std::string();
  }

  std::string path_;
  std::string part_;  // name of the spool, where it needs one
  formats::json::array entries_;
};

}  // namespace

std::unique_ptr<CopyTarget> LayoutTarget(std::string path) { return std::make_unique<Layout>(std::move(path)); }

}  // namespace bulwark::remote
