#pragma once
// A directory whose contents somebody else may have laid out: what is opened in it by name stays in it, whatever links say.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark {

enum class Links : std::uint8_t {
  kRefuse,
  kInside,  // followed as long as they stay inside; refused where the kernel cannot tell (before Linux 5.6)
};

class Folder {
 public:
  // A link at `path` itself is followed: whoever named it meant it. kNotFound, kIo.
  static Result<Folder> Open(const std::string& path);
  // Makes it, and what is above it, where it is not there.
  static Result<Folder> Make(const std::string& path);

  // `name`: parts joined by '/', none of them empty, "." or "..". kNotFound; kInvalid: another name, or a link that is refused.
  Result<UniqueFd> OpenAt(const std::string& name, int flags, unsigned mode = 0, Links links = Links::kRefuse) const;
  // A plain file for reading; kInvalid for a device, pipe or directory.
  Result<UniqueFd> OpenPlain(const std::string& name, Links links = Links::kRefuse) const;
  // A whole plain file; kLimit.
  Result<std::string> Read(const std::string& name, std::uint64_t limit) const;
  Result<Folder> Below(const std::string& name) const;
  // One level; made where it is not there.
  Result<Folder> MakeBelow(const std::string& name) const;

  // A new file of a random name that begins with `prefix`, locked while it is open: RemoveLeft leaves it alone.
  Result<UniqueFd> MakeTemporary(const std::string& prefix, std::string& name) const;
  // Removes files that MakeTemporary made in processes which are gone.
  void RemoveLeft(const std::string& prefix) const;
  // Writes a temporary file, syncs it, renames it to `name` (one part), syncs the folder.
  Status Replace(const std::string& name, std::string_view bytes) const;
  Status Sync() const;

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }  // for messages

 private:
  Folder(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string path_;
};

// `prefix` and 16 hex digits that nobody can guess.
Result<std::string> RandomName(const std::string& prefix);

// flock(2) for this process alone; kConflict if another one still has it after `patience`. The kernel lets go of it when `fd`
// is closed.
Status LockFile(int fd, std::chrono::milliseconds patience);

namespace folder_detail {
// What OpenAt does where there is no openat2: no link is followed at all. For tests.
Result<UniqueFd> OpenByWalking(int folder, const std::string& name, int flags, unsigned mode);
}  // namespace folder_detail

}  // namespace bulwark
