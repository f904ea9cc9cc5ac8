#include "storage/blob/file_driver.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "base/sync.h"
#include "crypto/hash.h"
#include "storage/blob/directory_sync.h"
#include "storage/disk_reserve.h"

namespace bulwark::storage {
namespace {

constexpr std::size_t kUploadIdBytes = 64;
constexpr std::size_t kHashBuffer = 256 * 1024;
constexpr std::uint64_t kWriteOut = 8 * 1024 * 1024;  // what an upload leaves to the sync of its commit, at most

bool IsLowerHex(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

class FileReader final : public BlobReader {
 public:
  FileReader(std::unique_ptr<File> file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    return file_->ReadAt(offset, into);
  }
  int fd() const override { return file_->fd(); }

 private:
  std::unique_ptr<File> file_;
  std::uint64_t size_;
};

class FileDriver final : public BlobDriver {
 public:
  FileDriver(std::string directory, FileSystem& files)
      : blobs_(directory + "/blobs"), uploads_(directory + "/uploads"), files_(files), sync_(files) {}
  Status Prepare() {
    BW_CHECK(files_.MakeDirectory(blobs_));
    return files_.MakeDirectory(uploads_);
  }

  Result<BlobInfo> Stat(const BlobKey& key) const override;
  Result<std::unique_ptr<BlobReader>> Open(const BlobKey& key) const override;
  Result<std::unique_ptr<BlobWriter>> Upload(const std::string& upload_id) override;
  Status Remove(const BlobKey& key) override;
  Status Each(const std::function<bool(const BlobInfo&)>& each) const override;
  Status EachUpload(const std::function<bool(const std::string& upload_id)>& each) const override;

  // For the writers.
  FileSystem& files() { return files_; }
  std::string SpoolPath(const std::string& upload_id) const { return uploads_ + "/" + upload_id; }
  Status CheckSpace(std::uint64_t bytes) const override;
  Status Publish(const std::string& spool, const BlobKey& key);
  void Close(const std::string& upload_id);

 private:
  std::string Shard(const BlobKey& key) const;
  std::string PathOf(const BlobKey& key) const { return Shard(key) + "/" + key.digest.hex(); }
  Result<std::vector<std::string>> List(const std::string& directory) const;
  // False once `each` wants no more.
  Result<bool> EachOf(std::uint32_t domain, std::string_view algorithm, const std::vector<std::string>& names,
                      const std::function<bool(const BlobInfo&)>& each) const;

  const std::string blobs_, uploads_;
  FileSystem& files_;
  DirectorySync sync_;
  mutable Mutex mutex_;
  std::unordered_set<std::string> open_uploads_ BW_GUARDED_BY(mutex_);
  std::unordered_set<std::string> made_shards_ BW_GUARDED_BY(mutex_);
};

class FileWriter final : public BlobWriter {
 public:
  FileWriter(FileDriver& driver, std::string upload_id, std::unique_ptr<File> spool, std::uint64_t size)
      : driver_(driver), id_(std::move(upload_id)), spool_(std::move(spool)), size_(size) {}
  ~FileWriter() override { driver_.Close(id_); }

  Status Append(ByteSpan bytes) override;
  std::uint64_t size() const override { return size_; }
  int spool_fd() const override { return spool_->fd(); }
  Status Commit(const Digest& expected) override;
  void Cancel() override;

 private:
  Status CatchUp();
  Status ReadThrough(crypto::Hasher& hasher, std::uint64_t until) const;
  Status CheckDigest(const Digest& expected);

  FileDriver& driver_;
  std::string id_;
  std::unique_ptr<File> spool_;
  std::uint64_t size_;
  std::uint64_t written_out_ = size_;     // the kernel was asked to write up to here
  std::optional<crypto::Hasher> sha256_;  // of size_ bytes; absent until something was appended after opening
  std::optional<Digest> digest_;          // finished at size_
  bool spent_ = false;
};

// After a failure the file is cut back to what it held, so that a client can go on where the answer says.
Status FileWriter::Append(ByteSpan bytes) {
  if (spent_) return Error{Errc::kConflict, "the upload is finished"};
  BW_CHECK(driver_.CheckSpace(bytes.size()));
  BW_CHECK(CatchUp());
  if (Status written = spool_->WriteAt(size_, bytes); !written) {
    if (Status cut = spool_->Truncate(size_); !cut) LogWarning("upload: " + cut.error().message);
    return written;
  }
  sha256_->Update(bytes);
  size_ += bytes.size();
  if (size_ - written_out_ >= kWriteOut) {
    spool_->StartSync(written_out_, size_ - written_out_);
    written_out_ = size_;
  }
  return {};
}

// A resumed spool is hashed from its start; a Commit that failed on its digest has used up the running hash.
Status FileWriter::CatchUp() {
  if (sha256_) return {};
  crypto::Hasher hasher(crypto::HashKind::kSha256);
  BW_CHECK(ReadThrough(hasher, size_));
  sha256_.emplace(std::move(hasher));
  digest_.reset();
  return {};
}

Status FileWriter::ReadThrough(crypto::Hasher& hasher, std::uint64_t until) const {
  Bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(until, kHashBuffer)));
  for (std::uint64_t at = 0; at < until;) {
    const auto part =
        std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), until - at)));
    BW_CHECK(spool_->ReadAt(at, part));
    hasher.Update(part);
    at += part.size();
  }
  return {};
}

Status FileWriter::CheckDigest(const Digest& expected) {
  Digest actual;
  if (expected.algorithm() == DigestAlgorithm::kSha256) {
    if (!digest_) {
      BW_CHECK(CatchUp());
      digest_ = sha256_->FinishDigest();
      sha256_.reset();
    }
    actual = *digest_;
  } else {
    // Rare, so read again rather than hash everything twice on the way in.
    crypto::Hasher hasher(crypto::HashKind::kSha512);
    BW_CHECK(ReadThrough(hasher, size_));
    actual = hasher.FinishDigest();
  }
  if (actual != expected)
    return Error{Errc::kDigest, "the uploaded " + std::to_string(size_) + " bytes have the digest " + actual.str() +
                                    ", not " + expected.str()};
  return {};
}

Status FileWriter::Commit(const Digest& expected) {
  if (spent_) return Error{Errc::kConflict, "the upload is finished"};
  BW_CHECK(CheckDigest(expected));
  if (Status synced = spool_->SyncData(); !synced) {
    Cancel();
    return synced;
  }
  Status published = driver_.Publish(driver_.SpoolPath(id_), {0, expected});
  // Not to be written any more even if it failed: the spool may be the blob's file by now.
  if (!published) Cancel();
  spent_ = true;
  return published;
}

void FileWriter::Cancel() {
  if (std::exchange(spent_, true)) return;
  Status removed = driver_.files().Remove(driver_.SpoolPath(id_));
  if (!removed && removed.error().code != Errc::kNotFound) LogWarning("upload: " + removed.error().message);
}

std::string FileDriver::Shard(const BlobKey& key) const {
  return blobs_ + "/" + std::to_string(key.domain) + "/" + std::string(key.digest.algorithm_name()) + "/" +
         key.digest.hex().substr(0, 2);
}

Result<BlobInfo> FileDriver::Stat(const BlobKey& key) const {
  BW_TRY(auto file, files_.Open(PathOf(key), OpenMode::kRead));
  BW_TRY(std::uint64_t size, file->Size());
  return BlobInfo{key, size};
}

Result<std::unique_ptr<BlobReader>> FileDriver::Open(const BlobKey& key) const {
  BW_TRY(auto file, files_.Open(PathOf(key), OpenMode::kRead));
  BW_TRY(std::uint64_t size, file->Size());
  return std::unique_ptr<BlobReader>(std::make_unique<FileReader>(std::move(file), size));
}

Result<std::unique_ptr<BlobWriter>> FileDriver::Upload(const std::string& upload_id) {
  if (upload_id.size() > kUploadIdBytes || !IsLowerHex(upload_id)) return Error{Errc::kInvalid, "not an upload id"};
  {
    MutexLock lock(mutex_);
    if (!open_uploads_.insert(upload_id).second)
      return Error{Errc::kConflict, "another request is writing to the upload"};
  }
  auto opened = files_.Open(SpoolPath(upload_id), OpenMode::kCreate);
  auto size = opened ? (*opened)->Size() : Result<std::uint64_t>(opened.error());
  if (!size) {
    Close(upload_id);
    return std::move(size).error();
  }
  return std::unique_ptr<BlobWriter>(std::make_unique<FileWriter>(*this, upload_id, *std::move(opened), *size));
}

void FileDriver::Close(const std::string& upload_id) {
  MutexLock lock(mutex_);
  open_uploads_.erase(upload_id);
}

// Pushes stop while the database can still record log-ins, deletions and a collection: a disk that is full to the brim
// could only be freed from outside.
Status FileDriver::CheckSpace(std::uint64_t bytes) const {
  BW_TRY(const std::uint64_t left, files_.FreeBytes(uploads_));
  if (left >= bytes && left - bytes >= kDiskLeftByPushes) return {};
  return Error{Errc::kUnavailable, "No space left for uploads: only " + FormatBytes(left) + " are free"};
}

// The data is durable already. Renaming over a blob that is there replaces it by the same bytes, and mends it if it was
// damaged.
Status FileDriver::Publish(const std::string& spool, const BlobKey& key) {
  const std::string shard = Shard(key);
  bool made;
  {
    MutexLock lock(mutex_);
    made = made_shards_.contains(shard);
  }
  if (!made) {
    BW_CHECK(files_.MakeDirectory(shard));
    MutexLock lock(mutex_);
    made_shards_.insert(shard);
  }
  BW_CHECK(files_.Rename(spool, PathOf(key)));
  return sync_.Sync(shard);
}

Status FileDriver::Remove(const BlobKey& key) {
  Status removed = files_.Remove(PathOf(key));
  if (!removed && removed.error().code == Errc::kNotFound) return {};
  return removed;
}

Result<std::vector<std::string>> FileDriver::List(const std::string& directory) const {
  std::vector<std::string> names;
  Status listed = files_.Each(directory, [&](const std::string& name) { names.push_back(name); });
  if (!listed && listed.error().code != Errc::kNotFound) return std::move(listed).error();
  std::sort(names.begin(), names.end());
  return names;
}

// Names that are not ours are passed over: lost+found, an editor's file.
Status FileDriver::Each(const std::function<bool(const BlobInfo&)>& each) const {
  BW_TRY(auto domains, List(blobs_));
  for (const std::string& domain : domains) {
    auto number = ParseUint(domain);
    if (!number || *number > UINT32_MAX) continue;
    for (const char* algorithm : {"sha256", "sha512"}) {
      const std::string root = blobs_ + "/" + domain + "/" + algorithm;
      BW_TRY(auto shards, List(root));
      for (const std::string& shard : shards) {
        if (shard.size() != 2 || !IsLowerHex(shard)) continue;
        BW_TRY(auto names, List(root + "/" + shard));
        BW_TRY(bool more, EachOf(static_cast<std::uint32_t>(*number), algorithm, names, each));
        if (!more) return {};
      }
    }
  }
  return {};
}

Result<bool> FileDriver::EachOf(std::uint32_t domain, std::string_view algorithm, const std::vector<std::string>& names,
                                const std::function<bool(const BlobInfo&)>& each) const {
  for (const std::string& name : names) {
    auto digest = Digest::Parse(std::string(algorithm) + ":" + name);
    if (!digest) continue;
    auto info = Stat({domain, *digest});
    if (!info && info.error().code == Errc::kNotFound) continue;  // removed meanwhile
    if (!info) return std::move(info).error();
    if (!each(*info)) return false;
  }
  return true;
}

Status FileDriver::EachUpload(const std::function<bool(const std::string& upload_id)>& each) const {
  BW_TRY(auto names, List(uploads_));
  for (const std::string& name : names) {
    if (name.size() > kUploadIdBytes || !IsLowerHex(name)) continue;
    if (!each(name)) return {};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<BlobDriver>> OpenFileDriver(const std::string& directory, FileSystem& files) {
  auto driver = std::make_unique<FileDriver>(directory, files);
  BW_CHECK(driver->Prepare());
  return std::unique_ptr<BlobDriver>(std::move(driver));
}

}  // namespace bulwark::storage
