#include <algorithm>
#include <exception>
#include <new>

#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/limits.h"
#include "sandbox/exit_codes.h"
#include "sandbox/frames.h"
#include "sandbox/lockdown.h"
#include "sandbox/sanitizers.h"
#include "sandbox/worker.h"

namespace bulwark::sandbox {
namespace {

class SocketParent final : public Parent {
 public:
  Result<Bytes> Receive(UniqueFd* fd) override {
    for (;;) {
      BW_TRY(auto message, frames_.Read(kWorkerSocket, limits::kWorkerMessageBytes, fd));
      if (message) return *std::move(message);
      pollfd wait = {kWorkerSocket, POLLIN, 0};
      ::poll(&wait, 1, -1);
    }
  }
  Status Send(ByteSpan message) override { return SendFrame(kWorkerSocket, message, -1, -1); }

 private:
  FrameReader frames_;
};

// Threads share one heap (a second arena would read /sys) and have small stacks, which count as memory used.
void KeepThreadsSmall() {
  if (kSanitizers) return;
  ::mallopt(M_ARENA_MAX, 1);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, 512 * limits::kKiB);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
}

int Run(const std::function<Status(Parent&)>& job) {
  SocketParent parent;
  auto mode = parent.Receive(nullptr);
  if (!mode.ok() || mode->size() != 1) return kExitFailed;
  KeepThreadsSmall();
  WarmUp();
  Status locked = LockDown((*mode)[0] == 0 ? Mode::kOff : Mode::kRequired);
  // Empty: ready. Anything else is why not.
  if (!parent.Send(locked.ok() ? ByteSpan() : AsBytes(locked.error().message)).ok() || !locked.ok()) return kExitFailed;
  Status done = job(parent);
  if (done.ok() || done.error().code == Errc::kCancelled) return kExitDone;
  return kExitFailed;
}

}  // namespace

int WorkerMain(const std::function<Status(Parent&)>& job) {
  int code = kExitFailed;
  try {
    code = Run(job);
  } catch (const std::bad_alloc&) {
    code = kExitMemory;
  } catch (const std::exception&) {
    code = kExitException;
  }
  // No destructors of statics, no leak check: neither may do what the filter forbids.
  ::_exit(code);
}

}  // namespace bulwark::sandbox
