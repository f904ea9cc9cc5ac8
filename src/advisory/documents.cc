#include "advisory/documents.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/unique_fd.h"
#include "formats/gzip.h"
#include "formats/tar.h"
#include "formats/zip.h"
#include "formats/zstd.h"

namespace bulwark::advisory {
namespace {

using Each = std::function<Status(const Document&)>;

bool Strip(std::string_view& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  return true;
}

bool IsYaml(std::string_view name) { return name.ends_with(".yaml") || name.ends_with(".yml"); }
bool IsCsv(std::string_view name) { return name.ends_with(".csv"); }
bool IsLines(std::string_view name) { return name.ends_with(".jsonl") || name.ends_with(".ndjson"); }
bool IsDocument(std::string_view name) { return name.ends_with(".json") || IsLines(name) || IsYaml(name); }

// Stops a stream at limits::kFeedBytes and turns damage of the compression into an error.
template <typename Reader>
class Inflated final : public ByteSource {
 public:
  explicit Inflated(ByteSource& compressed) : reader_(compressed) {}
  Result<std::size_t> Read(std::span<std::uint8_t> into) override {
    BW_TRY(std::size_t n, reader_.Read(into));
    if (n == 0 && reader_.damage()) return Error{Errc::kCorrupt, *reader_.damage()};
    total_ += n;
    if (total_ > limits::kFeedBytes) return Error{Errc::kLimit, "the feed is too large"};
    return n;
  }

 private:
  Reader reader_;
  std::uint64_t total_ = 0;
};

class Chunks final : public formats::ChunkSource {
 public:
  explicit Chunks(ByteSource& source) : source_(source), buffer_(256 * limits::kKiB) {}
  Result<ByteSpan> Next() override {
    BW_TRY(std::size_t n, source_.Read(buffer_));
    return ByteSpan(buffer_).first(n);
  }

 private:
  ByteSource& source_;
  Bytes buffer_;
};

// Blank lines do not count.
Status GiveLine(const std::string& name, std::uint64_t number, std::string_view line, const Each& each) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return {};
  return each({fmt::format("{}:{}", name, number), Syntax::kJson, line});
}

Status EachLine(const std::string& name, ByteSource& source, const Each& each) {
  Bytes buffer(1 * limits::kMiB);
  std::string pending;  // the unfinished line
  std::uint64_t number = 0;
  while (true) {
    BW_TRY(const std::size_t n, source.Read(buffer));
    if (n == 0) break;
    std::string_view rest = AsText(ByteSpan(buffer).first(n));
    for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      pending += rest.substr(0, end);
      BW_CHECK(GiveLine(name, ++number, pending, each));
      pending.clear();
      rest.remove_prefix(end + 1);
    }
    pending += rest;
    if (pending.size() > limits::kFeedDocumentBytes) return Error{Errc::kLimit, fmt::format("{}: a line is too long", name)};
  }
  return GiveLine(name, number + 1, pending, each);
}

// One file of the source: whole, or line by line.
Status GiveFile(const std::string& name, ByteSource& source, const Each& each) {
  if (IsLines(name)) return EachLine(name, source, each);
  auto bytes = ReadAll(source, limits::kFeedDocumentBytes);
  if (!bytes) return std::move(bytes).error().Wrap(name);
  return each({name, IsYaml(name) ? Syntax::kYaml : IsCsv(name) ? Syntax::kCsv : Syntax::kJson, AsText(*bytes)});
}

Status EachTarEntry(const std::string& name, ByteSource& source, const Each& each) {
  Chunks chunks(source);
  formats::TarReader tar(chunks);
  formats::TarHeader header;
  Bytes scratch;
  while (true) {
    auto more = tar.Next(header);
    if (!more) return std::move(more).error().Wrap(name);
    if (!*more) return {};
    if (header.type != '0' || !IsDocument(header.name)) continue;
    if (header.size > limits::kFeedDocumentBytes) {
      return Error{Errc::kLimit, fmt::format("{}: {} is too large", name, header.name)};
    }
    auto data = tar.Data(scratch);
    if (!data) return std::move(data).error().Wrap(name);
    MemorySource file(*data);
    BW_CHECK(GiveFile(header.name, file, each));
  }
}

Status EachZipEntry(const std::string& name, ByteSource& source, const Each& each) {
  BW_TRY(const Bytes archive, ReadAll(source, limits::kFeedArchiveBytes));
  BW_TRY(const formats::Zip zip, formats::ReadZip(archive, limits::kFeedArchiveEntries));
  // A cut archive still has entries; and what its readers see differently is no feed to decide by.
  if (!zip.oddities.empty()) return Error{Errc::kCorrupt, fmt::format("{}: {}", name, zip.oddities[0])};
  std::uint64_t total = 0;
  for (const auto& entry : zip.entries) {
    if (!IsDocument(entry.name)) continue;
    auto data = formats::ReadZipEntry(archive, entry, limits::kFeedDocumentBytes);
    if (!data) return std::move(data).error().Wrap(fmt::format("{}: {}", name, entry.name));
    total += data->size();
    if (total > limits::kFeedBytes) return Error{Errc::kLimit, "the feed is too large"};
    MemorySource file(*data);
    BW_CHECK(GiveFile(std::string(entry.name), file, each));
  }
  return {};
}

// `name` without the suffix of the compression says what the stream is.
Status EachOfStream(std::string_view name, ByteSource& source, const Each& each) {
  const std::string text(name);
  if (Strip(name, ".zst")) {
    Inflated<formats::ZstdReader> inflated(source);
    return EachOfStream(name, inflated, each);
  }
  if (Strip(name, ".gz")) {
    Inflated<formats::GzipReader> inflated(source);
    return EachOfStream(name, inflated, each);
  }
  if (name.ends_with(".tar")) return EachTarEntry(text, source, each);
  if (name.ends_with(".zip")) return EachZipEntry(text, source, each);
  return GiveFile(text, source, each);
}

Status EachOfFile(const std::string& path, const Each& each) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError(fmt::format("open {}", path));
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return ErrnoError(fmt::format("read the size of {}", path));
  if (!S_ISREG(info.st_mode)) return Error{Errc::kInvalid, fmt::format("{} is neither a file nor a folder", path)};
  return EachDocumentOf(fd.get(), static_cast<std::uint64_t>(info.st_size), path, each);
}

Status EachOfFolder(const std::string& path, const Each& each) {
  namespace fs = std::filesystem;
  std::error_code code;
  std::vector<std::string> files;
  fs::recursive_directory_iterator it(path, code), end;
  for (; !code && it != end; it.increment(code)) {
    if (it.depth() > 32) it.disable_recursion_pending();
    if (it->symlink_status(code).type() == fs::file_type::regular && IsDocument(it->path().native())) {
      files.push_back(it->path().native());
      if (files.size() > limits::kAdvisoryRecords) return Error{Errc::kLimit, fmt::format("{}: too many files", path)};
    }
  }
  if (code) return Error{Errc::kIo, fmt::format("list {}: {}", path, code.message())};
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) BW_CHECK(EachOfFile(file, each));
  return {};
}

}  // namespace

Status EachDocument(const std::string& path, const Each& each) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) return EachOfFolder(path, each);
  return EachOfFile(path, each);
}

Status EachDocumentOf(int fd, std::uint64_t size, const std::string& name, const Each& each) {
  FileSource source(fd, size);
  return EachOfStream(name, source, each);
}

}  // namespace bulwark::advisory
