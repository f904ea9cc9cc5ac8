// Rows of specs/attacks.md, "Manifests, ambiguity, and the pull gate", and image-spec 1.1.

#include "formats/oci.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace bulwark::formats {
namespace {

const std::string kHex(64, 'a');
const std::string kConfigText =
    R"({"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:)" + kHex + R"(","size":2})";
const std::string kLayerText =
    R"({"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:)" + kHex + R"(","size":10})";

std::string Manifest(const std::string& extra = "", const std::string& layer = kLayerText) {
  return R"({"schemaVersion":2,)" + extra + R"("config":)" + kConfigText + R"(,"layers":[)" + layer + "]}";
}
std::string Index(const std::string& extra = "") {
  return R"({"schemaVersion":2,)" + extra +
         R"("manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:)" + kHex +
         R"(","size":7,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]})";
}
Errc Code(std::string_view type, const std::string& text) {
  auto parsed = ParseOciDocument(type, text);
  return parsed ? Errc::kInternal : parsed.error().code;
}

TEST(Oci, ReadsEachKind) {
  auto manifest = ParseOciDocument(
      kOciManifest, Manifest(R"("artifactType":"a/b","annotations":{"k":"v","K":"w"},"subject":)" + kConfigText + ","));
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->kind, DocumentKind::kManifest);
  EXPECT_EQ(manifest->artifact_type, "a/b");
  EXPECT_EQ(manifest->annotations, R"({"k":"v","K":"w"})");
  EXPECT_EQ(manifest->layers.at(0).size, 10u);
  EXPECT_EQ(manifest->subject->digest.hex(), kHex);
  auto index = ParseOciDocument(kDockerList, Index());
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_EQ(index->manifests.at(0).platform->str(), "linux/arm64/v8");
  EXPECT_TRUE(ParseOciDocument(kDockerManifest, Manifest()));
  EXPECT_TRUE(ParseOciDocument(kOciIndex, R"({"schemaVersion":2,"manifests":[]})"));
}

TEST(Oci, HeaderAndFieldDecideTogether) {
  const std::string field = R"("mediaType":"application/vnd.oci.image.manifest.v1+json",)";
  EXPECT_TRUE(ParseOciDocument("", Manifest(field)));
  EXPECT_TRUE(ParseOciDocument(" Application/VND.oci.image.manifest.v1+JSON; charset=utf-8", Manifest(field)));
  EXPECT_EQ(Code("", Manifest()), Errc::kInvalid);
  EXPECT_EQ(Code(kOciIndex, Manifest(field)), Errc::kInvalid);
  EXPECT_EQ(Code(kDockerManifest, Manifest(field)), Errc::kInvalid);
  EXPECT_EQ(Code("text/html", Manifest()), Errc::kInvalid);
  EXPECT_EQ(Code("text/html", Manifest(field)), Errc::kInvalid);
  EXPECT_EQ(Code("application/json", Manifest()), Errc::kInvalid);
  EXPECT_EQ(Code(kOciManifest, Manifest(R"("mediaType":"",)")), Errc::kInvalid);
  EXPECT_EQ(Code(kOciManifest, Manifest(R"("mediaType":7,)")), Errc::kInvalid);
}

TEST(Oci, AmbiguousDocumentsAreRefused) {
  const std::string both = R"({"schemaVersion":2,"manifests":[],"config":)" + kConfigText + R"(,"layers":[]})";
  for (std::string_view type : {kOciManifest, kOciIndex, kDockerManifest, kDockerList, std::string_view()})
    EXPECT_EQ(Code(type, both), Errc::kInvalid) << type;
  EXPECT_EQ(Code(kOciManifest, Manifest(R"("manifests":null,)")), Errc::kInvalid);
  EXPECT_EQ(Code(kOciIndex, Index(R"("layers":[],)")), Errc::kInvalid);
  EXPECT_EQ(Code(kOciIndex, Manifest()), Errc::kInvalid);
  EXPECT_EQ(Code(kOciManifest, Index()), Errc::kInvalid);
  EXPECT_EQ(Code(kOciManifest, Manifest(R"("fsLayers":[],)")), Errc::kInvalid);
}

TEST(Oci, Schema1IsUnsupported) {
  EXPECT_EQ(Code("application/vnd.docker.distribution.manifest.v1+prettyjws", Manifest()), Errc::kUnsupported);
  EXPECT_EQ(Code("application/vnd.docker.distribution.manifest.v1+json", Manifest()), Errc::kUnsupported);
  EXPECT_EQ(Code(kDockerManifest, R"({"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"signatures":[]})"),
            Errc::kUnsupported);
}

TEST(Oci, KeysThatFoldToKnownOnesAreRefused) {
  for (const char* key : {"Layers", "LAYERS", "MediaType", "manife\u017fts", "conf\u0131g", "Config", "Subject",
                          "ArtifactType", "Annotations"})
    EXPECT_EQ(Code(kOciManifest, Manifest("\"" + std::string(key) + "\":[],")), Errc::kInvalid) << key;
  EXPECT_EQ(Code(kOciManifest,
                 Manifest("", R"({"mediaType":"a/b","Digest":"x","digest":"sha256:)" + kHex + R"(","size":1})")),
            Errc::kInvalid);
  EXPECT_EQ(Code(kOciIndex, Index(R"("Manifests":[],)")), Errc::kInvalid);
  EXPECT_EQ(Code(kOciManifest, Manifest(R"("annotations":{"a":"b"},"annotations":{},)")), Errc::kInvalid);
  EXPECT_EQ(Code(kOciManifest, Manifest(R"("annotations":{"a":1},)")), Errc::kInvalid);
}

TEST(Oci, SizesArePlainIntegers) {
  auto with = [](const std::string& size) {
    return Manifest("", R"({"mediaType":"a/b","digest":"sha256:)" + kHex + R"(","size":)" + size + "}");
  };
  for (const char* bad :
       {"-1", "1.5", "1e3", "1e400", "-0", "9223372036854775808", "18446744073709551616", "\"12\"", "null", "true"})
    EXPECT_FALSE(ParseOciDocument(kOciManifest, with(bad))) << bad;
  for (const char* good : {"0", "9007199254740993", "9223372036854775807"})
    EXPECT_TRUE(ParseOciDocument(kOciManifest, with(good))) << good;
  EXPECT_FALSE(
      ParseOciDocument(kOciManifest, Manifest("", R"({"mediaType":"a/b","digest":"sha256:)" + kHex + R"("})")));
}

TEST(Oci, DigestsFollowTheGrammar) {
  for (const std::string& bad :
       {std::string("sha256:../../../etc/passwd"), "sha256:" + std::string(64, 'A'), "sha256:" + std::string(63, 'a'),
        "sha512:" + kHex, "md5:" + std::string(32, 'a'), std::string("a+b:c"), std::string()})
    EXPECT_FALSE(
        ParseOciDocument(kOciManifest, Manifest("", R"({"mediaType":"a/b","size":1,"digest":")" + bad + "\"}")))
        << bad;
}

TEST(Oci, LimitsAndShapes) {
  std::string many = kLayerText;
  for (std::uint64_t i = 0; i < limits::kManifestDescriptors; ++i) many += "," + kLayerText;
  EXPECT_EQ(Code(kOciManifest, Manifest("", many)), Errc::kLimit);
  EXPECT_EQ(Code(kOciManifest, std::string(limits::kManifestBytes + 1, ' ')), Errc::kLimit);
  for (const char* bad : {"", "null", "[]", "{", R"({"schemaVersion":2})", R"({"schemaVersion":"2","manifests":[]})",
                          R"({"schemaVersion":2,"config":{},"layers":[]})"})
    EXPECT_FALSE(ParseOciDocument(kOciManifest, bad)) << bad;
  EXPECT_EQ(
      Code(kOciManifest, Manifest("", R"({"mediaType":"a/b","size":3,"data":"e30=","digest":"sha256:)" + kHex + "\"}")),
      Errc::kInvalid);
}

TEST(OciConfig, OddConfigsAreProblemsNotErrors) {
  auto good = ParseImageConfig(
      R"({"architecture":"arm64","variant":"v8","os":"linux","config":{"Volumes":{"/Data":{},"/data":{}}},"rootfs":{"type":"layers","diff_ids":["sha256:)" +
      kHex + R"("]}})");
  EXPECT_TRUE(good.problems.empty()) << good.problems.at(0);
  EXPECT_TRUE(good.has_rootfs);
  EXPECT_EQ(good.diff_ids.size(), 1u);
  EXPECT_EQ(good.platform.str(), "linux/arm64/v8");
  auto empty = ParseImageConfig("{}");
  EXPECT_TRUE(empty.problems.empty());
  EXPECT_FALSE(empty.has_rootfs);
  for (const char* bad :
       {"", "[]", "{\"rootfs\":{\"diff_ids\":[1]}}", "{\"RootFS\":{}}", "{\"os\":1}", "{\"rootfs\":{\"Diff_ids\":[]}}"})
    EXPECT_FALSE(ParseImageConfig(bad).problems.empty()) << bad;
}

TEST(Statement, ReadsSubjects) {
  auto text = [&](const std::string& type, const std::string& subject) {
    return R"({"_type":")" + type +
           R"(","predicateType":"https://slsa.dev/provenance/v1","predicate":{"A":1,"a":2},"subject":[)" + subject +
           "]}";
  };
  const std::string v1 = "https://in-toto.io/Statement/v1";
  auto statement = ParseStatement(
      text(v1, R"({"name":"x","digest":{"sha256":")" + kHex + R"("}},{"name":"y","digest":{"gitCommit":"1"}})"));
  ASSERT_TRUE(statement) << statement.error().message;
  EXPECT_EQ(statement->subjects.size(), 1u);
  EXPECT_EQ(statement->predicate_type, "https://slsa.dev/provenance/v1");
  EXPECT_FALSE(ParseStatement(text("https://example.com/x", "")));
  EXPECT_FALSE(ParseStatement("{}"));
  EXPECT_FALSE(ParseStatement("null"));
  EXPECT_FALSE(ParseStatement(R"({"_type":")" + v1 + R"(","Subject":[],"subject":[],"predicateType":"x"})"));
}

}  // namespace
}  // namespace bulwark::formats
