#pragma once
// Worker processes (DESIGN 2.10): the same binary started anew as `bulwark worker`, ahead of need, one job each and never
// used again. They have no network, no files but the descriptor they are given, and limits on memory, time and output.
// Messages are length-prefixed bytes over a socket pair (docs/formats/worker-messages.md); what a worker sends is foreign.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/byte_source.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace bulwark::sandbox {

// kRequired: without seccomp no worker starts (kUnsupported). kOff ("sandbox: off"): as much as the kernel gives.
enum class Mode { kRequired, kOff };

struct WorkerOptions {
  std::string program = "/proc/self/exe";
  Mode mode = Mode::kRequired;
  std::size_t ready = 2;      // started ahead of need
  std::size_t at_once = 4;    // more Take() calls wait
};

// The server's end. One thread at a time may be in Send and one in Receive. The destructor kills the process and reaps it.
class Worker {
 public:
  virtual ~Worker() = default;
  // Sends one message, with a descriptor to pass or -1. kUnavailable if the worker has died or does not read for
  // limits::kWorkerStall. What is passed can be read by foreign code: make it a read-only one (OpenReadOnly).
  virtual Status Send(ByteSpan message, int fd = -1) = 0;
  // The next message. kLimit above `limit` bytes (the worker is killed), kCancelled after `timeout` without a whole one (call
  // again to go on); kUnavailable with how it died (signal, exit code, out of memory, cpu time).
  virtual Result<Bytes> Receive(std::uint64_t limit, std::chrono::milliseconds timeout) = 0;
  virtual std::uint64_t peak_memory() const = 0;  // bytes, as far as known
};

class WorkerPool {
 public:
  virtual ~WorkerPool() = default;
  // A fresh worker; may wait for its turn. kUnsupported, kUnavailable; kCancelled once `cancelled` says so while one comes
  // up. Any thread. Workers go before their pool.
  virtual Result<std::unique_ptr<Worker>> Take(const std::function<bool()>& cancelled) = 0;
  // Callers that wait in Take now: who holds a worker idle should give it back.
  virtual std::size_t waiting() const { return 0; }
};
// Runs `options.program` with the one argument "worker" and an empty environment.
Result<std::unique_ptr<WorkerPool>> MakeWorkerPool(const WorkerOptions& options);

// The same open file by a descriptor that can only read: a worker gets no other. kIo.
Result<UniqueFd> OpenReadOnly(int fd);

// The worker's end: locks itself down, then calls `job` with the messages' doors. The process's exit code. Descriptor 3 is
// the socket. Messages that the server sends are trusted; the bytes behind the descriptor are not.
class Parent {
 public:
  virtual ~Parent() = default;
  virtual Result<Bytes> Receive(UniqueFd* fd) = 0;  // blocks; kCancelled when the server hung up
  virtual Status Send(ByteSpan message) = 0;
};
int WorkerMain(const std::function<Status(Parent&)>& job);

}  // namespace bulwark::sandbox
