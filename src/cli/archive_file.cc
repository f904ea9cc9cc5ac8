#include "cli/archive_file.h"

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/strings.h"
#include "cli/terminal.h"
#include "formats/gzip.h"
#include "formats/tar_fields.h"
#include "formats/zstd.h"
#include "image/inflated_stream.h"
#include "remote/image_files.h"

namespace bulwark::cli {
namespace {

template <typename Reader>
Status Inflate(ByteSource& compressed, int into) {
  Reader reader(compressed);
  Bytes buffer(1 << 20);
  for (std::uint64_t done = 0;;) {
    BW_TRY(std::size_t n, reader.Read(buffer));
    if (n == 0) break;
    done += n;
    if (done > limits::kLayerBytes) return {Errc::kLimit, "the archive inflates to more than " + FormatBytes(limits::kLayerBytes)};
    BW_CHECK(WriteAll(into, AsText(ByteSpan(buffer).first(n))));
  }
  return reader.damage() ? Status(Errc::kCorrupt, "the archive: " + *reader.damage()) : Status();
}

}  // namespace

Result<UniqueFd> Spool(int pipe) {
  BW_TRY(UniqueFd fd, remote::TemporaryFile());
  Bytes buffer(1 << 20);
  Progress progress("reading the archive");
  for (std::uint64_t done = 0;;) {
    ssize_t n = ::read(pipe, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("read it");
    if (n == 0) return fd;
    BW_CHECK(WriteAll(fd.get(), AsText(ByteSpan(buffer).first(static_cast<std::size_t>(n)))));
    progress.Update(done += static_cast<std::uint64_t>(n), 0, "");
  }
}

Result<Archive> OpenArchive(UniqueFd fd) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return ErrnoError("stat the archive");
  if (!S_ISREG(info.st_mode)) return Error{Errc::kInvalid, "neither a plain file nor a directory ('-' reads an archive from standard input)"};
  Bytes head(512);
  ssize_t n = ::pread(fd.get(), head.data(), head.size(), 0);
  head.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  Archive out;
  out.is_archive = head.size() == 512 && formats::tar::ChecksumFits(ByteSpan(head).first<512>());
  image::Compression compression = image::SniffCompression(head);
  if (compression == image::Compression::kNone) return out.fd = std::move(fd), std::move(out);
  out.is_archive = true;
  BW_TRY(out.fd, remote::TemporaryFile());
  FileSource source(fd.get(), static_cast<std::uint64_t>(info.st_size));
  BW_CHECK(compression == image::Compression::kGzip ? Inflate<formats::GzipReader>(source, out.fd.get())
                                                    : Inflate<formats::ZstdReader>(source, out.fd.get()));
  return out;
}

}  // namespace bulwark::cli
