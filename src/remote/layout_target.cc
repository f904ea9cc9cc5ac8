// An OCI layout directory as target of a copy. Files get their names only when they are whole; index.json is replaced last, under
// a lock, so that of two copies into one layout both are found.
#include <cerrno>
#include <optional>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/byte_source.h"
#include "base/folder.h"
#include "base/limits.h"
#include "formats/json.h"
#include "remote/copy_ends.h"
#include "remote/layout_index.h"
#include "remote/local_image.h"

namespace bulwark::remote {
namespace {

constexpr std::size_t kUnsynced = 100;   // manifests that are open until they are synced
constexpr const char* kPart = ".part-";  // in blobs/: what is not whole yet

std::string Text(const formats::json::value* value) { return value && value->if_string() ? std::string(value->get_string()) : std::string(); }
std::string DigestOf(const formats::json::value& entry) { return entry.if_object() ? Text(entry.get_object().if_contains("digest")) : std::string(); }

Result<formats::json::value> EntryOf(const CopiedManifest& copied) {
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
  return value;
}

// Children are found through their index. What has a subject gets an entry without a name, as oras writes it.
bool HasEntry(const CopiedManifest& m) { return m.role != Role::kChild || m.document.subject || !m.tag.empty(); }

class Layout final : public CopyTarget {
 public:
  explicit Layout(std::string path) : path_(std::move(path)) {}
  ~Layout() override { DropPart(); }

  Result<std::optional<FetchedManifest>> Tagged(const std::string& tag) override {
    BW_TRY(bool there, Open());
    if (!there) return std::optional<FetchedManifest>();
    BW_TRY(auto index, PresentIndex());
    for (const auto& entry : index["manifests"].as_array()) {
      if (RefName(entry) != tag) continue;
      BW_TRY(Digest digest, Digest::Parse(DigestOf(entry)));
      auto manifest = ReadDocument(*DirectoryFiles(path_), digest);
      if (!manifest && (manifest.error().code == Errc::kNotFound || manifest.error().code == Errc::kDigest)) break;  // nothing to lose
      if (!manifest) return manifest.error();
      return std::optional(*std::move(manifest));
    }
    return std::optional<FetchedManifest>();
  }

  Status Expect(const std::vector<CopiedManifest>& manifests) override {
    BW_TRY(bool there, Open());
    if (there) BW_CHECK(CheckVersion());
    formats::json::array entries;
    for (const auto& m : manifests) {
      if (!HasEntry(m)) continue;
      BW_TRY(auto entry, EntryOf(m));
      entries.push_back(std::move(entry));
    }
    BW_CHECK(NewIndex(entries));
    return {};
  }

  // What a crash left with the right size need not have the right bytes.
  Result<bool> HasBlob(const formats::Descriptor& blob) override {
    BW_TRY(bool there, Open());
    if (!there) return false;
    auto fd = root_->OpenPlain(BlobFile(blob.digest));
    if (!fd && fd.error().code == Errc::kNotFound) return false;
    if (!fd) return fd.error().Wrap(path_);
    OpenedFile file;
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0) return ErrnoError("stat " + BlobFile(blob.digest));
    file.fd = *std::move(fd);
    file.size = static_cast<std::uint64_t>(info.st_size);
    Status same = VerifyFile(blob, file);
    if (!same && same.error().code != Errc::kDigest) return same.error();
    return same.ok();
  }
  Result<bool> MountBlob(const formats::Descriptor&) override { return false; }

  // A file without a name in the layout's own file system; where that is not possible, one that is removed on failure.
  Result<UniqueFd> MakeSpool() override {
    DropPart();
    BW_CHECK(Make());
    UniqueFd fd(::openat(blobs_->fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
    if (fd) return fd;
    return blobs_->MakeTemporary(kPart, part_);
  }

  Status PutBlob(const formats::Descriptor& blob, BlobBytes bytes, const Moved& moved) override {
    if (bytes.spooled && bytes.verified) return Name(bytes.file.fd.get(), blob.digest);
    BW_TRY(UniqueFd fd, MakeSpool());
    BW_CHECK(CopyVerified(blob, bytes.file, fd.get(), moved));
    return Name(fd.get(), blob.digest);
  }

  Result<bool> HasManifest(const formats::Descriptor& manifest) override { return HasBlob(manifest); }

  Result<std::string> PutManifest(const CopiedManifest& copied) override {
    formats::Descriptor d;
    d.digest = copied.manifest.digest;
    d.size = copied.manifest.bytes.size();
    BW_TRY(bool there, HasBlob(d));
    if (!there) {
      BW_TRY(UniqueFd fd, MakeSpool());
      BW_CHECK(WriteAll(fd.get(), copied.manifest.bytes));
      BW_CHECK(Rename(fd.get(), d.digest));
      unsynced_.push_back(std::move(fd));
      if (unsynced_.size() >= kUnsynced) BW_CHECK(SyncManifests());
    }
    if (!HasEntry(copied)) return std::string();
    BW_TRY(auto entry, EntryOf(copied));
    entries_.push_back(std::move(entry));
    return std::string();
  }

  Status PutReferrers() override { return {}; }

  Status Finish() override {
    BW_CHECK(Make());
    BW_TRY(UniqueFd lock, Lock());
    BW_TRY(std::string index, NewIndex(entries_));
    BW_CHECK(SyncManifests());
    // Names of files first, then what names them: after a power cut the index finds all it lists.
    for (const char* name : {"sha256", "sha512"}) {
      auto folder = blobs_->Below(name);
      if (folder) BW_CHECK(folder->Sync());
    }
    BW_CHECK(blobs_->Sync());
    BW_CHECK(root_->Replace("index.json", index));
    entries_.clear();
    return {};
  }

 private:
  // False: there is no such directory yet.
  Result<bool> Open() {
    if (root_) return true;
    auto root = Folder::Open(path_);
    if (!root && root.error().code == Errc::kNotFound) return false;
    if (!root) return root.error();
    root_ = *std::move(root);
    return true;
  }

  Status Make() {
    if (blobs_) return {};
    if (!root_) {
      BW_TRY(root_, Folder::Make(path_));
    }
    BW_TRY(blobs_, root_->MakeBelow("blobs"));
    blobs_->RemoveLeft(kPart);
    root_->RemoveLeft(".bulwark-");
    return {};
  }

  void DropPart() {
    if (!part_.empty() && blobs_) ::unlinkat(blobs_->fd(), part_.c_str(), 0);
    part_.clear();
  }

  Status Name(int fd, const Digest& digest) {
    if (::fdatasync(fd) != 0) return ErrnoError("write " + path_ + "/" + BlobFile(digest));
    return Rename(fd, digest);
  }

  // There may be thousands of manifests, and a disk syncs a hundred files a second: many are synced together, before index.json
  // names them. What a power cut leaves of them is found out by its digest, and copied again.
  Status SyncManifests() {
    const bool many = unsynced_.size() >= kUnsynced;
    if (many && ::syncfs(root_->fd()) != 0) return ErrnoError("write " + path_);
    for (const auto& fd : unsynced_)
      if (::fdatasync(fd.get()) != 0) return ErrnoError("write " + path_);
    unsynced_.clear();
    return {};
  }

  // Over what has the name, if it has other bytes: never is there nothing under it.
  Status Rename(int fd, const Digest& digest) {
    BW_TRY(Folder folder, blobs_->MakeBelow(std::string(digest.algorithm_name())));
    if (part_.empty()) BW_CHECK(NamePart(fd));
    if (::renameat(blobs_->fd(), part_.c_str(), folder.fd(), digest.hex().c_str()) != 0) return ErrnoError("rename to " + path_ + "/" + BlobFile(digest));
    part_.clear();
    return {};
  }

  Status NamePart(int fd) {
    const std::string from = "/proc/self/fd/" + std::to_string(fd);
    BW_TRY(std::string name, RandomName(kPart));
    (void)LockFile(fd, std::chrono::milliseconds(0));  // against RemoveLeft; nobody else can have it
    if (::linkat(AT_FDCWD, from.c_str(), blobs_->fd(), name.c_str(), AT_SYMLINK_FOLLOW) != 0) return ErrnoError("name a file in " + path_ + "/blobs");
    part_ = name;
    return {};
  }

  // Of index.json, held while it is read and written. On oci-layout, which every layout has and nobody needs to replace.
  Result<UniqueFd> Lock() {
    BW_TRY(UniqueFd fd, root_->OpenAt("oci-layout", O_RDWR | O_CREAT | O_NONBLOCK, 0644));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return Error{Errc::kInvalid, path_ + "/oci-layout is not a plain file"};
    Status locked = LockFile(fd.get(), limits::kLayoutLock);
    if (!locked) return locked.error().Wrap(path_ + "/oci-layout");
    if (info.st_size == 0) BW_CHECK(WriteAll(fd.get(), R"({"imageLayoutVersion":"1.0.0"})"));
    if (info.st_size == 0 && ::fsync(fd.get()) != 0) return ErrnoError("write " + path_ + "/oci-layout");
    return fd;
  }

  // image-layout.md: "The imageLayoutVersion … will be changed when the layout changes incompatibly".
  Status CheckVersion() const {
    auto text = root_->Read("oci-layout", limits::kKiB * 4);
    if (!text && text.error().code == Errc::kNotFound) return {};
    if (!text) return text.error();
    if (text->empty()) return {};
    auto value = formats::ParseJson(*text);
    const auto* object = value ? value->if_object() : nullptr;
    const std::string version = object ? Text(object->if_contains("imageLayoutVersion")) : "";
    if (version.starts_with("1.")) return {};
    return {Errc::kUnsupported, path_ + "/oci-layout is not that of a layout of version 1"};
  }

  // index.json with `entries`: what readers can take, or kLimit.
  Result<std::string> NewIndex(const formats::json::array& entries) const {
    BW_TRY(auto index, PresentIndex());
    // A name moves to the new image; what had no name needs no entry beside the new one.
    std::set<std::string> names, digests;
    for (const auto& entry : entries) {
      names.insert(RefName(entry));
      digests.insert(DigestOf(entry));
    }
    formats::json::array kept;
    for (auto& entry : index["manifests"].as_array()) {
      const std::string name = RefName(entry);
      if (!(name.empty() ? digests.contains(DigestOf(entry)) : names.contains(name))) kept.push_back(std::move(entry));
    }
    kept.insert(kept.end(), entries.begin(), entries.end());
    const bool too_many = kept.size() > limits::kManifestDescriptors;
    index["manifests"] = std::move(kept);
    std::string text = formats::json::serialize(index);
    if (!too_many && text.size() <= limits::kManifestBytes) return text;
    return Error{Errc::kLimit, path_ + "/index.json would have more than " + std::to_string(limits::kManifestDescriptors) + " entries or 4 MiB, which nobody reads; copy into another layout"};
  }

  Result<formats::json::object> PresentIndex() const {
    formats::json::object none{{"schemaVersion", 2}, {"mediaType", formats::kOciIndex}, {"manifests", formats::json::array()}};
    if (!root_) return none;
    auto text = root_->Read("index.json", limits::kManifestBytes);
    if (!text && text.error().code == Errc::kNotFound) return none;
    if (!text) return text.error();
    auto value = formats::ParseJson(*text);
    if (!value) return value.error().Wrap(path_ + "/index.json");
    auto* object = value->if_object();
    auto* manifests = object ? object->if_contains("manifests") : nullptr;
    if (!manifests || !manifests->if_array()) return Error{Errc::kInvalid, path_ + "/index.json is no index"};
    return std::move(*object);
  }

  std::string path_;
  std::optional<Folder> root_, blobs_;
  std::vector<UniqueFd> unsynced_;  // manifests
  std::string part_;  // name of the spool in blobs/, where it has one
  formats::json::array entries_;
};

}  // namespace

std::unique_ptr<CopyTarget> LayoutTarget(std::string path) { return std::make_unique<Layout>(std::move(path)); }

}  // namespace bulwark::remote
