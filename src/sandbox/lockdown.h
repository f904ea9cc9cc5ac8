#pragma once
// What a worker takes away from itself before it reads a foreign byte. Layers behind each other: any one of them alone
// should hold. Nothing here can be undone by the process.

#include "base/result.h"
#include "sandbox/worker.h"

namespace bulwark::sandbox {

inline constexpr int kWorkerSocket = 3;

// For a process with one thread, descriptors 0 to 2 that lead nowhere, and the socket. In order: no new privileges, no core or ptrace, no
// user (nobody, if it was root), namespaces of its own, limits, landlock without any right, seccomp. What a kernel or a
// container does not give is left out, except seccomp under kRequired: kUnsupported.
Status LockDown(Mode mode);

// Whether this kernel can filter system calls and kill for it. Changes nothing.
bool SeccompAvailable();

}  // namespace bulwark::sandbox
