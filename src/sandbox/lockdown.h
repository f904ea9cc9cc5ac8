#pragma once
// What a worker takes away from itself before it reads a foreign byte. Layers behind each other: any one of them alone
// should hold. Nothing here can be undone by the process.

#include <chrono>
#include <cstdint>

#include "base/limits.h"
#include "base/result.h"
#include "sandbox/worker.h"

namespace bulwark::sandbox {

inline constexpr int kWorkerSocket = 3;

struct LockLimits {
  std::uint64_t address_space = limits::kWorkerAddressSpace;
  // Anonymous memory stops short of kWorkerMemory, so that a greedy job meets bad_alloc before the server has to kill it.
  std::uint64_t memory = limits::kWorkerMemory - 24 * limits::kMiB;
  std::chrono::seconds cpu = limits::kWorkerCpu;
};

// Libraries open their files and learn about the machine at first use: that is before LockDown, because later it would be fatal.
void WarmUp();

// For a process with one thread, descriptors 0 to 2 that lead nowhere, and the socket. In order: no new privileges, no core or ptrace, no
// user (nobody, if it was root), namespaces of its own, limits, landlock without any right, seccomp. What a kernel or a
// container does not give is left out, except seccomp under kRequired: kUnsupported.
Status LockDown(Mode mode, const LockLimits& most = {});

// Whether this kernel can filter system calls and kill for it. Changes nothing.
bool SeccompAvailable();

}  // namespace bulwark::sandbox
