#pragma once
// Worker processes (DESIGN 2.10): the same binary started anew as `bulwark worker`, ahead of need, one job each and never
// used again. They have no network, no files but the descriptor they are given, and limits on memory, time and output.
// Messages are length-prefixed bytes over a socket pair; what a worker sends is foreign.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/byte_source.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark::sandbox {

enum class Mode { kRequired, kOff };  // kRequired: without seccomp no worker starts (kUnsupported)

struct WorkerOptions {
  std::string program = "/proc/self/exe";
  Mode mode = Mode::kRequired;
  std::size_t ready = 2;      // started ahead of need
  std::size_t at_once = 4;    // more Take() calls wait
};

// The server's end. One thread at a time. The destructor kills the process and reaps it.
class Worker {
 public:
  virtual ~Worker() = default;
  // Sends one message, with a descriptor to pass or -1. kUnavailable if the worker has died.
  virtual Status Send(ByteSpan message, int fd = -1) = 0;
  // The next message. kLimit above `limit` bytes or after `timeout` without one; kUnavailable with how it died (signal, exit code,
  // out of memory, cpu time).
  virtual Result<Bytes> Receive(std::uint64_t limit, std::chrono::milliseconds timeout) = 0;
  virtual std::uint64_t peak_memory() const = 0;  // bytes, as far as known
};

class WorkerPool {
 public:
  virtual ~WorkerPool() = default;
  // A fresh worker; may wait for its turn. kUnsupported, kUnavailable.
  virtual Result<std::unique_ptr<Worker>> Take() = 0;
};
Result<std::unique_ptr<WorkerPool>> MakeWorkerPool(const WorkerOptions& options);

// The worker's end: locks itself down, then calls `job` with the messages' doors. The process's exit code.
class Parent {
 public:
  virtual ~Parent() = default;
  virtual Result<Bytes> Receive(UniqueFd* fd) = 0;  // blocks; kCancelled when the server hung up
  virtual Status Send(ByteSpan message) = 0;
};
int WorkerMain(const std::function<Status(Parent&)>& job);

}  // namespace bulwark::sandbox
