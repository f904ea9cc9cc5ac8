#pragma once
// Documents: blobs that are read, not run (SBOMs, signatures, statements, the empty config). Whoever lists one in
// another manifest neither hides it nor opens anything by it (Gate::Blob).

#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "storage/blob/driver.h"

namespace bulwark::service {

// Text that is no image config, or a COSE signature (RFC 9052, as Notary Project stores them); a tar archive is neither,
// whatever it holds. Reads the blob if it is not larger than an image config may be; a larger one, and whatever is not
// surely a document, is none.
Result<bool> IsDocument(const storage::BlobDriver& blobs, const Digest& digest);
bool IsDocument(std::string_view bytes);

}  // namespace bulwark::service
