#include "cli/image_input.h"

#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <set>
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
#include "cli/archive_file.h"
#include "cli/copy_place.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/tree.h"
#include "crypto/hash.h"
#include "formats/oci.h"
#include "remote/layout_index.h"
#include "remote/local_image.h"

namespace bulwark::cli {
namespace {

constexpr std::string_view kDocker = "docker://";
constexpr int kReadAgainRounds = 3;      // links of links: each round can only uncover files of other layers
constexpr std::size_t kLayersAtOnce = 2;
constexpr std::chrono::milliseconds kLayerWait = std::chrono::hours(1);

// One layer: where its bytes are (after reading), and what they say.
struct Layer {
  Digest digest;
  remote::OpenedFile file;
  image::LayerRecord record;
};

// An image may name one layer often: it is read and held once.
struct Layers {
  std::vector<Layer> read;
  std::vector<std::size_t> order;  // of the image, the lowest first: which of `read`
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
    BW_CHECK(WriteAll(layer.file.fd.get(), AsText(bytes)));
    layer.file.size += bytes.size();
    follower->Grew(layer.file.size);
    progress.Add(bytes.size(), descriptor.digest.short_str());
    return {};
  }));
  follower->Finished(layer.file.size);
  BW_TRY(layer.record, follower->Wait(kLayerWait));
  return {};
}

// What merge found unread of layers.read[which], each once.
std::vector<image::Unread> UnreadOf(const std::vector<image::Unread>& unread, const Layers& layers, std::size_t which) {
  std::set<std::pair<std::uint32_t, std::string>> known;
  std::vector<image::Unread> out;
  for (const auto& entry : unread)
    if (layers.order[entry.layer] == which && known.emplace(entry.entry, entry.path).second) out.push_back(entry);
  return out;
}

// Merges, reading files again that matter only through links of other layers.
Result<catalog::Inventory> AssembleLayers(service::Analyzer& analyzer, Layers& layers) {
  for (int round = 0;; ++round) {
    std::vector<const image::LayerRecord*> records;
    std::vector<Digest> digests;
    for (std::size_t i : layers.order) {
      records.push_back(&layers.read[i].record);
      digests.push_back(layers.read[i].digest);
    }
    catalog::Assembled assembled = catalog::Assemble(records, digests);
    if (assembled.unread.empty()) return std::move(assembled.inventory);
    if (round == kReadAgainRounds) {
      for (auto& gap : catalog::AsGaps(assembled.unread)) assembled.inventory.gaps.push_back(std::move(gap));
      return std::move(assembled.inventory);
    }
    for (std::size_t i = 0; i < layers.read.size(); ++i) {
      auto& [digest, file, record] = layers.read[i];
      const auto unread = UnreadOf(assembled.unread, layers, i);
      if (unread.empty()) continue;
      BW_TRY(record, analyzer.ReadAgain(file.fd.get(), file.size, record, unread));
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
void CheckDiffIds(const formats::ImageConfig& config, const Layers& layers, catalog::Inventory& inventory) {
  auto blind = [&](std::string reason) { inventory.gaps.push_back({image::GapKind::kBlind, "", "merge", std::move(reason)}); };
  for (const auto& problem : config.problems) blind("image config: " + problem);
  if (!config.has_rootfs) return;
  const std::size_t count = layers.order.size();
  if (config.diff_ids.size() != count)
    return blind("the config names " + std::to_string(config.diff_ids.size()) + " layers, the manifest " +
                 std::to_string(count));
  for (std::size_t i = 0; i < count; ++i)
    if (layers.read[layers.order[i]].record.diff_id != config.diff_ids[i])
      blind("layer " + std::to_string(i + 1) + " does not have the diff_id that the config states");
}

Result<ImageInput> Finish(ImageInput out, const formats::ImageConfig* config, service::Analyzer& analyzer, Layers layers) {
  BW_TRY(out.inventory, AssembleLayers(analyzer, layers));
  if (config) {
    CheckDiffIds(*config, layers, out.inventory);
    out.platform = config->platform.str();
  }
  return out;
}

// The manifest of one platform's image, below the index that it may be in.
Result<std::pair<remote::FetchedManifest, formats::OciDocument>> FindManifest(
    remote::RegistryClient& client, remote::FetchedManifest manifest, const std::string& platform) {
  BW_TRY(auto document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
  for (int depth = 0; document.kind == formats::DocumentKind::kIndex; ++depth) {
    if (depth == 4) return Error{Errc::kLimit, "the index is nested too deep"};
    BW_TRY(auto child, remote::ChoosePlatform(document.manifests, platform));
    BW_TRY(manifest, client.GetManifest(child.digest.str()));
    BW_CHECK(remote::CheckSize(child, manifest.bytes.size()));
    BW_TRY(document, formats::ParseOciDocument(manifest.media_type, manifest.bytes));
  }
  return std::pair(std::move(manifest), std::move(document));
}

Result<formats::ImageConfig> FetchConfig(remote::RegistryClient& client, const formats::Descriptor& config) {
  const Error too_large{Errc::kLimit, "the image config is too large"};
  if (config.size > limits::kConfigBytes) return too_large;
  std::string text;
  BW_CHECK(client.GetBlob(config.digest, [&](ByteSpan bytes) -> Status {
    if (text.size() + bytes.size() > limits::kConfigBytes) return too_large;
    text.append(AsText(bytes));
    return {};
  }));
  return formats::ParseImageConfig(text);
}

// The descriptors of `named` that are to be fetched, and where they stand in the image.
Result<std::vector<formats::Descriptor>> EachOnce(const std::vector<formats::Descriptor>& named,
                                                  std::vector<std::size_t>& order) {
  std::map<Digest, std::size_t> known;
  std::vector<formats::Descriptor> out;
  for (const auto& layer : named) {
    const auto [at, fresh] = known.emplace(layer.digest, out.size());
    if (fresh) out.push_back(layer);
    if (out[at->second].size != layer.size)
      return Error{Errc::kInvalid, "the manifest states two sizes of " + layer.digest.str()};
    order.push_back(at->second);
  }
  return out;
}

Result<ImageInput> ReadRegistry(const ScanArguments& a, std::string_view target, service::Analyzer& analyzer) {
  const std::string not_here = "no file or directory " + Printable(a.target, 400) + " here";
  auto parsed = remote::ParseImageReference(target);
  if (!parsed) return Error{Errc::kNotFound, not_here + ", and " + parsed.error().message};
  const remote::ImageReference& reference = *parsed;
  if (a.offline) return Error{Errc::kNotFound, not_here + ", and --offline forbids to ask a registry for it"};
  BW_TRY(auto session, OpenSession(reference, a.login));
  auto first = session->client.GetManifest(reference.api_reference());
  // A mistyped file name is a valid name at Docker Hub: say both.
  bool names_host = target.size() > reference.host.size() &&
                    EqualsIgnoreCase(target.substr(0, reference.host.size()), reference.host);
  if (!first) return names_host ? first.error() : first.error().Wrap(not_here + ", so " + reference.host + " was asked");
  BW_TRY(auto found, FindManifest(session->client, *std::move(first), a.platform));
  const auto& [manifest, document] = found;
  BW_TRY(auto config, FetchConfig(session->client, *document.config));
  BW_CHECK(CheckPlatform(a.platform, config.platform));
  Layers layers;
  BW_TRY(const auto fetched, EachOnce(document.layers, layers.order));
  std::uint64_t total = 0;
  for (const auto& layer : fetched) total += layer.size;
  SharedProgress progress(total);
  layers.read.resize(fetched.size());
  BW_CHECK(InParallel(fetched.size(), [&](std::size_t i) {
    return FetchLayer(reference, a.login, fetched[i], analyzer, progress, layers.read[i]);
  }));
  ImageInput out;
  out.name = target;
  out.repository = reference.repository;
  out.tag = reference.tag;
  out.digest = manifest.digest;
  return Finish(std::move(out), &config, analyzer, std::move(layers));
}

// Opens each layer once, which of an archive is a copy: told apart by digest, else as files.
Result<Layers> OpenLayers(const remote::ImageFiles& files, const remote::LocalImage& image) {
  std::map<std::string, std::size_t> known;
  Layers out;
  for (const auto& [name, digest] : image.layers) {
    std::string key = digest ? digest->str() : "";
    if (!digest) {
      BW_TRY(auto part, files.Find(name));
      BW_TRY(key, part.Identity());
    }
    const auto [at, fresh] = known.emplace(std::move(key), out.read.size());
    out.order.push_back(at->second);
    if (!fresh) continue;
    auto& layer = out.read.emplace_back();
    if (digest) layer.digest = *digest;
    BW_TRY(layer.file, files.Open(name));
  }
  return out;
}

// `name`: which one of a layout or archive that holds several; may be empty.
Result<ImageInput> ReadFiles(const ScanArguments& a, const remote::ImageFiles& files, const std::string& name,
                             service::Analyzer& analyzer) {
  BW_TRY(auto found, remote::FindImage(files, name, a.platform));
  auto config = formats::ParseImageConfig(found.config);
  BW_CHECK(CheckPlatform(a.platform, config.platform));
  BW_TRY(Layers layers, OpenLayers(files, found));
  std::uint64_t total = 0;
  for (const auto& layer : layers.read) total += layer.file.size;
  SharedProgress progress(total);
  BW_CHECK(InParallel(layers.read.size(), [&](std::size_t i) -> Status {
    auto& [digest, file, record] = layers.read[i];
    if (!config.has_rootfs && found.manifest) BW_CHECK(CheckDigest(digest, file));
    BW_TRY(record, analyzer.Read(file.fd.get(), file.size));
    // A docker archive does not name its layers; they are known by their uncompressed digest then.
    if (!found.manifest) digest = record.diff_id;
    progress.Add(file.size, digest.short_str());
    return {};
  }));
  ImageInput out;
  out.name = found.name.empty() ? a.target : found.name;
  out.digest = found.manifest ? found.manifest->digest : found.config_digest;
  return Finish(std::move(out), &config, analyzer, std::move(layers));
}

Result<ImageInput> ReadPacked(const ScanArguments& a, remote::OpenedFile packed, service::Analyzer& analyzer) {
  Layers layers;
  layers.order = {0};
  Layer& layer = layers.read.emplace_back();
  layer.file = std::move(packed);
  BW_TRY(layer.record, analyzer.Read(layer.file.fd.get(), layer.file.size));
  layer.digest = layer.record.diff_id;
  ImageInput out;
  out.name = a.target;
  return Finish(std::move(out), nullptr, analyzer, std::move(layers));
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

Result<ImageInput> ReadDirectory(const ScanArguments& a, const CopyPlace& place, service::Analyzer& analyzer) {
  BW_TRY(bool image, HoldsImage(place.path));
  if (image) return ReadFiles(a, *remote::DirectoryFiles(place.path), place.tag, analyzer);
  if (!place.tag.empty())
    return Error{Errc::kNotFound, "no image layout, so there is no " + Printable(place.tag, 200) + " in it"};
  BW_TRY(auto packed, PackTree(place.path));
  return ReadPacked(a, std::move(packed), analyzer);
}

Result<ImageInput> ReadArchiveOrFile(const ScanArguments& a, const CopyPlace& place, UniqueFd fd,
                                     service::Analyzer& analyzer) {
  BW_TRY(Archive archive, OpenArchive(std::move(fd)));
  auto files = remote::ArchiveFiles(std::move(archive.fd));
  bool image = files.ok() && ((*files)->Find("index.json").ok() || (*files)->Find("manifest.json").ok());
  if (image) return ReadFiles(a, **files, place.tag, analyzer);
  // Nobody looks inside a cut or foreign archive: as a single file without packages it would seem clean.
  if (archive.is_archive && !files) return files.error();
  if (archive.is_archive || !place.tag.empty())
    return Error{Errc::kUnsupported, "an archive, but of no image (neither OCI layout nor docker archive); "
                                     "unpack a file system and scan its directory"};
  BW_TRY(auto packed, PackFile(place.path));
  return ReadPacked(a, std::move(packed), analyzer);
}

Result<ImageInput> ReadPipe(const ScanArguments& a, int pipe, service::Analyzer& analyzer) {
  BW_TRY(UniqueFd spooled, Spool(pipe));
  BW_TRY(Archive archive, OpenArchive(std::move(spooled)));
  BW_TRY(auto files, remote::ArchiveFiles(std::move(archive.fd)));
  return ReadFiles(a, *files, "", analyzer);
}

// `mode` is that of the place's stat.
Result<ImageInput> ReadLocal(const ScanArguments& a, const CopyPlace& place, mode_t mode, service::Analyzer& analyzer) {
  if (S_ISDIR(mode)) return ReadDirectory(a, place, analyzer);
  UniqueFd fd(::open(place.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("open it");
  if (S_ISFIFO(mode)) return ReadPipe(a, fd.get(), analyzer);  // <(docker save app)
  return ReadArchiveOrFile(a, place, std::move(fd), analyzer);
}

}  // namespace

Result<ImageInput> ReadImage(const ScanArguments& a, service::Analyzer& analyzer) {
  if (a.target == "-") {
    auto image = ReadPipe(a, STDIN_FILENO, analyzer);
    return image ? std::move(image) : image.error().Wrap("standard input");
  }
  auto place = ParseCopySource(a.target);
  const bool local = place && !place->image;
  const std::string& path = local ? place->path : a.target;
  struct stat info {};
  const bool there = ::stat(path.c_str(), &info) == 0;
  if (!there && (local || errno != ENOENT || IsPath(path))) return ErrnoError("open " + Printable(path, 400));
  if (!local) {
    const std::string_view target = a.target;
    return ReadRegistry(a, target.starts_with(kDocker) ? target.substr(kDocker.size()) : target, analyzer);
  }
  auto image = ReadLocal(a, *place, info.st_mode, analyzer);
  if (!image) return image.error().Wrap(Printable(a.target, 400));
  return image;
}

}  // namespace bulwark::cli
