#pragma once
// One process owns a data directory (DESIGN 2.22).

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark::storage {

// Holds flock(2) on DIRECTORY/lock until it is destroyed; the kernel lets go of it when the process dies, and a child that
// it was just starting.
class DirectoryLock {
 public:
  // Makes the directory (0700) if it is absent. kConflict: another process holds it, for 2 s now (its pid
  // is in the message).
  static Result<DirectoryLock> Take(const std::string& directory);

 private:
  explicit DirectoryLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace bulwark::storage
