#pragma once
// The database of an embedded installation (DESIGN 2.14): SQLite, write-ahead log, synchronous FULL.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/db/database.h"
#include "storage/disk_reserve.h"
#include "storage/file_system.h"

namespace bulwark::storage {

// "BWK1": PRAGMA application_id; PRAGMA user_version is kDatabaseFormat (docs/formats/database.md).
inline constexpr std::int32_t kDatabaseMagic = 0x42574b31;
inline constexpr std::int32_t kDatabaseFormat = 1;

struct SqliteOptions {
  std::size_t readers = 8;        // connections, opened as they are needed
  std::size_t batch = 256;        // closures that one commit may hold
  std::int64_t cache_kib = 2048;  // of each reader
  std::int64_t writer_cache_kib = 16'384;  // what a collector's batch touches
  std::int64_t mmap_mib = 256;    // of each reader; shared pages
  std::vector<std::string_view> quiet = {};  // tables whose changes do not raise generation(); literals
  int checkpoint_pages = kDatabaseLogBytes / 4096;  // of the log, after which it is copied into the database
};

// Opens or makes the file. Writes run on one thread that commits all closures that wait in one transaction, each inside
// its savepoint; a closure that leaves by an exception rolls back alone and the exception reaches its caller. Calling
// WriteAny inside a closure is a bug (kInternal). The destructor runs what waits. With PosixFileSystem() SQLite's own
// unix VFS is used, else sqlite_vfs.h over `files`, which outlives the database. kCorrupt: no database, or not one of
// ours; kUnsupported: a newer format.
Result<std::unique_ptr<Database>> OpenSqlite(const std::string& path, FileSystem& files,
                                             const SqliteOptions& options = {});

}  // namespace bulwark::storage
