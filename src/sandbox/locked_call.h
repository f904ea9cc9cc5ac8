#pragma once
// A function call in a process of its own that is locked down as workers are: for the command line and other processes with
// one thread, whose work on foreign bytes is too large for a worker of the server.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "sandbox/lockdown.h"

namespace bulwark::sandbox {

// Forks; the child closes all descriptors but `keep` (each above kWorkerSocket), locks itself down, calls, and answers. What it
// answers is foreign. The call's own error, kUnavailable if the child died, kUnsupported if it cannot be locked down, kLimit
// above `answer_limit` bytes. The child dies with the thread that calls this.
Result<Bytes> CallLocked(Mode mode, const LockLimits& most, const std::vector<int>& keep, std::uint64_t answer_limit,
                         const std::function<Result<std::string>()>& call);

}  // namespace bulwark::sandbox
