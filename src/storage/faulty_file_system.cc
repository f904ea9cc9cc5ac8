#include "storage/faulty_file_system.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <utility>

namespace bulwark::storage {

// A change, in the order in which calls returned. Failed calls leave only what they did.
struct FaultyFileSystem::Operation {
  enum class Kind { kCreate, kWrite, kTruncate, kSync, kSyncFailed, kRename, kRemove, kMakeDirectory, kSyncDirectory };
  Kind kind;
  int inode = 0;
  std::uint64_t offset = 0;  // kWrite; kTruncate: the new size
  Bytes data;
  std::string path, to;  // relative to the root; "" is the root
};

// The model: what is durable, and what only would be.
struct FaultyFileSystem::Disk {
  using Kind = Operation::Kind;
  struct Pending {
    bool truncate;
    std::uint64_t offset;
    const Bytes* data;  // owned by the log
  };
  struct Inode {
    Bytes durable;
    std::vector<Pending> pending;
  };
  // A change of one name in one directory: 0 removes it.
  struct NameChange {
    std::string name;
    int inode;
  };
  struct Directory {
    std::map<std::string, int> durable, present;
    std::vector<NameChange> pending;
  };
  std::map<int, Inode> inodes;
  std::map<std::string, Directory> directories;

  static std::pair<std::string, std::string> SplitPath(const std::string& path) {
    auto slash = path.rfind('/');
    if (slash == std::string::npos) return {"", path};
    return {path.substr(0, slash), path.substr(slash + 1)};
  }
  void SetName(const std::string& path, int inode) {
    auto [directory, name] = SplitPath(path);
    Directory& d = directories[directory];
    if (inode) d.present[name] = inode;
    else d.present.erase(name);
    d.pending.push_back({name, inode});
  }
  int InodeOf(const std::string& path) {
    auto [directory, name] = SplitPath(path);
    return directories[directory].present[name];
  }
  static void ApplyWrite(Bytes& content, const Pending& p, std::size_t length) {
    if (p.truncate) {
      content.resize(p.offset);
      return;
    }
    if (content.size() < p.offset + length) content.resize(p.offset + length);
    std::copy_n(p.data->begin(), length, content.begin() + static_cast<std::ptrdiff_t>(p.offset));
  }
  static void ApplyName(Directory& d, const NameChange& change) {
    if (change.inode) d.durable[change.name] = change.inode;
    else d.durable.erase(change.name);
  }
  void SyncInode(Inode& inode) {
    for (const Pending& p : inode.pending) ApplyWrite(inode.durable, p, p.data ? p.data->size() : 0);
    inode.pending.clear();
  }

  void Apply(const Operation& op) {
    switch (op.kind) {
      case Kind::kCreate: SetName(op.path, op.inode); break;
      case Kind::kWrite: inodes[op.inode].pending.push_back({false, op.offset, &op.data}); break;
      case Kind::kTruncate: inodes[op.inode].pending.push_back({true, op.offset, nullptr}); break;
      case Kind::kSync: SyncInode(inodes[op.inode]); break;
      case Kind::kSyncFailed: inodes[op.inode].pending.clear(); break;
      case Kind::kRename: {
        const int inode = InodeOf(op.path);
        SetName(op.path, 0);
        SetName(op.to, inode);
        break;
      }
      case Kind::kRemove: SetName(op.path, 0); break;
      case Kind::kMakeDirectory: directories[op.path]; break;
      case Kind::kSyncDirectory: {
        Directory& d = directories[op.path];
        d.durable = d.present;
        d.pending.clear();
        break;
      }
    }
  }

  // Lets a random part of what is unsynced reach the disk.
  void Spill(std::mt19937_64& random) {
    for (auto& [number, inode] : inodes) {
      for (const Pending& p : inode.pending) {
        if (random() % 2) continue;
        std::size_t length = p.data ? p.data->size() : 0;
        if (length > 512 && random() % 4 == 0) length = 512 * (random() % (length / 512));
        ApplyWrite(inode.durable, p, length);
      }
    }
    for (auto& [path, d] : directories)
      for (const NameChange& change : d.pending)
        if (random() % 2) ApplyName(d, change);
  }

  Status WriteTo(const std::string& target) const {
    FileSystem& files = PosixFileSystem();
    for (const auto& [path, directory] : directories) {
      const std::string full = path.empty() ? target : target + "/" + path;
      std::filesystem::create_directories(full);
      for (const auto& [name, number] : directory.durable) {
        BW_TRY(auto file, files.Open(full + "/" + name, OpenMode::kCreateNew));
        auto inode = inodes.find(number);
        if (inode != inodes.end()) BW_CHECK(file->WriteAt(0, inode->second.durable));
      }
    }
    return {};
  }
};

class FaultyFileSystem::RecordedFile final : public File {
 public:
  RecordedFile(FaultyFileSystem& owner, std::unique_ptr<File> file, int inode)
      : owner_(owner), file_(std::move(file)), inode_(inode) {}

  Status WriteAt(std::uint64_t offset, ByteSpan bytes) override {
    const auto fault = owner_.Due(Call::kWrite);
    if (fault && *fault != Fault::kShortWrite) return ErrorOf(*fault, "write");
    if (fault) bytes = bytes.first(bytes.size() / 2);
    BW_CHECK(file_->WriteAt(offset, bytes));
    if (!bytes.empty())
      owner_.Record({Operation::Kind::kWrite, inode_, offset, Bytes(bytes.begin(), bytes.end()), {}, {}});
    if (fault) return ErrorOf(*fault, "write");
    return {};
  }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    return file_->ReadAt(offset, into);
  }
  Result<std::uint64_t> Size() const override { return file_->Size(); }
  Status Truncate(std::uint64_t size) override {
    BW_CHECK(owner_.Checked(Call::kTruncate));
    BW_CHECK(file_->Truncate(size));
    owner_.Record({Operation::Kind::kTruncate, inode_, size, {}, {}, {}});
    return {};
  }
  Status SyncData() override {
    if (const auto fault = owner_.Due(Call::kSync)) {
      owner_.Record({Operation::Kind::kSyncFailed, inode_, 0, {}, {}, {}});
      return ErrorOf(*fault, "sync");
    }
    if (owner_.sync_ == Sync::kHonoured) owner_.Record({Operation::Kind::kSync, inode_, 0, {}, {}, {}});
    return {};
  }
  int fd() const override { return file_->fd(); }

  static Error ErrorOf(Fault fault, std::string_view what) {
    if (fault == Fault::kNoSpace) return {Errc::kUnavailable, std::string(what) + ": no space left (injected)"};
    return {Errc::kIo, std::string(what) + ": input/output error (injected)"};
  }

 private:
  FaultyFileSystem& owner_;
  std::unique_ptr<File> file_;
  int inode_;
};

FaultyFileSystem::FaultyFileSystem(std::string root, Sync sync)
    : root_(std::move(root)), sync_(sync), start_(std::make_unique<Disk>()) {
  MutexLock lock(mutex_);
  Scan("");
}
FaultyFileSystem::~FaultyFileSystem() = default;

void FaultyFileSystem::Scan(const std::string& directory) {
  Disk::Directory& d = start_->directories[directory];
  for (const auto& entry : std::filesystem::directory_iterator(root_ + "/" + directory)) {
    const std::string name = entry.path().filename();
    const std::string path = directory.empty() ? name : directory + "/" + name;
    if (entry.is_directory()) {
      Scan(path);
    } else if (auto bytes = ReadFile(entry.path(), UINT64_MAX)) {
      const int inode = next_inode_++;
      inodes_[path] = inode;
      d.durable[name] = d.present[name] = inode;
      const ByteSpan view = AsBytes(*bytes);
      start_->inodes[inode].durable.assign(view.begin(), view.end());
    }
  }
}

void FaultyFileSystem::FailNth(std::size_t n, Fault fault, std::function<bool(Call)> matches) {
  MutexLock lock(mutex_);
  due_ = n;
  fault_ = fault;
  matches_ = std::move(matches);
  failed_ = false;
}

void FaultyFileSystem::Pause(bool paused) {
  MutexLock lock(mutex_);
  paused_ = paused;
}

bool FaultyFileSystem::failed() const {
  MutexLock lock(mutex_);
  return failed_;
}

std::size_t FaultyFileSystem::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

std::optional<FaultyFileSystem::Fault> FaultyFileSystem::Due(Call call) const {
  MutexLock lock(mutex_);
  if (paused_) return std::nullopt;
  ++calls_;
  if (due_ == 0 || (matches_ && !matches_(call))) return std::nullopt;
  --due_;
  if (due_ > 0) return std::nullopt;
  failed_ = true;
  return fault_;
}

Status FaultyFileSystem::Checked(Call call) const {
  if (auto fault = Due(call)) return RecordedFile::ErrorOf(*fault, "file system");
  return {};
}

void FaultyFileSystem::Record(Operation operation) {
  MutexLock lock(mutex_);
  log_.push_back(std::move(operation));
}

std::size_t FaultyFileSystem::operations() const {
  MutexLock lock(mutex_);
  return log_.size();
}

Status FaultyFileSystem::PowerCut(std::size_t operations, Unsynced unsynced, std::uint64_t seed,
                                  const std::string& to) const {
  MutexLock lock(mutex_);
  Disk disk = *start_;
  for (std::size_t i = 0; i < std::min(operations, log_.size()); ++i) disk.Apply(log_[i]);
  std::mt19937_64 random(seed);
  if (unsynced == Unsynced::kRandom) disk.Spill(random);
  return disk.WriteTo(to);
}

std::string FaultyFileSystem::Relative(const std::string& path) const {
  if (path == root_) return "";
  return path.starts_with(root_ + "/") ? path.substr(root_.size() + 1) : path;
}

Result<std::unique_ptr<File>> FaultyFileSystem::Open(const std::string& path, OpenMode mode) {
  BW_CHECK(Checked(Call::kOpen));
  const std::string name = Relative(path);
  MutexLock lock(mutex_);
  BW_TRY(auto file, PosixFileSystem().Open(path, mode));
  auto [found, made] = inodes_.try_emplace(name, next_inode_);
  if (made) {
    ++next_inode_;
    log_.push_back({Operation::Kind::kCreate, found->second, 0, {}, name, {}});
  }
  return std::unique_ptr<File>(std::make_unique<RecordedFile>(*this, std::move(file), found->second));
}

Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  BW_CHECK(Checked(Call::kRename));
  MutexLock lock(mutex_);
  BW_CHECK(PosixFileSystem().Rename(from, to));
  inodes_[Relative(to)] = inodes_[Relative(from)];
  inodes_.erase(Relative(from));
  log_.push_back({Operation::Kind::kRename, 0, 0, {}, Relative(from), Relative(to)});
  return {};
}

Status FaultyFileSystem::Remove(const std::string& path) {
  BW_CHECK(Checked(Call::kRemove));
  MutexLock lock(mutex_);
  BW_CHECK(PosixFileSystem().Remove(path));
  inodes_.erase(Relative(path));
  log_.push_back({Operation::Kind::kRemove, 0, 0, {}, Relative(path), {}});
  return {};
}

// The contract promises durable entries; without fsync the whole tree below hangs on names that may be lost, which the
// control experiment does not need.
Status FaultyFileSystem::MakeDirectory(const std::string& path) {
  BW_CHECK(Checked(Call::kMakeDirectory));
  MutexLock lock(mutex_);
  BW_CHECK(PosixFileSystem().MakeDirectory(path));
  const std::string name = Relative(path);
  for (auto slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1))
    log_.push_back({Operation::Kind::kMakeDirectory, 0, 0, {}, name.substr(0, slash), {}});
  log_.push_back({Operation::Kind::kMakeDirectory, 0, 0, {}, name, {}});
  return {};
}

Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  if (auto fault = Due(Call::kSyncDirectory)) return RecordedFile::ErrorOf(*fault, "sync directory");
  if (sync_ == Sync::kHonoured) Record({Operation::Kind::kSyncDirectory, 0, 0, {}, Relative(path), {}});
  return {};
}

Result<std::uint64_t> FaultyFileSystem::FreeBytes(const std::string& directory) const {
  return PosixFileSystem().FreeBytes(directory);
}

Status FaultyFileSystem::Each(const std::string& directory, const std::function<void(const std::string&)>& each) const {
  BW_CHECK(Checked(Call::kList));
  return PosixFileSystem().Each(directory, each);
}

}  // namespace bulwark::storage
