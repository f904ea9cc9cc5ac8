#include "service/document.h"

#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"
#include "formats/oci.h"
#include "formats/tar_fields.h"

namespace bulwark::service {
namespace {

// COSE_Sign1: CBOR tag 18 around an array of four (RFC 9052 section 4.2).
constexpr std::string_view kCoseSign1 = "\xd2\x84";

// A tar archive may be all text (names without end, numbers with blanks around them), and its first name may begin like a
// COSE signature: what counts is what Go's reader goes by, the checksum.
bool StartsTar(std::string_view bytes) {
  constexpr std::size_t kBlock = 512;
  if (bytes.size() < kBlock) return false;
  return formats::tar::ChecksumFits(AsBytes(bytes.substr(0, kBlock)).first<kBlock>());
}

// No compressed archive is: gzip, zstd, xz and bzip2 begin with or soon have bytes that are no UTF-8.
bool IsText(std::string_view bytes) {
  auto control = [](unsigned char c) { return c < 0x20 && c != '\t' && c != '\n' && c != '\r'; };
  return std::none_of(bytes.begin(), bytes.end(), control) && IsUtf8(bytes);
}

}  // namespace

bool IsDocument(std::string_view bytes) {
  if (StartsTar(bytes)) return false;
  if (bytes.starts_with(kCoseSign1)) return true;
  if (!IsText(bytes)) return false;
  const formats::ImageConfig config = formats::ParseImageConfig(bytes);
  // Runtimes read what our strict reader refuses: repeated keys, other case.
  return !config.has_rootfs && (config.problems.empty() || ToLower(bytes).find("\"rootfs\"") == std::string::npos);
}

Result<bool> IsDocument(const storage::BlobDriver& blobs, const Digest& digest) {
  BW_TRY(auto blob, blobs.Open({0, digest}));
  if (blob->size() > limits::kConfigBytes) return false;
  std::string bytes(blob->size(), '\0');
  if (!bytes.empty()) BW_CHECK(blob->ReadAt(0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
  return IsDocument(bytes);
}

}  // namespace bulwark::service
