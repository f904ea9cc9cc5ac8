// This binary is its own worker: started with the one argument "worker" it runs TestJob, whose first message names what to
// try. specs/attacks.md, worker-escape: every attempt ends in death or in an error, and the server goes on.

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "sandbox/frames.h"
#include "sandbox/sanitizers.h"
#include "sandbox/worker.h"

namespace bulwark::sandbox {
namespace {

using namespace std::chrono_literals;

// ---- the worker's side ----

Status Say(Parent& parent, std::string_view text) { return parent.Send(AsBytes(text)); }

// What a system call came to: "escaped" if it worked.
Status Judge(Parent& parent, long result) {
  return Say(parent, result >= 0 ? "escaped" : std::string("refused: ") + std::strerror(errno));
}

Status Echo(Parent& parent) {
  for (;;) {
    BW_TRY(Bytes message, parent.Receive(nullptr));
    BW_CHECK(parent.Send(message));
  }
}

Status ReadPassedFile(Parent& parent) {
  UniqueFd fd;
  BW_CHECK(parent.Receive(&fd));
  FileSource source(fd.get(), UINT64_MAX);
  BW_TRY(Bytes bytes, ReadAll(source, 1 << 20));
  return parent.Send(bytes);
}

Status WriteToPassedFile(Parent& parent) {
  UniqueFd fd;
  BW_CHECK(parent.Receive(&fd));
  void* map = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (map != MAP_FAILED) return Say(parent, "escaped");
  return Judge(parent, ::pwrite(fd.get(), "x", 1, 0));
}

Status CountFiles(Parent& parent) {
  std::string open;
  for (int fd = 0; fd < 1024; ++fd) {
    if (::lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF) open += std::to_string(fd) + " ";
  }
  return Say(parent, open);
}

Status Allocate(Parent& parent, std::size_t bytes) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t have = 0; have < bytes; have += limits::kMiB) {
    blocks.push_back(std::make_unique<char[]>(limits::kMiB));
    std::memset(blocks.back().get(), 1, limits::kMiB);
  }
  return Say(parent, "escaped");
}

long OpenFile(const char* path, int flags) { return ::syscall(SYS_openat, AT_FDCWD, path, flags, 0600); }

[[noreturn]] void Spin() {
  for (std::atomic<unsigned> i = 0;; ++i) {
  }
}

using Attempt = std::function<Status(Parent&)>;

const std::map<std::string, Attempt>& Attempts() {
  static const std::map<std::string, Attempt> attempts = {
      {"open file", [](Parent& p) { return Judge(p, OpenFile("/etc/passwd", O_RDONLY)); }},
      {"open directory", [](Parent& p) { return Judge(p, OpenFile("/", O_RDONLY | O_DIRECTORY)); }},
      {"create file", [](Parent& p) { return Judge(p, OpenFile("/tmp/bulwark-escape", O_WRONLY | O_CREAT)); }},
      {"reopen", [](Parent& p) { return Judge(p, OpenFile("/proc/self/fd/3", O_RDWR)); }},
      {"remove file", [](Parent& p) { return Judge(p, ::unlink("/tmp/bulwark-escape")); }},
      {"make directory", [](Parent& p) { return Judge(p, ::mkdir("/tmp/bulwark-escape", 0700)); }},
      {"memfd", [](Parent& p) { return Judge(p, ::memfd_create("x", 0)); }},
      {"tcp socket", [](Parent& p) { return Judge(p, ::socket(AF_INET, SOCK_STREAM, 0)); }},
      {"unix socket", [](Parent& p) { return Judge(p, ::socket(AF_UNIX, SOCK_STREAM, 0)); }},
      {"netlink socket", [](Parent& p) { return Judge(p, ::socket(AF_NETLINK, SOCK_RAW, 0)); }},
      {"fork", [](Parent& p) { return Judge(p, ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr)); }},
      {"exec", [](Parent& p) { return Judge(p, ::execl("/bin/true", "true", nullptr)); }},
      {"ptrace", [](Parent& p) { return Judge(p, ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr)); }},
      {"signal parent", [](Parent& p) { return Judge(p, ::kill(::getppid(), SIGTERM)); }},
      {"signal all", [](Parent& p) { return Judge(p, ::kill(-1, SIGTERM)); }},
      {"thread signal", [](Parent& p) { return Judge(p, ::syscall(SYS_tgkill, 1, 1, SIGTERM)); }},
      {"read memory", [](Parent& p) {
         char c = 0;
         iovec local = {&c, 1}, remote = {&c, 1};
         return Judge(p, ::process_vm_readv(1, &local, 1, &remote, 1, 0));
       }},
      {"executable memory", [](Parent& p) {
         void* map = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return Judge(p, map == MAP_FAILED ? -1 : 0);
       }},
      {"make memory executable", [](Parent& p) {
         void* map = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return Judge(p, ::mprotect(map, 4096, PROT_READ | PROT_EXEC));
       }},
      {"namespace", [](Parent& p) { return Judge(p, ::unshare(CLONE_NEWUSER)); }},
      {"mount", [](Parent& p) { return Judge(p, ::syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr)); }},
      {"bpf", [](Parent& p) { return Judge(p, ::syscall(SYS_bpf, 0, nullptr, 0)); }},
      {"io_uring", [](Parent& p) { return Judge(p, ::syscall(SYS_io_uring_setup, 1, nullptr)); }},
      {"raise limit", [](Parent& p) {
         rlimit more = {1 << 20, 1 << 20};
         return Judge(p, ::syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, &more, nullptr));
       }},
      {"write to 0", [](Parent& p) { return Judge(p, ::write(0, "x", 1)); }},
      {"write past the protocol", [](Parent& p) { return Judge(p, ::write(3, "x", 1)); }},
      {"allocate", [](Parent& p) { return Allocate(p, 10 * limits::kGiB); }},
      {"allocate at once", [](Parent& p) {
         void* map = ::mmap(nullptr, 10 * limits::kGiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return Judge(p, map == MAP_FAILED ? -1 : 0);
       }},
  };
  return attempts;
}

Status Misbehave(Parent& parent, std::string_view what) {
  if (what == "echo") return Echo(parent);
  if (what == "read passed file") return ReadPassedFile(parent);
  if (what == "write passed file") return WriteToPassedFile(parent);
  if (what == "count files") return CountFiles(parent);
  if (what == "environment") return Say(parent, environ && environ[0] ? environ[0] : "empty");
  if (what == "spin") Spin();
  if (what == "thread") {
    int sum = 0;
    for (int i = 0; i < 10; ++i) std::thread([&] { sum += i; }).join();
    return Say(parent, std::to_string(sum));
  }
  if (what == "thread bomb") {
    std::vector<std::thread> threads;
    for (;;) threads.emplace_back([] { for (;;) ::sched_yield(); });
  }
  if (what == "exit 0") ::_exit(0);
  if (what == "exit 3") ::_exit(3);
  if (what == "kill itself") ::abort();
  if (what == "segfault") *static_cast<volatile int*>(nullptr) = 1;  // NOLINT
  if (what == "throw") throw std::runtime_error("x");
  if (what == "no memory") throw std::bad_alloc();
  if (what == "fail") return {Errc::kCorrupt, "x"};
  if (what == "sleep") return parent.Receive(nullptr).ok() ? Status() : Status();
  if (what == "long message") return parent.Send(Bytes(2 << 20, 7));
  if (what == "half a message") {
    std::array<std::uint8_t, 6> half = {100, 0, 0, 0, 1, 2};
    iovec part = {half.data(), half.size()};
    msghdr call{};
    call.msg_iov = &part;
    call.msg_iovlen = 1;
    ::sendmsg(3, &call, 0);
    return parent.Receive(nullptr).ok() ? Status() : Status();
  }
  if (what == "4 GiB message") {
    std::array<std::uint8_t, 4> header = {255, 255, 255, 255};
    iovec part = {header.data(), header.size()};
    msghdr call{};
    call.msg_iov = &part;
    call.msg_iovlen = 1;
    ::sendmsg(3, &call, 0);
    Spin();
  }
  auto attempt = Attempts().find(std::string(what));
  return attempt == Attempts().end() ? Say(parent, "no such attempt") : attempt->second(parent);
}

Status TestJob(Parent& parent) {
  BW_TRY(Bytes what, parent.Receive(nullptr));
  return Misbehave(parent, AsText(what));
}

// ---- the server's side ----

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = MakeWorkerPool({});
    if (!made.ok() && made.error().code == Errc::kUnsupported) GTEST_SKIP() << made.error().message;
    ASSERT_TRUE(made.ok()) << made.error().message;
    pool_ = *std::move(made);
  }
  std::unique_ptr<Worker> Take() {
    auto worker = pool_->Take([] { return false; });
    EXPECT_TRUE(worker.ok()) << worker.error().message;
    return worker.ok() ? *std::move(worker) : nullptr;
  }
  static Result<std::string> Answer(Worker& worker, std::chrono::milliseconds timeout = 30s) {
    BW_TRY(Bytes bytes, worker.Receive(1 << 20, timeout));
    return std::string(AsText(bytes));
  }
  Result<std::string> Ask(std::string_view what, std::chrono::milliseconds timeout = 30s) {
    auto worker = Take();
    if (!worker) return {Errc::kInternal, "no worker"};
    BW_CHECK(worker->Send(AsBytes(what)));
    return Answer(*worker, timeout);
  }
  std::string WhyDied(std::string_view what) {
    auto answer = Ask(what);
    if (answer.ok()) return "answered " + *answer;
    EXPECT_EQ(answer.error().code, Errc::kUnavailable) << what;
    return answer.error().message;
  }

  std::unique_ptr<WorkerPool> pool_;
};

TEST_F(WorkerTest, TalksBothWays) {
  auto worker = Take();
  ASSERT_TRUE(worker->Send(AsBytes("echo")).ok());
  for (std::string message : {std::string("hello"), std::string(), std::string(900'000, 'x'), std::string("\0\1\2", 3)}) {
    ASSERT_TRUE(worker->Send(AsBytes(message)).ok());
    EXPECT_EQ(Answer(*worker).value_or("?"), message);
  }
  EXPECT_GT(worker->peak_memory(), 0u);
}

TEST_F(WorkerTest, ReadsOnlyWhatItIsGiven) {
  std::string path = testing::TempDir() + "bulwark-worker-test";
  std::ofstream(path) << "given bytes";
  UniqueFd writable(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  auto fd = OpenReadOnly(writable.get());
  ASSERT_TRUE(fd.ok());
  auto worker = Take();
  ASSERT_TRUE(worker->Send(AsBytes("read passed file")).ok());
  ASSERT_TRUE(worker->Send(AsBytes("x"), fd->get()).ok());
  EXPECT_EQ(Answer(*worker).value_or("?"), "given bytes");
  worker = Take();
  ASSERT_TRUE(worker->Send(AsBytes("write passed file")).ok());
  ASSERT_TRUE(worker->Send(AsBytes("x"), fd->get()).ok());
  auto answer = Answer(*worker);
  EXPECT_TRUE(!answer.ok() || answer->starts_with("refused")) << *answer;
  std::string content = ReadFile(path, 100).value();
  EXPECT_EQ(content, "given bytes");
  std::filesystem::remove(path);
}

TEST_F(WorkerTest, InheritsNothing) {
  ::setenv("BULWARK_SECRET", "hidden", 1);
  UniqueFd secret(::open("/etc/passwd", O_RDONLY));  // not close-on-exec, on purpose
  EXPECT_EQ(Ask("count files").value_or("?"), "0 1 2 3 ");
  if (!kSanitizers) {
    EXPECT_EQ(Ask("environment").value_or("?"), "empty");
  }
  ::unsetenv("BULWARK_SECRET");
}

// Lines of /proc/PID/status of the children of this process.
std::vector<std::string> ChildStatuses() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string status = ReadFile(entry.path() / "status", 1 << 16).value_or("");
    if (status.find("\nPPid:\t" + std::to_string(::getpid()) + "\n") != std::string::npos) out.push_back(status);
  }
  return out;
}

TEST_F(WorkerTest, IsLockedDown) {
  auto worker = Take();
  ASSERT_TRUE(worker->Send(AsBytes("sleep")).ok());
  auto statuses = ChildStatuses();
  ASSERT_FALSE(statuses.empty());
  int locked = 0;
  for (const std::string& status : statuses) {  // one is ours, others may still be starting
    if (status.find("\nSeccomp:\t2\n") == std::string::npos) continue;
    ++locked;
    EXPECT_NE(status.find("\nNoNewPrivs:\t1\n"), std::string::npos) << status;
    if (::getuid() == 0) {
      EXPECT_NE(status.find("\nUid:\t65534\t65534\t65534\t65534\n"), std::string::npos) << status;
    }
  }
  EXPECT_GE(locked, 1);
}

TEST_F(WorkerTest, EveryEscapeFails) {
  for (const auto& [what, attempt] : Attempts()) {
    if (kSanitizers && what.starts_with("allocate")) continue;  // their address space is not limited
    auto answer = Ask(what);
    if (!answer.ok()) {
      EXPECT_EQ(answer.error().code, Errc::kUnavailable) << what << ": " << answer.error().message;
    } else {
      EXPECT_TRUE(answer->starts_with("refused")) << what << ": " << *answer;
    }
    std::cout << "    " << what << ": " << (answer.ok() ? *answer : answer.error().message) << "\n";
  }
  EXPECT_FALSE(std::filesystem::exists("/tmp/bulwark-escape"));
}

TEST_F(WorkerTest, SaysHowItDied) {
  EXPECT_EQ(WhyDied("exit 0"), "the worker ended without an answer (exit code 0)");
  EXPECT_EQ(WhyDied("exit 3"), "the worker ended without an answer (exit code 3)");
  EXPECT_EQ(WhyDied("fail"), "the worker ended without an answer (exit code 70)");
  EXPECT_EQ(WhyDied("throw"), "the worker met an unexpected exception");
  EXPECT_EQ(WhyDied("no memory"), "the worker needs more than 256.0 MiB");
  EXPECT_EQ(WhyDied("tcp socket"), "the worker tried a forbidden system call");
  if (!kSanitizers) {
    EXPECT_EQ(WhyDied("kill itself"), "the worker crashed (signal 6, Aborted)");
    EXPECT_EQ(WhyDied("segfault"), "the worker crashed (signal 11, Segmentation fault)");
    EXPECT_EQ(WhyDied("allocate"), "the worker needs more than 256.0 MiB");
  }
}

// The layer walker hashes on a thread of its own.
TEST_F(WorkerTest, MayHaveThreads) {
  EXPECT_EQ(Ask("thread").value_or("?"), "45");
  if (!kSanitizers) {
    EXPECT_EQ(WhyDied("thread bomb").substr(0, 10), "the worker");
  }
}

TEST_F(WorkerTest, MemoryStaysUnderTheLimit) {
  if (kSanitizers) GTEST_SKIP() << "the address space of sanitizers is not limited";
  auto worker = Take();
  ASSERT_TRUE(worker->Send(AsBytes("allocate")).ok());
  EXPECT_FALSE(Answer(*worker).ok());
  EXPECT_LE(worker->peak_memory(), limits::kWorkerMemory);
  EXPECT_GE(worker->peak_memory(), limits::kWorkerMemory / 2);
}

TEST_F(WorkerTest, WaitsOnlyAsLongAsTold) {
  auto worker = Take();
  ASSERT_TRUE(worker->Send(AsBytes("spin")).ok());
  EXPECT_EQ(worker->Receive(100, 50ms).error().code, Errc::kCancelled);
  EXPECT_EQ(worker->Receive(100, 0ms).error().code, Errc::kCancelled);
  worker.reset();  // and it is gone
  worker = Take();
  ASSERT_TRUE(worker->Send(AsBytes("half a message")).ok());
  EXPECT_EQ(worker->Receive(100, 100ms).error().code, Errc::kCancelled);
}

TEST_F(WorkerTest, DoesNotSwallowLongMessages) {
  for (const char* what : {"long message", "4 GiB message"}) {
    auto worker = Take();
    ASSERT_TRUE(worker->Send(AsBytes(what)).ok());
    EXPECT_EQ(worker->Receive(1 << 20, 30s).error().code, Errc::kLimit) << what;
    EXPECT_EQ(worker->Receive(1 << 20, 30s).error().code, Errc::kUnavailable) << what;  // killed
  }
}

TEST_F(WorkerTest, IsNeverUsedTwice) {
  auto one = Take(), two = Take();
  ASSERT_TRUE(one->Send(AsBytes("echo")).ok());
  ASSERT_TRUE(one->Send(AsBytes("first")).ok());
  ASSERT_TRUE(two->Send(AsBytes("echo")).ok());
  ASSERT_TRUE(two->Send(AsBytes("second")).ok());
  EXPECT_EQ(Answer(*two).value_or("?"), "second");
  EXPECT_EQ(Answer(*one).value_or("?"), "first");
}

TEST_F(WorkerTest, LeavesNoProcessBehind) {
  { auto worker = Take(); }
  pool_.reset();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(WorkerTest, ManyThreadsShareThePool) {
  std::vector<std::thread> threads;
  std::atomic<int> done = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 3; ++i) {
        auto worker = pool_->Take([] { return false; });
        if (!worker.ok() || !(*worker)->Send(AsBytes("echo")).ok() || !(*worker)->Send(AsBytes("x")).ok()) continue;
        if ((*worker)->Receive(10, 30s).ok()) ++done;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(done, 24);
}

TEST(WorkerPool, SaysWhatCannotStart) {
  WorkerOptions options;
  options.program = "/nonexistent";
  auto pool = MakeWorkerPool(options);
  if (!pool.ok()) GTEST_SKIP() << pool.error().message;
  for (int i = 0; i < 2; ++i) {
    auto worker = (*pool)->Take([] { return false; });
    ASSERT_FALSE(worker.ok());
    EXPECT_EQ(worker.error().code, Errc::kUnavailable);
  }
  options.program = "/bin/true";
  auto silent = MakeWorkerPool(options);
  EXPECT_EQ((*silent)->Take([] { return false; }).error().code, Errc::kUnavailable);
}

TEST(WorkerPool, RunsWithoutTheSandboxWhenTold) {
  WorkerOptions options;
  options.mode = Mode::kOff;
  auto pool = MakeWorkerPool(options);
  ASSERT_TRUE(pool.ok());
  auto worker = (*pool)->Take([] { return false; });
  ASSERT_TRUE(worker.ok()) << worker.error().message;
  ASSERT_TRUE((*worker)->Send(AsBytes("echo")).ok());
  ASSERT_TRUE((*worker)->Send(AsBytes("x")).ok());
  EXPECT_TRUE((*worker)->Receive(10, 30s).ok());
}

TEST(WorkerPool, ReportsStartTime) {
  WorkerOptions options;
  options.ready = 0;
  auto pool = MakeWorkerPool(options);
  if (!pool.ok()) GTEST_SKIP() << pool.error().message;
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE((*pool)->Take([] { return false; }).ok());
  auto each = (std::chrono::steady_clock::now() - begin) / 10;
  std::cout << "    a cold worker takes " << std::chrono::duration_cast<std::chrono::microseconds>(each).count() << " us\n";
}

}  // namespace
}  // namespace bulwark::sandbox

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "worker") return bulwark::sandbox::WorkerMain(bulwark::sandbox::TestJob);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
