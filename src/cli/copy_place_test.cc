#include "cli/copy_place.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace bulwark::cli {
namespace {

std::string Show(const Result<CopyPlace>& place) {
  if (!place) return "error";
  if (place->image) {
    EXPECT_EQ(place->tag, place->image->tag);
  }
  return place->image ? "registry " + place->image->str() : "path " + place->path + " tag " + place->tag;
}

TEST(CopyPlace, Sources) {
  char name[] = "/tmp/bulwark-place-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  EXPECT_EQ(Show(ParseCopySource(folder)), "path " + folder + " tag ");
  EXPECT_EQ(Show(ParseCopySource(folder + ":v1")), "path " + folder + " tag v1");
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(Show(ParseCopySource(folder + "@" + digest)), "path " + folder + " tag " + digest);
  EXPECT_EQ(Show(ParseCopySource("oci:a/b@" + digest)), "path a/b tag " + digest);
  EXPECT_EQ(Show(ParseCopySource("localhost:5000/a/b@" + digest)), "registry localhost:5000/a/b@" + digest);
  std::filesystem::remove(folder);
  EXPECT_EQ(Show(ParseCopySource(folder)), "path " + folder + " tag ");  // the open will say that it is not there
  EXPECT_EQ(Show(ParseCopySource("debian:12")), "registry docker.io/library/debian:12");
  EXPECT_EQ(Show(ParseCopySource("docker://localhost:5000/a/b")), "registry localhost:5000/a/b:latest");
  EXPECT_EQ(Show(ParseCopySource("oci-archive:a/b.tar:v1")), "path a/b.tar tag v1");
  EXPECT_EQ(Show(ParseCopySource("docker-archive:/x/y.tar")), "path /x/y.tar tag ");
  EXPECT_EQ(Show(ParseCopySource("oci:")), "error");
  EXPECT_EQ(Show(ParseCopySource("Not A Name")), "error");
}

TEST(CopyPlace, Targets) {
  EXPECT_EQ(Show(ParseCopyTarget("./out")), "path ./out tag ");
  EXPECT_EQ(Show(ParseCopyTarget("./out:v1.2")), "path ./out tag v1.2");
  EXPECT_EQ(Show(ParseCopyTarget("oci:out:v1")), "path out tag v1");
  EXPECT_EQ(Show(ParseCopyTarget("/a:b/out")), "path /a:b/out tag ");
  EXPECT_EQ(Show(ParseCopyTarget("localhost:5000/a/b:v1")), "registry localhost:5000/a/b:v1");
  EXPECT_EQ(Show(ParseCopyTarget("docker.io/me/app")), "registry docker.io/me/app");  // no tag: `latest` is not moved unasked
  EXPECT_EQ(Show(ParseCopyTarget("localhost:5000/a/b")), "registry localhost:5000/a/b");
  EXPECT_EQ(Show(ParseCopyTarget("docker://localhost:5000/a/b:latest")), "registry localhost:5000/a/b:latest");
  EXPECT_EQ(Show(ParseCopyTarget("oci:out:v1 2")), "error");
  for (const char* place : {"localhost:5000/a/b", "./out", "oci:out"})
    EXPECT_EQ(Show(ParseCopyTarget(place + ("@sha256:" + std::string(64, 'a')))), "error") << place;
  for (const char* unclear : {"out", "out/layout", "app:v1", "oci-archive:x.tar", "docker-archive:x.tar", ""}) EXPECT_EQ(Show(ParseCopyTarget(unclear)), "error") << unclear;
}

}  // namespace
}  // namespace bulwark::cli
