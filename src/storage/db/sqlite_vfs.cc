// A "shim" VFS (https://www.sqlite.org/vfs.html): what changes bytes or names on disk goes through FileSystem; locks,
// shared memory, time and randomness are the unix VFS's, on the same paths.

#include "storage/db/sqlite_vfs.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <sqlite3.h>

namespace bulwark::storage {

struct SqliteVfs::State {
  FileSystem* files;
  sqlite3_vfs* real;
  std::string name;
  sqlite3_vfs vfs{};
};

namespace {

// What SQLite allocates for an open file; the unix VFS's own object for the main database follows it in memory.
struct ShimFile {
  sqlite3_file base;
  File* file;           // owned; deleted by Close
  sqlite3_file* locks;  // null for WAL and journal files, which are never locked
  FileSystem* files;
  std::string* parent;  // owned; set until the first sync of a new WAL or journal has also synced its directory
};

ShimFile& Shim(sqlite3_file* file) { return *reinterpret_cast<ShimFile*>(file); }
FileSystem& Files(sqlite3_vfs* vfs) { return *static_cast<SqliteVfs::State*>(vfs->pAppData)->files; }
sqlite3_vfs* Real(sqlite3_vfs* vfs) { return static_cast<SqliteVfs::State*>(vfs->pAppData)->real; }

int CodeOf(const Status& status, int io_error) {
  if (status) return SQLITE_OK;
  return status.error().code == Errc::kUnavailable ? SQLITE_FULL : io_error;
}

std::string ParentOf(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

int Close(sqlite3_file* file) {
  ShimFile& shim = Shim(file);
  if (shim.locks && shim.locks->pMethods) shim.locks->pMethods->xClose(shim.locks);
  delete shim.file;
  delete shim.parent;
  return SQLITE_OK;
}

// Past the end SQLite wants zeros and SHORT_READ.
int Read(sqlite3_file* file, void* into, int amount, sqlite3_int64 offset) {
  File& f = *Shim(file).file;
  auto size = f.Size();
  if (!size) return SQLITE_IOERR_READ;
  const auto begin = static_cast<std::uint64_t>(offset);
  const std::uint64_t there =
      begin >= *size ? 0 : std::min<std::uint64_t>(*size - begin, static_cast<std::uint64_t>(amount));
  auto* bytes = static_cast<std::uint8_t*>(into);
  if (there && !f.ReadAt(begin, {bytes, static_cast<std::size_t>(there)})) return SQLITE_IOERR_READ;
  if (there == static_cast<std::uint64_t>(amount)) return SQLITE_OK;
  std::memset(bytes + there, 0, static_cast<std::size_t>(amount) - there);
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* from, int amount, sqlite3_int64 offset) {
  const ByteSpan bytes(static_cast<const std::uint8_t*>(from), static_cast<std::size_t>(amount));
  return CodeOf(Shim(file).file->WriteAt(static_cast<std::uint64_t>(offset), bytes), SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return CodeOf(Shim(file).file->Truncate(static_cast<std::uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int) {
  ShimFile& shim = Shim(file);
  if (int rc = CodeOf(shim.file->SyncData(), SQLITE_IOERR_FSYNC); rc != SQLITE_OK) return rc;
  if (!shim.parent) return SQLITE_OK;
  if (int rc = CodeOf(shim.files->SyncDirectory(*shim.parent), SQLITE_IOERR_DIR_FSYNC); rc != SQLITE_OK) return rc;
  delete std::exchange(shim.parent, nullptr);
  return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* out) {
  auto size = Shim(file).file->Size();
  if (!size) return SQLITE_IOERR_FSTAT;
  *out = static_cast<sqlite3_int64>(*size);
  return SQLITE_OK;
}

int Lock(sqlite3_file* file, int level) {
  sqlite3_file* locks = Shim(file).locks;
  return locks ? locks->pMethods->xLock(locks, level) : SQLITE_OK;
}
int Unlock(sqlite3_file* file, int level) {
  sqlite3_file* locks = Shim(file).locks;
  return locks ? locks->pMethods->xUnlock(locks, level) : SQLITE_OK;
}
int CheckReservedLock(sqlite3_file* file, int* out) {
  sqlite3_file* locks = Shim(file).locks;
  *out = 0;
  return locks ? locks->pMethods->xCheckReservedLock(locks, out) : SQLITE_OK;
}
int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 4096; }
int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }  // as the unix VFS assumes
int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  sqlite3_file* locks = Shim(file).locks;
  return locks->pMethods->xShmMap(locks, region, size, extend, out);
}
int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
  sqlite3_file* locks = Shim(file).locks;
  return locks->pMethods->xShmLock(locks, offset, n, flags);
}
void ShmBarrier(sqlite3_file* file) {
  sqlite3_file* locks = Shim(file).locks;
  locks->pMethods->xShmBarrier(locks);
}
int ShmUnmap(sqlite3_file* file, int remove) {
  sqlite3_file* locks = Shim(file).locks;
  return locks->pMethods->xShmUnmap(locks, remove);
}

constexpr sqlite3_io_methods kMethods = {
    2,
    Close,
    Read,
    Write,
    Truncate,
    Sync,
    FileSize,
    Lock,
    Unlock,
    CheckReservedLock,
    FileControl,
    SectorSize,
    DeviceCharacteristics,
    ShmMap,
    ShmLock,
    ShmBarrier,
    ShmUnmap,
    nullptr,
    nullptr,
};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* out, int flags, int* out_flags) {
  constexpr int kOurs = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
  if (!name || !(flags & kOurs)) return Real(vfs)->xOpen(Real(vfs), name, out, flags, out_flags);
  ShimFile* shim = new (out) ShimFile{};
  shim->files = &Files(vfs);
  const std::string path = name;
  auto file = shim->files->Open(path, OpenMode::kReadWrite);
  bool made = false;
  if (!file && file.error().code == Errc::kNotFound && (flags & SQLITE_OPEN_CREATE)) {
    file = shim->files->Open(path, OpenMode::kCreate);
    made = true;
  }
  if (!file) return SQLITE_CANTOPEN;
  if (flags & SQLITE_OPEN_MAIN_DB) {
    shim->locks = reinterpret_cast<sqlite3_file*>(shim + 1);
    std::memset(shim->locks, 0, static_cast<std::size_t>(Real(vfs)->szOsFile));
    const int rc = Real(vfs)->xOpen(Real(vfs), name, shim->locks, flags, out_flags);
    if (rc != SQLITE_OK) return rc;
  } else if (out_flags) {
    *out_flags = flags;
  }
  shim->file = file->release();
  if (made) shim->parent = new std::string(ParentOf(path));
  shim->base.pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  Status removed = Files(vfs).Remove(name);
  if (!removed) return removed.error().code == Errc::kNotFound ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
  if (!sync_directory) return SQLITE_OK;
  return CodeOf(Files(vfs).SyncDirectory(ParentOf(name)), SQLITE_IOERR_DIR_FSYNC);
}

int Exists(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
  return Real(vfs)->xAccess(Real(vfs), name, flags, out);
}
int FullPath(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  return Real(vfs)->xFullPathname(Real(vfs), name, size, out);
}
int Randomness(sqlite3_vfs* vfs, int size, char* out) { return Real(vfs)->xRandomness(Real(vfs), size, out); }
int Sleep(sqlite3_vfs* vfs, int microseconds) { return Real(vfs)->xSleep(Real(vfs), microseconds); }
int CurrentTime(sqlite3_vfs* vfs, double* out) { return Real(vfs)->xCurrentTime(Real(vfs), out); }
int CurrentTime64(sqlite3_vfs* vfs, sqlite3_int64* out) { return Real(vfs)->xCurrentTimeInt64(Real(vfs), out); }
int LastSystemError(sqlite3_vfs* vfs, int size, char* out) { return Real(vfs)->xGetLastError(Real(vfs), size, out); }

}  // namespace

Result<std::unique_ptr<SqliteVfs>> SqliteVfs::Register(FileSystem& files) {
  auto state = std::make_unique<State>();
  state->files = &files;
  state->real = sqlite3_vfs_find("unix");
  if (!state->real) return Error{Errc::kInternal, "SQLite has no unix VFS"};
  state->name = "bulwark-" + std::to_string(reinterpret_cast<std::uintptr_t>(state.get()));
  sqlite3_vfs& vfs = state->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(sizeof(ShimFile)) + state->real->szOsFile;
  vfs.mxPathname = state->real->mxPathname;
  vfs.zName = state->name.c_str();
  vfs.pAppData = state.get();
  vfs.xOpen = Open;
  vfs.xDelete = Delete;
  vfs.xAccess = Exists;
  vfs.xFullPathname = FullPath;
  vfs.xRandomness = Randomness;
  vfs.xSleep = Sleep;
  vfs.xCurrentTime = CurrentTime;
  vfs.xGetLastError = LastSystemError;
  vfs.xCurrentTimeInt64 = CurrentTime64;
  if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK) return Error{Errc::kInternal, "SQLite refused the VFS"};
  return std::unique_ptr<SqliteVfs>(new SqliteVfs(std::move(state)));
}

SqliteVfs::SqliteVfs(std::unique_ptr<State> state) : state_(std::move(state)) {}
SqliteVfs::~SqliteVfs() { sqlite3_vfs_unregister(&state_->vfs); }
const char* SqliteVfs::name() const { return state_->name.c_str(); }

}  // namespace bulwark::storage
