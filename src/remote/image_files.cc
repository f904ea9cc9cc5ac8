#include "remote/image_files.h"

#include <cerrno>
#include <cstdlib>
#include <map>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/byte_source.h"
#include "base/folder.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "formats/tar.h"

namespace bulwark::remote {
namespace {

constexpr std::size_t kChunk = 1 << 20;

// Names come from documents inside the image: they may not lead out of it.
bool StaysInside(const std::string& name) {
  if (name.empty() || name[0] == '/' || name.find('\0') != std::string::npos) return false;
  for (auto part : Split(name, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

Error TooLarge(const std::string& name, std::uint64_t most) { return {Errc::kLimit, Printable(name, 300) + " is larger than " + FormatBytes(most)}; }

class Directory final : public ImageFiles {
 public:
  explicit Directory(const std::string& path) : folder_(Folder::Open(path)) {}
  using ImageFiles::Open;
  Result<FilePart> Find(const std::string& name) const override {
    if (!StaysInside(name)) return Error{Errc::kInvalid, "the image names a file outside of itself"};
    if (!folder_) return folder_.error();
    // Unpacked `docker save` archives have links between their layers. None may lead out.
    auto fd = folder_->OpenPlain(name, Links::kInside);
    if (!fd && fd.error().code == Errc::kNotFound) return Error{Errc::kNotFound, "it has no file " + Printable(name, 300)};
    if (!fd) return fd.error();
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0) return ErrnoError("stat " + name);
    FilePart out;
    out.own = *std::move(fd);
    out.fd = out.own.get();
    out.size = static_cast<std::uint64_t>(info.st_size);
    return out;
  }
  Result<OpenedFile> Open(const std::string& name, std::uint64_t most) const override {
    BW_TRY(FilePart part, Find(name));
    if (part.size > most) return TooLarge(name, most);
    return OpenedFile{std::move(part.own), part.size};
  }

 private:
  Result<Folder> folder_;
};

class FileChunks final : public formats::ChunkSource {
 public:
  FileChunks(int fd, std::uint64_t size) : source_(fd, size), buffer_(kChunk) {}
  Result<ByteSpan> Next() override {
    BW_TRY(std::size_t n, source_.Read(buffer_));
    return ByteSpan(buffer_).first(n);
  }

 private:
  FileSource source_;
  Bytes buffer_;
};

class Archive final : public ImageFiles {
 public:
  struct Member { std::uint64_t offset = 0, size = 0; };
  Archive(UniqueFd fd, std::map<std::string, Member> members, std::map<std::string, std::string> links)
      : fd_(std::move(fd)), members_(std::move(members)), links_(std::move(links)) {}

  using ImageFiles::Open;
  Result<FilePart> Find(const std::string& name) const override {
    // Old `docker save` stores a repeated layer as a link "../<id>/layer.tar" to the first one.
    auto link = links_.find(name);
    auto member = members_.find(link == links_.end() ? name : link->second);
    if (member == members_.end()) return Error{Errc::kNotFound, "it has no file " + Printable(name, 300)};
    return FilePart{UniqueFd(), fd_.get(), member->second.offset, member->second.size};
  }
  Result<OpenedFile> Open(const std::string& name, std::uint64_t most) const override {
    BW_TRY(FilePart part, Find(name));
    if (part.size > most) return TooLarge(name, most);
    OpenedFile out;
    BW_TRY(out.fd, TemporaryFile());
    out.size = part.size;
    off_t from = static_cast<off_t>(part.offset);
    for (std::uint64_t left = out.size; left > 0;) {
      ssize_t n = ::copy_file_range(fd_.get(), &from, out.fd.get(), nullptr, left, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) return CopyPlainly(std::move(out), part);
      if (n < 0) return ErrnoError("copy " + name + " out of the archive");
      if (n == 0) return Error{Errc::kCorrupt, "the archive ends inside " + name};
      left -= static_cast<std::uint64_t>(n);
    }
    return out;
  }

 private:
  static Result<OpenedFile> CopyPlainly(OpenedFile out, const FilePart& part) {
    if (::lseek(out.fd.get(), 0, SEEK_SET) != 0) return ErrnoError("write a temporary file");
    BW_CHECK(part.Stream([&](ByteSpan bytes) { return WriteAll(out.fd.get(), AsText(bytes)); }));
    return out;
  }

  UniqueFd fd_;
  std::map<std::string, Member> members_;
  std::map<std::string, std::string> links_;
};

// "./a/b/../c" -> "a/c"; empty if it leaves the archive.
std::string CleanName(std::string_view name) {
  std::vector<std::string_view> parts;
  for (auto part : Split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return {};
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  std::string out;
  for (auto part : parts) out += (out.empty() ? "" : "/") + std::string(part);
  return out;
}

}  // namespace

Result<std::string> FilePart::Identity() const {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return ErrnoError("stat a file of the image");
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) + ":" + std::to_string(offset);
}

Status FilePart::Stream(const std::function<Status(ByteSpan)>& sink) const {
  const FileSource source(fd, offset + size);
  Bytes buffer(kChunk);
  for (std::uint64_t done = 0; done < size;) {
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, size - done));
    BW_CHECK(source.ReadAt(offset + done, std::span(buffer).first(n)));
    BW_CHECK(sink(ByteSpan(buffer).first(n)));
    done += n;
  }
  return {};
}

Result<std::string> ImageFiles::Read(const std::string& name, std::uint64_t limit) const {
  BW_TRY(OpenedFile file, Open(name, limit));
  std::string out(file.size, '\0');
  FileSource source(file.fd.get(), file.size);
  BW_CHECK(source.ReadAt(0, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()}));
  return out;
}

std::unique_ptr<ImageFiles> DirectoryFiles(const std::string& path) { return std::make_unique<Directory>(path); }

Result<std::unique_ptr<ImageFiles>> ArchiveFiles(UniqueFd archive) {
  struct stat info {};
  if (::fstat(archive.get(), &info) != 0) return ErrnoError("stat the archive");
  FileChunks chunks(archive.get(), static_cast<std::uint64_t>(info.st_size));
  formats::TarReader reader(chunks);
  std::map<std::string, Archive::Member> members;
  std::map<std::string, std::string> links;
  formats::TarHeader header;
  for (;;) {
    auto more = reader.Next(header);
    if (!more) return more.error().Wrap("the archive");
    if (!*more) break;
    if (members.size() + links.size() >= limits::kArchiveEntries) return Error{Errc::kLimit, "the archive has more than " + std::to_string(limits::kArchiveEntries) + " files"};
    std::string name = CleanName(header.name);
    if (name.empty()) continue;
    if (header.type == '0') {
      members[name] = {reader.position(), header.size};
      links.erase(name);
    } else if (header.type == '1' || header.type == '2') {
      auto slash = name.rfind('/');
      std::string base = header.type == '2' && slash != std::string::npos ? name.substr(0, slash + 1) : "";
      links[name] = CleanName(base + header.link);
    }
  }
  return std::unique_ptr<ImageFiles>(std::make_unique<Archive>(std::move(archive), std::move(members), std::move(links)));
}

Result<UniqueFd> TemporaryFile() {
  const char* variable = std::getenv("TMPDIR");
  std::string folder = variable && *variable ? variable : "/var/tmp";
  UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  std::string name = folder + "/bulwark-XXXXXX";  // file systems without O_TMPFILE
  fd = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) return ErrnoError("make a temporary file in " + folder);
  ::unlink(name.c_str());
  return fd;
}

}  // namespace bulwark::remote
