#pragma once
// How a worker process ends. A forged code can only change the wording of a gap.

namespace bulwark::sandbox {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 70;
inline constexpr int kExitMemory = 71;     // bad_alloc reached the edge
inline constexpr int kExitException = 72;  // another exception did: a bug

}  // namespace bulwark::sandbox
