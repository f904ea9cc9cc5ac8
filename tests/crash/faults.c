// Loaded into a server (LD_PRELOAD): fails chosen file system calls below BULWARK_FAULT_ROOT, or kills the process at one.
//
// The file BULWARK_FAULT_ARM, written whole and renamed into place by the test, arms it; its text is one line:
//   KIND MODE FIRST COUNT     for example "any kill 17 1", "write nospace 1 100000", "sync io 3 1"
// From then on the FIRST-th call of that kind and the COUNT - 1 after it meet the fault; "arm" with an empty file disarms.
// How often it struck is kept in the file BULWARK_FAULT_ARM.struck, which is made at the first. It is looked for at each
// call (one stat), so it is in force at once, and during start-up too if it is there before.
//   KIND: any open write sync truncate rename unlink, or change (all but sync)
//   MODE: io, nospace, quota, short (half a write succeeds, what follows and other calls fail with EIO), kill (SIGKILL at that call)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <pthread.h>
#include <unistd.h>

enum Kind { kOpen = 1, kWrite = 2, kSync = 4, kTruncate = 8, kRename = 16, kUnlink = 32 };
enum Mode { kOff, kIo, kNoSpace, kQuota, kShort, kKill };

static const char* root;
static const char* arm;
static size_t root_length;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct timespec armed_at;  // of the arm file in force
static ino_t armed_inode;
static int kinds, mode;
static long first, count, seen, struck;

__attribute__((constructor)) static void Begin(void) {
  root = getenv("BULWARK_FAULT_ROOT");
  arm = getenv("BULWARK_FAULT_ARM");
  root_length = root ? strlen(root) : 0;
}

#define REAL(name) ((__typeof__(name)*)dlsym(RTLD_NEXT, #name))

static int Number(const char* text, const char* const names[], const int values[]) {
  for (int i = 0; names[i]; ++i)
    if (strcmp(text, names[i]) == 0) return values[i];
  return 0;
}

// Reads the arm file if it is another one than before.
static void Look(void) {
  struct stat st;
  if (syscall(SYS_newfstatat, AT_FDCWD, arm, &st, 0) != 0) {
    mode = kOff;
    armed_inode = 0;
    return;
  }
  if (st.st_ino == armed_inode && st.st_mtim.tv_sec == armed_at.tv_sec && st.st_mtim.tv_nsec == armed_at.tv_nsec) return;
  armed_inode = st.st_ino;
  armed_at = st.st_mtim;
  mode = kOff;
  seen = struck = 0;
  char text[128] = {0}, kind_name[16], mode_name[16];
  int fd = (int)syscall(SYS_openat, AT_FDCWD, arm, O_RDONLY | O_CLOEXEC, 0);
  ssize_t n = fd < 0 ? -1 : syscall(SYS_read, fd, text, sizeof text - 1);
  if (fd >= 0) syscall(SYS_close, fd);
  if (n <= 0 || sscanf(text, "%15s %15s %ld %ld", kind_name, mode_name, &first, &count) != 4) return;
  static const char* const kind_names[] = {"any", "change", "open", "write", "sync", "truncate", "rename", "unlink", NULL};
  static const int kind_values[] = {63, 63 & ~kSync, kOpen, kWrite, kSync, kTruncate, kRename, kUnlink};
  static const char* const mode_names[] = {"io", "nospace", "quota", "short", "kill", NULL};
  static const int mode_values[] = {kIo, kNoSpace, kQuota, kShort, kKill};
  kinds = Number(kind_name, kind_names, kind_values);
  mode = Number(mode_name, mode_names, mode_values);
}

static void Report(void) {
  char path[4096], text[32];
  snprintf(path, sizeof path, "%s.struck", arm);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int n = snprintf(text, sizeof text, "%ld\n", struck);
  if (fd < 0) return;
  syscall(SYS_write, fd, text, n);
  syscall(SYS_close, fd);
}

// The fault that this call meets. Never returns if that is death.
static int Due(int kind) {
  pthread_mutex_lock(&lock);
  Look();
  int due = kOff;
  if (mode != kOff && (kinds & kind) && ++seen >= first && seen < first + count) {
    due = mode == kShort && struck > 0 ? kIo : mode;
    ++struck;
    Report();
    if (due == kKill) {
      kill(getpid(), SIGKILL);
      for (;;) pause();  // with the lock: no other thread does anything below the root any more
    }
  }
  pthread_mutex_unlock(&lock);
  return due;
}

static int Fails(int due) {
  errno = due == kNoSpace ? ENOSPC : due == kQuota ? EDQUOT : EIO;
  return -1;
}

static int Below(const char* path) { return root && arm && path && strncmp(path, root, root_length) == 0; }

// By its name, which is slow and sure: descriptors are re-used, dup'ed and come from anywhere.
static int BelowFd(int fd) {
  char link[64], path[4096];
  if (!root || !arm) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  return Below(path);
}

// Only what can make a file: reading ones are as they were.
#define OPEN(name)                                                    \
  int name(const char* path, int flags, ...) {                        \
    va_list rest;                                                     \
    va_start(rest, flags);                                            \
    mode_t bits = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                     \
    int due = (flags & O_CREAT) && Below(path) ? Due(kOpen) : kOff;   \
    return due ? Fails(due) : REAL(name)(path, flags, bits);          \
  }
OPEN(open)
OPEN(open64)

#define WRITE(name, parameters, arguments, half)                     \
  ssize_t name parameters {                                          \
    int due = BelowFd(fd) ? Due(kWrite) : kOff;                      \
    if (due == kShort && (half) > 0) {                               \
      size = (half);                                                 \
      return REAL(name) arguments;                                   \
    }                                                                \
    return due ? Fails(due) : REAL(name) arguments;                  \
  }
WRITE(write, (int fd, const void* data, size_t size), (fd, data, size), size / 2)
WRITE(pwrite, (int fd, const void* data, size_t size, off_t at), (fd, data, size, at), size / 2)
WRITE(pwrite64, (int fd, const void* data, size_t size, off64_t at), (fd, data, size, at), size / 2)

#define CALL(result, name, parameters, arguments, below, kind) \
  result name parameters {                                     \
    int due = (below) ? Due(kind) : kOff;                      \
    return due ? Fails(due) : REAL(name) arguments;            \
  }
CALL(ssize_t, writev, (int fd, const struct iovec* parts, int n), (fd, parts, n), BelowFd(fd), kWrite)
CALL(ssize_t, pwritev, (int fd, const struct iovec* parts, int n, off_t at), (fd, parts, n, at), BelowFd(fd), kWrite)
CALL(int, fsync, (int fd), (fd), BelowFd(fd), kSync)
CALL(int, fdatasync, (int fd), (fd), BelowFd(fd), kSync)
CALL(int, ftruncate, (int fd, off_t size), (fd, size), BelowFd(fd), kTruncate)
CALL(int, ftruncate64, (int fd, off64_t size), (fd, size), BelowFd(fd), kTruncate)
CALL(int, fallocate, (int fd, int how, off_t at, off_t size), (fd, how, at, size), BelowFd(fd), kWrite)
CALL(int, rename, (const char* from, const char* to), (from, to), Below(to), kRename)
CALL(int, link, (const char* from, const char* to), (from, to), Below(to), kRename)
CALL(int, mkdir, (const char* path, mode_t bits), (path, bits), Below(path), kOpen)
CALL(int, unlink, (const char* path), (path), Below(path), kUnlink)
