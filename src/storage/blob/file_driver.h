#pragma once
// Blobs as files (docs/formats/blob-store.md): DIRECTORY/blobs/<domain>/<algorithm>/<2 hex>/<hex>, spools as
// DIRECTORY/uploads/<id>, both in one file system so that a rename publishes a blob.

#include <memory>
#include <string>

#include "base/result.h"
#include "storage/blob/driver.h"
#include "storage/file_system.h"

namespace bulwark::storage {

// Makes the directories. `files` outlives the driver, and the driver outlives its writers. An upload has one writer at
// a time: Upload gives kConflict while another is alive, kInvalid for an id that is not 1 to 64 lower-case hex digits.
// After a failed sync in Commit the spool is removed, because the kernel may have dropped what it could not write.
Result<std::unique_ptr<BlobDriver>> OpenFileDriver(const std::string& directory, FileSystem& files);

}  // namespace bulwark::storage
