#include "cli/image_input.h"

#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sync.h"
#include "catalog/analyze.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/tree.h"
#include "crypto/hash.h"
#include "formats/gzip.h"
#include "formats/oci.h"
#include "formats/tar_fields.h"
#include "formats/zstd.h"
#include "image/inflated_stream.h"
#include "remote/local_image.h"

namespace bulwark::cli {
namespace {

constexpr int kReadAgainRounds = 3;      // links of links: each round can only uncover files of other layers
constexpr std::size_t kLayersAtOnce = 2;
constexpr std::chrono::milliseconds kLayerWait = std::chrono::hours(1);

// One layer: where its bytes are (after reading), and what they say.
struct Layer {
  Digest digest;
  remote::OpenedFile file;
  image::LayerRecord record;
};

// Progress that layer threads share.
class SharedProgress {
 public:
  explicit SharedProgress(std::uint64_t total) : progress_("reading layers"), total_(total) {}
  void Add(std::uint64_t bytes, std::string_view what) {
    MutexLock lock(mutex_);
    done_ += bytes;
    progress_.Update(done_, total_, what);
  }

 private:
  Mutex mutex_;
  Progress progress_ BW_GUARDED_BY(mutex_);
  std::uint64_t done_ BW_GUARDED_BY(mutex_) = 0;
  std::uint64_t total_;
};

// Runs body(0) … body(count - 1), kLayersAtOnce at a time; the first error.
Status InParallel(std::size_t count, const std::function<Status(std::size_t)>& body) {
  std::atomic<std::size_t> next{0};
  Mutex mutex;
  Status first;
  auto run = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < count;) {
      Status status = body(i);
      if (status.ok()) continue;
      MutexLock lock(mutex);
      if (first.ok()) first = status;
      next = count;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(kLayersAtOnce, count); ++i) threads.emplace_back(run);
  run();
  for (auto& thread : threads) thread.join();
  return first;
}

Status WriteTo(int fd, ByteSpan bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("write a temporary file");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

// Downloads a layer while the analyser follows it.
Status FetchLayer(const remote::ImageReference& reference, const Login& login, const formats::Descriptor& descriptor,
                  service::Analyzer& analyzer, SharedProgress& progress, Layer& layer) {
  BW_TRY(auto session, OpenSession(reference, login));
  session->client.SetPatience(kPatience);
  layer.digest = descriptor.digest;
  BW_TRY(layer.file.fd, remote::TemporaryFile());
  BW_TRY(auto follower, analyzer.Follow(layer.file.fd.get()));
  BW_CHECK(session->client.GetBlob(descriptor.digest, [&](ByteSpan bytes) -> Status {
    if (layer.file.size + bytes.size() > descriptor.size) return Error{Errc::kDigest, "the registry sends more than " + descriptor.digest.str() + " has"};
    BW_CHECK(WriteTo(layer.file.fd.get(), bytes));
    layer.file.size += bytes.size();
    follower->Grew(layer.file.size);
    progress.Add(bytes.size(), descriptor.digest.short_str());
    return {};
  }));
  follower->Finished(layer.file.size);
  BW_TRY(layer.record, follower->Wait(kLayerWait));
  return {};
}

// Merges, reading files again that matter only through links of other layers.
Result<catalog::Inventory> AssembleLayers(service::Analyzer& analyzer, std::vector<Layer>& layers) {
  for (int round = 0;; ++round) {
    std::vector<const image::LayerRecord*> records;
    std::vector<Digest> digests;
    for (const auto& layer : layers) {
      records.push_back(&layer.record);
      digests.push_back(layer.digest);
    }
    catalog::Assembled assembled = catalog::Assemble(records, digests);
    if (assembled.unread.empty()) return std::move(assembled.inventory);
    if (round == kReadAgainRounds) {
      for (auto& gap : catalog::AsGaps(assembled.unread)) assembled.inventory.gaps.push_back(std::move(gap));
      return std::move(assembled.inventory);
    }
    for (std::size_t i = 0; i < layers.size(); ++i) {
      std::vector<image::Unread> mine;
      for (const auto& unread : assembled.unread)
        if (unread.layer == i) mine.push_back(unread);
      if (mine.empty()) continue;
      BW_TRY(layers[i].record, analyzer.ReadAgain(layers[i].file.fd.get(), layers[i].file.size, layers[i].record, mine));
    }
  }
}

// A single image has one platform; to scan another than was asked for would answer the wrong question.
Status CheckPlatform(const std::string& wanted, const formats::Platform& platform) {
  if (wanted.empty() || platform.str().empty() || platform.str() == wanted || platform.os + "/" + platform.architecture == wanted) return {};
  return {Errc::kInvalid, "the image is for " + Printable(platform.str(), 100) + ", not for " + wanted};
}

// The digest of a layout's layer is what its file claims to have; only checked where no diff_id says what must be inside.
Status CheckDigest(const Digest& digest, const remote::OpenedFile& file) {
  crypto::Hasher hasher(digest.algorithm() == DigestAlgorithm::kSha512 ? crypto::HashKind::kSha512 : crypto::HashKind::kSha256);
  FileSource source(file.fd.get(), file.size);
  Bytes buffer(1 << 18);
  for (;;) {
    BW_TRY(std::size_t n, source.Read(buffer));
    if (n == 0) break;
    hasher.Update(ByteSpan(buffer).first(n));
  }
  if (hasher.FinishDigest() == digest) return {};
  return {Errc::kDigest, "the file of layer " + digest.str() + " has other bytes than that; copy the image again"};
}

// What a runtime unpacks must be what we read (attacks: descriptor-lies).
void CheckDiffIds(const formats::ImageConfig& config, const std::vector<Layer>& layers, catalog::Inventory& inventory) {
  auto blind = [&](std::string reason) { inventory.gaps.push_back({image::GapKind::kBlind, "", "merge", std::move(reason)}); };
  for (const auto& problem : config.problems) blind("image config: " + problem);
  if (!config.has_rootfs) return;
  if (config.diff_ids.size() != layers.size()) return blind("the config names " + std::to_string(config.diff_ids.size()) + " layers, the manifest " + std::to_string(layers.size()));
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (layers[i].record.diff_id != config.diff_ids[i]) blind("layer " + std::to_string(i + 1) + " does not have the diff_id that the config states");
}

Result<ImageInput> Finish(ImageInput out, const formats::ImageConfig* config, service::Analyzer& analyzer, std::vector<Layer> layers) {
  BW_TRY(out.inventory, AssembleLayers(analyzer, layers));
  if (config) {
    CheckDiffIds(*config, layers, out.inventory);
    out.platform = config->platform.str();
  }
  return out;
}

Result<ImageInput> ReadRegistry(const ScanArguments& a, service::Analyzer& analyzer) {
  const std::string not_here = "no file or directory " + Printable(a.target, 400) + " here";
  auto parsed = remote::ParseImageReference(a.target);
  if (!parsed) return Error{Errc::kNotFound, not_here + ", and " + parsed.error().message};
  const remote::ImageReference& reference = *parsed;
  if (a.offline) return Error{Errc::kNotFound, not_here + ", and --offline forbids to ask a registry for it"};
  BW_TRY(auto session, OpenSession(reference, a.login));
  auto first = session->client.GetManifest(reference.api_reference());
  // A mistyped file name is a valid name at Docker Hub: say both.
  bool names_host = a.target.size() > reference.host.size() && EqualsIgnoreCase(std::string_view(a.target).substr(0, reference.host.size()), reference.host);
  if (!first) return names_host ? first.error() : first.error().Wrap(not_here + ", so " + reference.host + " was asked");
  remote::FetchedManifest manifest = *std::move(first);
  BW_TRY(auto document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
  for (int depth = 0; document.kind == formats::DocumentKind::kIndex; ++depth) {
    if (depth == 4) return Error{Errc::kLimit, "the index is nested too deep"};
    BW_TRY(auto child, remote::ChoosePlatform(document.manifests, a.platform));
    BW_TRY(manifest, session->client.GetManifest(child.digest.str()));
    BW_TRY(document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
  }
  std::string config_bytes;
  if (document.config->size > limits::kConfigBytes) return Error{Errc::kLimit, "the image config is too large"};
  BW_CHECK(session->client.GetBlob(document.config->digest, [&](ByteSpan bytes) -> Status {
    if (config_bytes.size() + bytes.size() > limits::kConfigBytes) return Error{Errc::kLimit, "the image config is too large"};
    config_bytes.append(AsText(bytes));
    return {};
  }));
  auto config = formats::ParseImageConfig(config_bytes);
  BW_CHECK(CheckPlatform(a.platform, config.platform));
  std::uint64_t total = 0;
  for (const auto& layer : document.layers) total += layer.size;
  SharedProgress progress(total);
  std::vector<Layer> layers(document.layers.size());
  BW_CHECK(InParallel(layers.size(), [&](std::size_t i) { return FetchLayer(reference, a.login, document.layers[i], analyzer, progress, layers[i]); }));
  ImageInput out;
  out.name = a.target;
  out.repository = reference.repository;
  out.tag = reference.tag;
  out.digest = manifest.digest;
  return Finish(std::move(out), &config, analyzer, std::move(layers));
}

// Opens each layer once, which of an archive is a copy. For each the first one that is the same: by digest, else as a file.
Result<std::vector<std::size_t>> OpenLayers(const remote::ImageFiles& files, const remote::LocalImage& image, std::vector<Layer>& layers) {
  std::map<std::string, std::size_t> known;
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& [name, digest] = image.layers[i];
    std::string key = digest ? digest->str() : "";
    if (!digest) {
      BW_TRY(auto part, files.Find(name));
      BW_TRY(key, part.Identity());
    }
    const std::size_t first = known.emplace(std::move(key), i).first->second;
    out.push_back(first);
    if (first == i) {
      BW_TRY(layers[i].file, files.Open(name));
      continue;
    }
    layers[i].file.size = layers[first].file.size;
    layers[i].file.fd = UniqueFd(::fcntl(layers[first].file.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!layers[i].file.fd) return ErrnoError("open " + name);
  }
  return out;
}

Result<ImageInput> ReadFiles(const ScanArguments& a, const remote::ImageFiles& files, service::Analyzer& analyzer) {
  BW_TRY(auto found, remote::FindImage(files, a.platform));
  auto config = formats::ParseImageConfig(found.config);
  BW_CHECK(CheckPlatform(a.platform, config.platform));
  std::vector<Layer> layers(found.layers.size());
  BW_TRY(const std::vector<std::size_t> first, OpenLayers(files, found, layers));
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) total += first[i] == i ? layers[i].file.size : 0;
  SharedProgress progress(total);
  BW_CHECK(InParallel(layers.size(), [&](std::size_t i) -> Status {
    if (first[i] != i) return {};
    if (!config.has_rootfs && found.layers[i].digest) BW_CHECK(CheckDigest(*found.layers[i].digest, layers[i].file));
    BW_TRY(layers[i].record, analyzer.Read(layers[i].file.fd.get(), layers[i].file.size));
    // A docker archive does not name its layers; they are known by their uncompressed digest then.
    layers[i].digest = found.layers[i].digest.value_or(layers[i].record.diff_id);
    progress.Add(layers[i].file.size, layers[i].digest.short_str());
    return {};
  }));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (first[i] == i) continue;
    layers[i].digest = layers[first[i]].digest;
    layers[i].record = layers[first[i]].record;
  }
  ImageInput out;
  out.name = found.name.empty() ? a.target : found.name;
  out.digest = found.manifest ? found.manifest->digest : found.config_digest;
  return Finish(std::move(out), &config, analyzer, std::move(layers));
}

Result<ImageInput> ReadPacked(const ScanArguments& a, remote::OpenedFile packed, service::Analyzer& analyzer) {
  std::vector<Layer> layers(1);
  layers[0].file = std::move(packed);
  BW_TRY(layers[0].record, analyzer.Read(layers[0].file.fd.get(), layers[0].file.size));
  layers[0].digest = layers[0].record.diff_id;
  ImageInput out;
  out.name = a.target;
  return Finish(std::move(out), nullptr, analyzer, std::move(layers));
}

// A pipe into a file: archives are read back and forth.
Result<UniqueFd> Spool(int pipe) {
  BW_TRY(UniqueFd fd, remote::TemporaryFile());
  Bytes buffer(1 << 20);
  Progress progress("reading the archive");
  for (std::uint64_t done = 0;;) {
    ssize_t n = ::read(pipe, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("read it");
    if (n == 0) return fd;
    BW_CHECK(WriteTo(fd.get(), ByteSpan(buffer).first(static_cast<std::size_t>(n))));
    progress.Update(done += static_cast<std::uint64_t>(n), 0, "");
  }
}

template <typename Reader>
Status Inflate(ByteSource& compressed, int into) {
  Reader reader(compressed);
  Bytes buffer(1 << 20);
  for (std::uint64_t done = 0;;) {
    BW_TRY(std::size_t n, reader.Read(buffer));
    if (n == 0) break;
    done += n;
    if (done > limits::kLayerBytes) return {Errc::kLimit, "the archive inflates to more than " + FormatBytes(limits::kLayerBytes)};
    BW_CHECK(WriteTo(into, ByteSpan(buffer).first(n)));
  }
  return reader.damage() ? Status(Errc::kCorrupt, "the archive: " + *reader.damage()) : Status();
}

// An archive as it is, or what a compressed one ("docker save | gzip") holds.
struct Archive {
  UniqueFd fd;
  bool is_archive = false;  // compressed, or a tar by its first header: not a single file to be looked at
};

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

// No registry reference looks like that, so the file is meant.
bool IsPath(const std::string& target) {
  return target.starts_with('/') || target.starts_with("./") || target.starts_with("../") || target == "." || target == ".." ||
         target.ends_with(".tar") || target.ends_with(".tgz") || target.ends_with(".tar.gz");
}

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// Whether a directory holds an image rather than a file system. As a plain tree an image would seem to hold nothing.
Result<bool> HoldsImage(const std::string& directory) {
  if (Exists(directory + "/index.json") && (Exists(directory + "/oci-layout") || Exists(directory + "/blobs"))) return true;
  if (!Exists(directory + "/manifest.json")) return false;
  if (Exists(directory + "/version")) return Error{Errc::kUnsupported, "an image in skopeo's dir: form; copy it to an oci: layout first"};
  BW_TRY(std::string text, remote::DirectoryFiles(directory)->Read("manifest.json", limits::kManifestBytes));
  return Trim(text).starts_with("[") && text.find("\"Layers\"") != std::string::npos;  // an unpacked docker archive
}

Result<ImageInput> ReadDirectory(const ScanArguments& a, service::Analyzer& analyzer) {
  BW_TRY(bool image, HoldsImage(a.target));
  if (image) return ReadFiles(a, *remote::DirectoryFiles(a.target), analyzer);
  BW_TRY(auto packed, PackTree(a.target));
  return ReadPacked(a, std::move(packed), analyzer);
}

Result<ImageInput> ReadArchiveOrFile(const ScanArguments& a, UniqueFd fd, service::Analyzer& analyzer) {
  BW_TRY(Archive archive, OpenArchive(std::move(fd)));
  auto files = remote::ArchiveFiles(std::move(archive.fd));
  bool image = files.ok() && ((*files)->Open("index.json").ok() || (*files)->Open("manifest.json").ok());
  if (image) return ReadFiles(a, **files, analyzer);
  // Nobody looks inside a cut or foreign archive: as a single file without packages it would seem clean.
  if (archive.is_archive && !files) return files.error();
  if (archive.is_archive) return Error{Errc::kUnsupported, "an archive, but of no image (neither OCI layout nor docker archive); unpack a file system and scan its directory"};
  BW_TRY(auto packed, PackFile(a.target));
  return ReadPacked(a, std::move(packed), analyzer);
}

Result<ImageInput> ReadPipe(const ScanArguments& a, int pipe, service::Analyzer& analyzer) {
  BW_TRY(UniqueFd spooled, Spool(pipe));
  BW_TRY(Archive archive, OpenArchive(std::move(spooled)));
  BW_TRY(auto files, remote::ArchiveFiles(std::move(archive.fd)));
  return ReadFiles(a, *files, analyzer);
}

// `mode` is that of the target's stat.
Result<ImageInput> ReadLocal(const ScanArguments& a, mode_t mode, service::Analyzer& analyzer) {
  if (a.target == "-") return ReadPipe(a, STDIN_FILENO, analyzer);
  if (S_ISDIR(mode)) return ReadDirectory(a, analyzer);
  UniqueFd fd(::open(a.target.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("open it");
  if (S_ISFIFO(mode)) return ReadPipe(a, fd.get(), analyzer);  // <(docker save app)
  return ReadArchiveOrFile(a, std::move(fd), analyzer);
}

}  // namespace

Result<ImageInput> ReadImage(const ScanArguments& a, service::Analyzer& analyzer) {
  struct stat info {};
  if (a.target != "-" && ::stat(a.target.c_str(), &info) != 0) {
    if (errno != ENOENT || IsPath(a.target)) return ErrnoError("open " + Printable(a.target, 400));
    return ReadRegistry(a, analyzer);
  }
  auto image = ReadLocal(a, info.st_mode, analyzer);
  if (!image) return image.error().Wrap(a.target == "-" ? "standard input" : Printable(a.target, 400));
  return image;
}

}  // namespace bulwark::cli
