#pragma once
// Content-addressed bytes. Every driver passes driver_suite.h and the fault-injection tests.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/byte_source.h"
#include "base/digest.h"
#include "base/result.h"

namespace bulwark::storage {

// Key domain 0 until encryption at rest is on (DESIGN 2.17).
struct BlobKey {
  std::uint32_t domain = 0;
  Digest digest;
  auto operator<=>(const BlobKey&) const = default;
};

struct BlobInfo {
  BlobKey key;
  std::uint64_t size = 0;
};

// An open blob: stays readable after Remove. Const methods from any thread.
class BlobReader : public RandomSource {
 public:
  virtual int fd() const = 0;  // a plain file whose bytes are the blob's, for sendfile; -1 if there is none
};

// One upload: a spool that grows, then a blob. One thread at a time.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual Status Append(ByteSpan bytes) = 0;  // kIo leaves what was appended before
  virtual std::uint64_t size() const = 0;
  virtual int spool_fd() const = 0;  // plaintext as it grows, for the analyser (DESIGN 2.9)
  // Verifies the digest of everything appended (kDigest: the spool stays), makes the blob durable (data synced,
  // renamed, directory synced) and only then returns. The writer is spent.
  virtual Status Commit(const Digest& expected) = 0;
  virtual void Cancel() = 0;  // removes the spool
};

class BlobDriver {
 public:
  virtual ~BlobDriver() = default;
  virtual Result<BlobInfo> Stat(const BlobKey& key) const = 0;                     // kNotFound
  virtual Result<std::unique_ptr<BlobReader>> Open(const BlobKey& key) const = 0;  // kNotFound
  // Opens or, after a restart, resumes the upload of that name (it is made by us, hex). Nothing is visible before
  // Commit.
  virtual Result<std::unique_ptr<BlobWriter>> Upload(const std::string& upload_id) = 0;
  // kUnavailable: so many bytes more would leave too little to log in, delete and collect with. Append asks for itself.
  virtual Status CheckSpace(std::uint64_t bytes) const = 0;
  virtual Status Remove(const BlobKey& key) = 0;  // absent is fine
  virtual Status Each(const std::function<bool(const BlobInfo&)>& each) const = 0;
  virtual Status EachUpload(const std::function<bool(const std::string& upload_id)>& each) const = 0;
};

}  // namespace bulwark::storage
