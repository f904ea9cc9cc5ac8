#pragma once
// Layer bytes -> layer records, in sandboxed workers (DESIGN 2.9, 2.10). The registry follows uploads with it, jobs read
// stored blobs again with it, the command line scans with it.

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "image/layer_record.h"
#include "image/merge.h"
#include "sandbox/worker.h"

namespace bulwark::service {

// Follows one upload in its spool. Methods never block on the analysis (Wait does) and never fail the upload: what goes wrong
// becomes a blind gap of the record. Any thread. Dropping it cancels and kills the worker.
class LayerFollower {
 public:
  virtual ~LayerFollower() = default;
  virtual void Grew(std::uint64_t size) = 0;       // the spool holds this many bytes now
  virtual void Finished(std::uint64_t size) = 0;   // no more will come
  // How far the analyser is behind, in bytes: the upload may slow down by at most 10 % for it.
  virtual std::uint64_t behind() const = 0;
  // The record, once Finished was called; it is given once. kUnavailable after `timeout`: ask again later.
  virtual Result<image::LayerRecord> Wait(std::chrono::milliseconds timeout) = 0;
};

class Analyzer {
 public:
  virtual ~Analyzer() = default;
  // `spool_fd` is opened anew for reading; its file grows while the follower is told so. A worker is taken at the first
  // byte, and given back while an upload pauses and others wait: that layer is then read when the upload is complete. kIo.
  virtual Result<std::unique_ptr<LayerFollower>> Follow(int spool_fd) = 0;
  // A whole blob given by a descriptor to its plain bytes. Blocks. Worker trouble gives a record with a blind gap, complete =
  // false, also where there is no sandbox. kIo.
  virtual Result<image::LayerRecord> Read(int fd, std::uint64_t size) = 0;
  // The record with the facts of entries that merge found unread. Worker trouble: as in Read, the facts of `record` are
  // gone then; a caller that has the old record keeps it and reports the unread files (catalog::AsGaps).
  virtual Result<image::LayerRecord> ReadAgain(int fd, std::uint64_t size, const image::LayerRecord& record,
                                               const std::vector<image::Unread>& unread) = 0;
};
std::unique_ptr<Analyzer> MakeAnalyzer(sandbox::WorkerPool& workers);  // the pool outlives it

// What `bulwark worker` runs inside the sandbox.
Status AnalysisJob(sandbox::Parent& parent);

}  // namespace bulwark::service
