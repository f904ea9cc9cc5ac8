#include "sandbox/seccomp_filter.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/lockdown.h"
#include "sandbox/sanitizers.h"

namespace bulwark::sandbox {
namespace {

// Conditions on one argument of a call.
scmp_arg_cmp Equals(unsigned argument, scmp_datum_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp Above(unsigned argument, scmp_datum_t value) { return {argument, SCMP_CMP_GT, value, 0}; }
scmp_arg_cmp Masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) { return {argument, SCMP_CMP_MASKED_EQ, mask, value}; }

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_KILL_PROCESS), seccomp_release) {
    if (!context_) failed_ = ENOMEM;
  }
  void Allow(int call) { Add(SCMP_ACT_ALLOW, call, {}); }
  void AllowIf(int call, scmp_arg_cmp condition) { Add(SCMP_ACT_ALLOW, call, {&condition, 1}); }
  // Fails instead of killing: libraries ask, and do without.
  void Refuse(int call, int error) { Add(SCMP_ACT_ERRNO(static_cast<unsigned>(error)), call, {}); }
  Status Load() {
    if (failed_ == 0) failed_ = -seccomp_load(context_.get());
    if (failed_ == 0) return {};
    return {Errc::kUnsupported, std::string("system calls cannot be filtered (seccomp): ") + std::strerror(failed_)};
  }

 private:
  void Add(std::uint32_t action, int call, std::span<const scmp_arg_cmp> conditions) {
    if (failed_ != 0) return;
    int result = seccomp_rule_add_array(context_.get(), action, call, static_cast<unsigned>(conditions.size()), conditions.data());
    if (result != 0 && result != -EDOM) failed_ = -result;  // EDOM: this architecture has no such call
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int failed_ = 0;
};

void AllowComputing(Filter& filter) {
  for (int call : {SCMP_SYS(munmap), SCMP_SYS(brk), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(rt_sigaction),
                   SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(exit), SCMP_SYS(exit_group),
                   SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(sched_yield), SCMP_SYS(gettid),
                   SCMP_SYS(getpid), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(restart_syscall), SCMP_SYS(sched_getaffinity)}) {
    filter.Allow(call);
  }
  // Threads (the walker hashes on one), never processes or namespaces. clone3 hides its flags: glibc then takes clone.
  constexpr scmp_datum_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  constexpr scmp_datum_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  filter.AllowIf(SCMP_SYS(clone), Masked(0, kThread | kNamespaces, kThread));
  filter.Refuse(SCMP_SYS(clone3), ENOSYS);
  // Memory is never executable.
  filter.AllowIf(SCMP_SYS(mmap), Masked(2, PROT_EXEC, 0));
  filter.AllowIf(SCMP_SYS(mprotect), Masked(2, PROT_EXEC, 0));
  // abort() signals its own process; no other can be named.
  filter.AllowIf(SCMP_SYS(tgkill), Equals(0, static_cast<scmp_datum_t>(::getpid())));
}

void AllowInputAndAnswer(Filter& filter) {
  for (int call : {SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat)}) filter.Allow(call);
  filter.AllowIf(SCMP_SYS(recvmsg), Equals(0, kWorkerSocket));
  filter.AllowIf(SCMP_SYS(sendmsg), Equals(0, kWorkerSocket));
  filter.Allow(SCMP_SYS(poll));
  filter.Allow(SCMP_SYS(ppoll));  // what poll is on arm64
  // The last words of abort(); descriptor 2 leads nowhere.
  filter.AllowIf(SCMP_SYS(write), Equals(0, STDERR_FILENO));
  filter.AllowIf(SCMP_SYS(writev), Equals(0, STDERR_FILENO));
}

void RefuseQuestions(Filter& filter) {
  for (int call : {SCMP_SYS(newfstatat), SCMP_SYS(ioctl), SCMP_SYS(sysinfo), SCMP_SYS(prlimit64), SCMP_SYS(getrusage), SCMP_SYS(uname)}) {
    filter.Refuse(call, EPERM);
  }
}

// Their reports ask about files (landlock still forbids all), and UBSan tries addresses by writing them to a pipe.
void AllowSanitizers(Filter& filter) {
  for (int call : {SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(newfstatat), SCMP_SYS(ioctl), SCMP_SYS(stat),
                   SCMP_SYS(prctl), SCMP_SYS(getrusage), SCMP_SYS(prlimit64), SCMP_SYS(nanosleep),
                   SCMP_SYS(clock_nanosleep), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(munlock), SCMP_SYS(getppid),
                   SCMP_SYS(pipe2)}) {
    filter.Allow(call);
  }
  filter.AllowIf(SCMP_SYS(write), Above(0, kWorkerSocket));
}

}  // namespace

Status LoadSeccompFilter() {
  Filter filter;
  AllowComputing(filter);
  AllowInputAndAnswer(filter);
  if (kSanitizers) {
    AllowSanitizers(filter);
  } else {
    RefuseQuestions(filter);
  }
  return filter.Load();
}

}  // namespace bulwark::sandbox
