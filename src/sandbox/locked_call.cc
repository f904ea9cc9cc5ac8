#include "sandbox/locked_call.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>
#include <new>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/unique_fd.h"
#include "sandbox/exit_codes.h"
#include "sandbox/frames.h"
#include "sandbox/sanitizers.h"

namespace bulwark::sandbox {
namespace {

constexpr int kFirstFreeFd = 10;
constexpr std::uint8_t kGood = 0xff;  // else the first byte is the error's code

void CloseAllBut(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned next = kWorkerSocket + 1;
  for (int fd : keep) {
    const auto kept = static_cast<unsigned>(fd);
    if (kept > next) ::close_range(next, kept - 1, 0);
    next = kept + 1;
  }
  ::close_range(next, ~0u, 0);
}

Bytes Answer(Result<std::string> result) {
  const std::string& text = result.ok() ? *result : result.error().message;
  Bytes out;
  out.reserve(text.size() + 1);
  out.push_back(result.ok() ? kGood : static_cast<std::uint8_t>(result.error().code));
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

// Never returns to the caller's code.
[[noreturn]] void Child(pid_t parent, int socket, Mode mode, const LockLimits& most, const std::vector<int>& keep,
                        const std::function<Result<std::string>()>& call) {
  int code = kExitFailed;
  try {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    const int null_fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    bool set = null_fd >= 0 && ::getppid() == parent && ::dup2(socket, kWorkerSocket) == kWorkerSocket;
    for (int fd = 0; fd <= 2; ++fd) set = set && (kSanitizers && fd == 2 ? true : ::dup2(null_fd, fd) == fd);
    CloseAllBut(keep);
    const Status locked = set ? LockDown(mode, most) : Status(Errc::kUnavailable, "a locked process could not be set up");
    const Bytes answer = Answer(locked.ok() ? call() : Result<std::string>(locked.error()));
    if (SendFrame(kWorkerSocket, answer, -1, -1).ok()) code = kExitDone;
  } catch (const std::bad_alloc&) {
    code = kExitMemory;
  } catch (const std::exception&) {
    code = kExitException;
  }
  ::_exit(code);
}

Error Ended(int status) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) return {Errc::kUnavailable, "the locked process tried a forbidden system call"};
  if (WIFSIGNALED(status)) return {Errc::kUnavailable, fmt::format("the locked process crashed (signal {})", WTERMSIG(status))};
  if (WEXITSTATUS(status) == kExitMemory) return {Errc::kLimit, "the locked process needs more memory than it may have"};
  return {Errc::kUnavailable, fmt::format("the locked process ended without an answer (exit code {})", WEXITSTATUS(status))};
}

Error FromAnswer(const Bytes& answer) {
  const auto code = answer[0] <= static_cast<std::uint8_t>(Errc::kInternal) ? static_cast<Errc>(answer[0]) : Errc::kCorrupt;
  return {code, Printable(AsText(ByteSpan(answer).subspan(1)))};
}

}  // namespace

Result<Bytes> CallLocked(Mode mode, const LockLimits& most, const std::vector<int>& keep, std::uint64_t answer_limit,
                         const std::function<Result<std::string>()>& call) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return ErrnoError("make a socket");
  UniqueFd ours(ends[0]), first(ends[1]);
  UniqueFd theirs(::fcntl(first.get(), F_DUPFD_CLOEXEC, kFirstFreeFd));
  first.Reset();
  if (!theirs) return ErrnoError("make a socket");
  WarmUp();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoError("start a locked process");
  if (pid == 0) Child(parent, theirs.get(), mode, most, keep, call);
  theirs.Reset();
  FrameReader frames;
  std::optional<Bytes> answer;
  std::optional<Error> failed;
  while (!answer && !failed) {
    auto frame = frames.Read(ours.get(), answer_limit + 1, nullptr);
    if (!frame.ok()) failed = frame.error();
    else if (*frame) answer = **std::move(frame);
    pollfd wait = {ours.get(), POLLIN, 0};
    if (!answer && !failed) ::poll(&wait, 1, -1);
  }
  ours.Reset();
  if (failed && failed->code != Errc::kCancelled) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (failed) return failed->code == Errc::kCancelled ? Ended(status) : *failed;
  if (answer->empty()) return Error{Errc::kCorrupt, "the locked process answers nothing"};
  if ((*answer)[0] != kGood) return FromAnswer(*answer);
  answer->erase(answer->begin());
  return *std::move(answer);
}

}  // namespace bulwark::sandbox
