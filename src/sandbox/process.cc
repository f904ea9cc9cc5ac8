#include "sandbox/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "sandbox/exit_codes.h"
#include "sandbox/lockdown.h"
#include "sandbox/sanitizers.h"
#include "sandbox/spawn.h"

namespace bulwark::sandbox {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr auto kMemoryCheck = 100ms;
constexpr auto kLook = 200ms;           // how soon somebody who waits for it is heard
constexpr auto kStartTime = 30s;        // to come up; seconds only on a machine that swaps
constexpr auto kExitTime = 200ms;       // between the closed socket and the exit, then it is killed
constexpr auto kKillTime = 10s;
constexpr std::uint64_t kReadyBytes = 4096;
constexpr int kFirstFreeFd = 10;        // our ends stay clear of the child's 0 to 3

// With no environment, and nothing open but the null device and its socket.
Result<pid_t> StartWorker(const std::string& program, int socket, int null_fd) {
  Child child{"bulwark-worker", "worker", {}, kWorkerSocket + 1, Child::Session::kOwn, Child::Environment::kNone};
  for (int fd = 0; fd <= 2; ++fd) child.descriptors.emplace_back(kSanitizers && fd == 2 ? 2 : null_fd, fd);
  child.descriptors.emplace_back(socket, kWorkerSocket);
  auto pid = Spawn(program, child);
  if (!pid) return pid.error().Wrap("starting a worker");
  return pid;
}

Result<UniqueFd> AboveStandard(UniqueFd fd) {
  UniqueFd out(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kFirstFreeFd));
  if (!out) return ErrnoError("making a worker's socket");
  return out;
}

// "VmHWM:   1234 kB" of /proc/PID/status: the peak, so that nothing hides between two looks.
std::uint64_t PeakOf(int status_file) {
  std::array<char, 4096> text{};
  ssize_t n = ::pread(status_file, text.data(), text.size(), 0);
  std::string_view all(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  std::size_t at = all.find("VmHWM:");
  if (at == std::string_view::npos) return 0;
  std::string_view value = Trim(all.substr(at + 6, all.find('\n', at) - at - 6));
  return ParseUint(value.substr(0, value.find(' '))).value_or(0) * limits::kKiB;
}

std::string DescribeSignal(int signal) {
  switch (signal) {
    case SIGSYS: return "the worker tried a forbidden system call";
    case SIGXCPU: return fmt::format("the worker used more than {} s of processor time", limits::kWorkerCpu.count());
    default: return fmt::format("the worker crashed (signal {}, {})", signal, strsignal(signal));  // NOLINT(concurrency-mt-unsafe)
  }
}

std::string Describe(int status) {
  if (WIFSIGNALED(status)) return DescribeSignal(WTERMSIG(status));
  int code = WEXITSTATUS(status);
  if (code == kExitMemory) return fmt::format("the worker needs more than {}", FormatBytes(limits::kWorkerMemory));
  if (code == kExitException) return "the worker met an unexpected exception";
  return fmt::format("the worker ended without an answer (exit code {})", code);
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(const std::string& program, Mode mode, int null_fd) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return ErrnoError("making a worker's socket");
  UniqueFd first(ends[0]), second(ends[1]);
  BW_TRY(UniqueFd ours, AboveStandard(std::move(first)));
  BW_TRY(UniqueFd theirs, AboveStandard(std::move(second)));
  BW_TRY(pid_t pid, StartWorker(program, theirs.get(), null_fd));
  UniqueFd status(::open(fmt::format("/proc/{}/status", pid).c_str(), O_RDONLY | O_CLOEXEC));
  std::unique_ptr<WorkerProcess> worker(new WorkerProcess(pid, std::move(ours), std::move(status)));
  theirs.Reset();  // so that its death closes the socket
  std::uint8_t word = mode == Mode::kOff ? 0 : 1;
  [[maybe_unused]] Status sent = worker->Send({&word, 1}, -1);  // if it is dead already, WaitReady says how
  return worker;
}

WorkerProcess::WorkerProcess(pid_t pid, UniqueFd socket, UniqueFd status)
    : pid_(pid), socket_(std::move(socket)), status_file_(std::move(status)) {}

WorkerProcess::~WorkerProcess() {
  Kill();
  Ended();
}

Status WorkerProcess::WaitReady(const std::function<bool()>& cancelled) {
  const auto until = Steady::now() + kStartTime;
  auto answer = Receive(kReadyBytes, kLook);
  while (!answer.ok() && answer.error().code == Errc::kCancelled && Steady::now() < until) {
    if (cancelled()) return answer.error();
    answer = Receive(kReadyBytes, kLook);
  }
  if (!answer.ok()) return Error{Errc::kUnavailable, "starting a worker: " + answer.error().message};
  if (!answer->empty()) return Error{Errc::kUnsupported, "a worker cannot lock itself down: " + Printable(AsText(*answer))};
  auto alive = Receive(0, 0ms);  // it may have died since it said so
  if (alive.ok() || alive.error().code != Errc::kCancelled) return Error{Errc::kUnavailable, "a worker died before it had a job"};
  return {};
}

Status WorkerProcess::Send(ByteSpan message, int fd) {
  auto stall = std::chrono::duration_cast<std::chrono::milliseconds>(limits::kWorkerStall);
  return SendFrame(socket_.get(), message, fd, static_cast<int>(stall.count()));
}

Result<Bytes> WorkerProcess::Receive(std::uint64_t limit, std::chrono::milliseconds timeout) {
  if (reaped_) return Error{Errc::kUnavailable, end_};
  auto deadline = Steady::now() + timeout;
  for (;;) {
    auto message = frames_.Read(socket_.get(), limit, nullptr);
    if (!message.ok() && message.error().code == Errc::kCancelled) return Ended();
    if (!message.ok()) {
      end_ = message.error().Wrap("the worker sent").message;
      Kill();
      Ended();
      return Error{message.error().code, end_};
    }
    BW_CHECK(CheckMemory());
    if (*message) return **std::move(message);
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now());
    if (left <= 0ms) return Error{Errc::kCancelled, "nothing from the worker in time"};
    pollfd wait = {socket_.get(), POLLIN, 0};
    ::poll(&wait, 1, static_cast<int>(std::min<std::chrono::milliseconds>(left, kMemoryCheck).count()));
  }
}

std::uint64_t WorkerProcess::peak_memory() const {
  MutexLock lock(mutex_);
  return peak_;
}

void WorkerProcess::Kill() {
  if (!reaped_) ::kill(pid_, SIGKILL);  // not reaped: the number is still its own
}

Error WorkerProcess::Ended() {
  auto begin = Steady::now();
  bool killed = false;
  while (!reaped_) {
    int status = 0;
    rusage usage{};
    pid_t pid = ::wait4(pid_, &status, WNOHANG, &usage);
    if (pid == pid_ || (pid < 0 && errno != EINTR)) {
      reaped_ = true;
      if (end_.empty()) end_ = pid == pid_ ? Describe(status) : "the worker is gone";
      MutexLock lock(mutex_);
      peak_ = std::max(peak_, static_cast<std::uint64_t>(usage.ru_maxrss) * limits::kKiB);
      break;
    }
    auto waited = Steady::now() - begin;
    if (waited > kExitTime && !std::exchange(killed, true)) Kill();
    if (waited > kKillTime) {  // we may not signal it (capabilities dropped): it ends by itself, its socket being closed
      LogError(fmt::format("worker {} cannot be ended", pid_));
      ::shutdown(socket_.get(), SHUT_RDWR);
      reaped_ = true;
      end_ = "the worker cannot be ended";
    }
    std::this_thread::sleep_for(waited < 5ms ? 100us : 1ms);
  }
  return {Errc::kUnavailable, end_};
}

Status WorkerProcess::CheckMemory() {
  auto now = Steady::now();
  if (now - last_check_ < kMemoryCheck || !status_file_) return {};
  last_check_ = now;
  std::uint64_t peak = PeakOf(status_file_.get());
  {
    MutexLock lock(mutex_);
    peak_ = std::max(peak_, peak);
  }
  if (kSanitizers || peak <= limits::kWorkerMemory) return {};
  end_ = fmt::format("the worker used more than {}", FormatBytes(limits::kWorkerMemory));
  Kill();
  return Ended();
}

}  // namespace bulwark::sandbox
