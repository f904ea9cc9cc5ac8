#include "sandbox/spawn.h"

#include <array>
#include <csignal>
#include <cstring>

#include <spawn.h>
#include <unistd.h>

namespace bulwark::sandbox {
namespace {

class SpawnSetup {
 public:
  explicit SpawnSetup(const Child& child) {
    posix_spawn_file_actions_init(&files_);
    for (auto [ours, theirs] : child.descriptors) posix_spawn_file_actions_adddup2(&files_, ours, theirs);
    posix_spawn_file_actions_addclosefrom_np(&files_, child.first_closed);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    const int session = child.session == Child::Session::kOwn ? POSIX_SPAWN_SETSID : 0;
    posix_spawnattr_setflags(&attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | session));
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&files_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  const posix_spawn_file_actions_t* files() const { return &files_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t files_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<pid_t> Spawn(const std::string& program, const Child& child) {
  const SpawnSetup setup(child);
  std::string name = child.name, verb = child.verb;
  std::array<char*, 3> arguments = {name.data(), verb.data(), nullptr};
  std::array<char*, 1> nothing = {nullptr};
  char** environment = child.environment == Child::Environment::kOurs ? environ : nothing.data();
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), setup.files(), setup.attributes(), arguments.data(), environment);
  if (error != 0) return Error{Errc::kUnavailable, "start " + program + " " + child.verb + ": " + std::strerror(error)};  // NOLINT(concurrency-mt-unsafe)
  return pid;
}

}  // namespace bulwark::sandbox
