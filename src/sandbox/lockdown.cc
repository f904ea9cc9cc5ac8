#include "sandbox/lockdown.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <new>

#include <grp.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "sandbox/sanitizers.h"
#include "sandbox/seccomp_filter.h"

namespace bulwark::sandbox {
namespace {

constexpr unsigned kNobody = 65534;

// Root becomes nobody: what root owns is then out of reach even of a kernel bug that only skips landlock.
void DropUser() {
  if (::geteuid() != 0) return;
  [[maybe_unused]] int groups = ::setgroups(0, nullptr);
  [[maybe_unused]] int group = ::setresgid(kNobody, kNobody, kNobody);
  [[maybe_unused]] int user = ::setresuid(kNobody, kNobody, kNobody);  // a container may forbid it; the rest holds
}

// A network without interfaces, and a user whose processes and threads are counted apart. Hosts and containers may forbid
// it. False: the user is shared.
bool Unshare() {
  int others = CLONE_NEWNET | CLONE_NEWIPC;
  if (::unshare(CLONE_NEWUSER | others) == 0) return true;
  [[maybe_unused]] int result = ::unshare(others);
  return false;
}

void Limit(int resource, std::uint64_t most) {
  rlimit limit = {most, most};
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);  // lowering never fails
}

void LimitResources(const LockLimits& most, bool own_user) {
  if (!kSanitizers) {
    Limit(RLIMIT_AS, most.address_space);
    Limit(RLIMIT_DATA, most.memory);
    Limit(RLIMIT_NOFILE, 16);
    // Shared, the count would be that of all the user's processes. Then threads are bounded by their stacks.
    if (own_user) Limit(RLIMIT_NPROC, 4);
  }
  Limit(RLIMIT_CPU, static_cast<std::uint64_t>(most.cpu.count()));
  Limit(RLIMIT_FSIZE, 0);
  Limit(RLIMIT_CORE, 0);
  Limit(RLIMIT_MEMLOCK, 0);
  Limit(RLIMIT_MSGQUEUE, 0);
}

// The kernel's struct landlock_ruleset_attr as of ABI 6; older kernels take a shorter one.
struct LandlockRuleset {
  std::uint64_t handled_access_fs;   // ABI 1
  std::uint64_t handled_access_net;  // ABI 4
  std::uint64_t scoped;              // ABI 6
};
static_assert(sizeof(LandlockRuleset) == 24);

// Handles every right that the kernel knows and grants none. Debian 12's header ends before ABI 2, so the numbers are ours
// (Documentation/userspace-api/landlock.rst, "Previous limitations").
void ForbidFiles() {
  constexpr unsigned kVersionFlag = 1;
  long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  if (abi < 1) return;
  unsigned file_rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
  LandlockRuleset rules{};
  rules.handled_access_fs = (std::uint64_t{1} << file_rights) - 1;
  std::size_t size = sizeof rules.handled_access_fs;
  if (abi >= 4) {
    rules.handled_access_net = 3;  // bind and connect by TCP
    size = 16;
  }
  if (abi >= 6) {
    rules.scoped = 3;  // abstract UNIX sockets, signals
    size = sizeof rules;
  }
  long ruleset = ::syscall(SYS_landlock_create_ruleset, &rules, size, 0);
  if (ruleset < 0) return;
  ::syscall(SYS_landlock_restrict_self, ruleset, 0);
  ::close(static_cast<int>(ruleset));
}

}  // namespace

void WarmUp() {
  crypto::Md5Hex({});
  crypto::Sha256({});
  [[maybe_unused]] auto sha512 = crypto::HashWith(DigestAlgorithm::kSha512, {});
  try {
    throw std::bad_alloc();  // the unwinder reads its tables through dl_iterate_phdr and may allocate
  } catch (const std::bad_alloc&) {
  }
}

Status LockDown(Mode mode, const LockLimits& most) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 && mode == Mode::kRequired) {
    return {Errc::kUnsupported, "the kernel cannot lock privileges (PR_SET_NO_NEW_PRIVS)"};
  }
  DropUser();
  bool own_user = Unshare();
  // After DropUser, which resets both.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  LimitResources(most, own_user);
  ForbidFiles();
  Status filtered = LoadSeccompFilter();
  if (!filtered.ok() && mode == Mode::kRequired) return filtered;
  return {};
}

bool SeccompAvailable() {
  std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

}  // namespace bulwark::sandbox
