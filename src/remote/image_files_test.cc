// Archives: each layer is read once, however often and under however many names it is mentioned.
#include "remote/image_files.h"

#include <cstdio>
#include <map>

#include <gtest/gtest.h>

#include "remote/copy_ends.h"
#include "remote/local_image.h"
#include "remote/test_copies.h"

namespace bulwark::remote {
namespace {

// POSIX.1-1988 ustar, as `docker save` writes it.
std::string TarMember(const std::string& name, char type, const std::string& bytes, const std::string& link = "") {
  std::string head(512, '\0');
  head.replace(0, name.size(), name);
  head.replace(100, 7, "0000644");
  char size[12];
  std::snprintf(size, sizeof size, "%011zo", bytes.size());
  head.replace(124, 11, size);
  head.replace(136, 11, "00000000000");
  head.replace(148, 8, "        ");
  head[156] = type;
  head.replace(157, link.size(), link);
  head.replace(257, 6, std::string("ustar\0", 6));
  head.replace(263, 2, "00");
  unsigned sum = 0;
  for (unsigned char c : head) sum += c;
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  head.replace(148, 7, std::string(text, 7));
  return head + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}

std::unique_ptr<ImageFiles> Archive(const std::string& members) {
  UniqueFd fd = *TemporaryFile();
  EXPECT_TRUE(WriteAll(fd.get(), members + std::string(1024, '\0')).ok());
  return *ArchiveFiles(std::move(fd));
}

// The same files, and how often each was opened, which of an archive is a copy.
class Counting final : public ImageFiles {
 public:
  explicit Counting(const ImageFiles& files) : files_(files) {}
  using ImageFiles::Open;
  Result<FilePart> Find(const std::string& name) const override { return files_.Find(name); }
  Result<OpenedFile> Open(const std::string& name, std::uint64_t most) const override {
    ++opened[name];
    return files_.Open(name, most);
  }
  mutable std::map<std::string, int> opened;

 private:
  const ImageFiles& files_;
};

// Docker before 25: image-spec v1.2 of moby, a repeated layer as a link to the first one.
TEST(DockerArchive, CopiesEachLayerOnce) {
  const std::string layer(10'000, 'a'), packed = "\x1f\x8b not really";
  const std::string manifest = R"([{"Config":"c.json","RepoTags":["x:v1"],"Layers":["1/layer.tar","2/layer.tar","1/layer.tar","3/layer.tar"]}])";
  auto archive = Archive(TarMember("c.json", '0', "{}") + TarMember("1/layer.tar", '0', layer) + TarMember("2/layer.tar", '2', "", "../1/layer.tar") +
                         TarMember("3/layer.tar", '0', packed) + TarMember("manifest.json", '0', manifest));
  Counting files(*archive);
  auto source = DockerArchiveSource(files);
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(files.opened["1/layer.tar"] + files.opened["2/layer.tar"] + files.opened["3/layer.tar"], 0);
  auto document = formats::ParseOciDocument(formats::kOciManifest, (*source)->Manifest("v1")->bytes);
  ASSERT_EQ(document->layers.size(), 4u);
  for (int i : {0, 1, 2}) EXPECT_EQ(document->layers[static_cast<std::size_t>(i)].digest.str(), DigestOf(layer)) << i;
  EXPECT_EQ(document->layers[0].media_type, "application/vnd.oci.image.layer.v1.tar");
  EXPECT_EQ(document->layers[3].digest.str(), DigestOf(packed));
  EXPECT_EQ(document->layers[3].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
  TestRegistry to;
  Trip trip;
  trip.ends.sources.push_back(*std::move(source));
  trip.To(to, "b");
  trip.ends.targets.resize(1);
  auto copied = trip.Go("", "v1");
  ASSERT_TRUE(copied.ok()) << copied.error().message;
  EXPECT_EQ(to.blobs["b"][DigestOf(layer)], layer);
  EXPECT_EQ(files.opened["1/layer.tar"] + files.opened["2/layer.tar"], 1);
  EXPECT_EQ(files.opened["3/layer.tar"], 1);
}

TEST(DockerArchive, NamesNoMoreLayersThanAManifestMayHave) {
  std::string layers;
  for (int i = 0; i < 5000; ++i) layers += std::string(i ? "," : "") + R"("1/layer.tar")";
  auto files = Archive(TarMember("c.json", '0', "{}") + TarMember("1/layer.tar", '0', "x") + TarMember("manifest.json", '0', R"([{"Config":"c.json","Layers":[)" + layers + "]}]"));
  EXPECT_EQ(DockerArchiveSource(*files).error().code, Errc::kLimit);
}

TEST(ImageFiles, KnowsTwoNamesOfOneFile) {
  Folder folder;
  ASSERT_TRUE(WriteFileAtomically(folder.path + "/a", "bytes").ok());
  ASSERT_TRUE(WriteFileAtomically(folder.path + "/b", "bytes").ok());
  std::filesystem::create_symlink("a", folder.path + "/link");
  auto directory = DirectoryFiles(folder.path);
  auto archive = Archive(TarMember("a", '0', "bytes") + TarMember("b", '0', "bytes") + TarMember("link", '2', "", "a") + TarMember("empty", '0', "") + TarMember("none", '0', ""));
  for (const ImageFiles* files : {directory.get(), archive.get()}) {
    auto identity = [&](const std::string& name) { return *files->Find(name)->Identity(); };
    EXPECT_EQ(identity("a"), identity("link"));
    EXPECT_NE(identity("a"), identity("b"));
    std::string text;
    EXPECT_TRUE(files->Find("link")->Stream([&](ByteSpan bytes) {
      text += AsText(bytes);
      return Status();
    }).ok());
    EXPECT_EQ(text, "bytes");
    EXPECT_EQ(files->Find("absent").error().code, Errc::kNotFound);
    EXPECT_EQ(files->Open("a", 4).error().code, Errc::kLimit);
  }
  EXPECT_NE(*archive->Find("empty")->Identity(), *archive->Find("none")->Identity());
}

}  // namespace
}  // namespace bulwark::remote
