#pragma once
// SQLite over our FileSystem, so that fault injection and simulated power cuts cover SQLite's own files too. Locks and
// the shared-memory index stay with SQLite's unix VFS: they do not outlive a crash.

#include <memory>
#include <string>

#include "base/result.h"
#include "storage/file_system.h"

namespace bulwark::storage {

// Registered with SQLite until destroyed; all connections through it must be closed by then. `files` outlives it.
class SqliteVfs {
 public:
  static Result<std::unique_ptr<SqliteVfs>> Register(FileSystem& files);
  ~SqliteVfs();
  SqliteVfs(const SqliteVfs&) = delete;
  SqliteVfs& operator=(const SqliteVfs&) = delete;

  const char* name() const;
  struct State;

 private:
  explicit SqliteVfs(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::storage
