#pragma once
// Copies an image with everything that belongs to it: children of an index, configs and layers, and what refers to it
// (signatures, SBOMs, attestations). Bytes are copied exactly; digests are verified on the way.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "remote/copy_ends.h"

namespace bulwark::remote {

struct CopyOptions {
  bool referrers = true;
  std::vector<std::string> platforms;  // of an index, only these children; empty: all
};

// One pair of ends for each thread that copies blobs; the first pair also does everything else. Never empty.
struct CopyEnds {
  std::vector<std::unique_ptr<CopySource>> sources;
  std::vector<std::unique_ptr<CopyTarget>> targets;  // as many
};

// Told from several threads, one at a time.
class CopyWatcher {
 public:
  virtual ~CopyWatcher() = default;
  virtual void Moved(std::uint64_t done, std::uint64_t total, std::string_view what) = 0;
  virtual void Note(std::string_view sentence) = 0;
};

struct CopyReport {
  std::vector<Digest> digests;  // of the image; of its children where the index itself was not copied
  std::uint64_t manifests = 0, moved = 0, there = 0, mounted = 0;  // counts; the last three of blobs
  std::uint64_t bytes = 0;      // of the blobs that were moved
};

// `from`: tag or digest, or empty for the only image of a layout; `tag` of the target, or empty: under its digest alone. Fewer
// threads than ends are fine: where the system gives none, the caller's copies alone.
// Can simply be called again after a failure: blobs that are at the target are not copied twice. The tag is written last, so
// that whoever reads it finds everything there. kNotFound names the child that a sparse index lacks; kDenied carries the
// sentence of the registry that refuses; kLimit: more manifests than a sane image has.
Result<CopyReport> Copy(CopyEnds& ends, const std::string& from, const std::string& tag, const CopyOptions& options, CopyWatcher& watcher);

}  // namespace bulwark::remote
