#pragma once
// For tests of copies: content in a TestRegistry, and trips between registries and layouts.

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "remote/copy.h"
#include "remote/test_registry.h"

namespace bulwark::remote {

inline std::string DigestOf(const std::string& bytes) { return crypto::Sha256(AsBytes(bytes)).str(); }

inline std::string Descriptor(const std::string& bytes, std::string_view type, const std::string& more = "") {
  return R"({"mediaType":")" + std::string(type) + R"(","digest":")" + DigestOf(bytes) + R"(","size":)" + std::to_string(bytes.size()) + more + "}";
}

// Puts content into a repository of a TestRegistry.
struct Author {
  TestRegistry& registry;
  std::string repository;
  std::string Blob(const std::string& bytes, std::string_view type) {
    registry.blobs[repository][DigestOf(bytes)] = bytes;
    return Descriptor(bytes, type);
  }
  std::string Manifest(const std::string& bytes, const std::string& tag = "") {
    registry.manifests[repository][DigestOf(bytes)] = bytes;
    if (!tag.empty()) registry.manifests[repository][tag] = bytes;
    return bytes;
  }
  std::string Image(const std::string& layer, const std::string& more = "", const std::string& tag = "") {
    std::string config = Blob(R"({"architecture":"amd64","os":"linux","x":")" + layer + "\"}", formats::kOciConfig);
    return Manifest(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" + config + R"(,"layers":[)" +
                        Blob(layer, "application/vnd.oci.image.layer.v1.tar") + "]" + more + "}", tag);
  }
  std::string Signature(const std::string& of, const std::string& name) {
    return Image(name, R"(,"artifactType":"application/vnd.test","annotations":{"who":")" + name + R"("},"subject":)" + Descriptor(of, formats::kOciManifest));
  }
  std::string Index(const std::vector<std::string>& children, const std::string& tag) {
    std::string entries;
    const char* const platforms[] = {"amd64", "arm64", "s390x"};
    for (std::size_t i = 0; i < children.size(); ++i)
      entries += (i ? "," : "") + Descriptor(children[i], formats::kOciManifest, R"(,"platform":{"os":"linux","architecture":")" + std::string(platforms[i]) + "\"}");
    return Manifest(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)" + entries + "]}", tag);
  }
};

class Quiet final : public CopyWatcher {
 public:
  void Moved(std::uint64_t done, std::uint64_t total, std::string_view) override { EXPECT_LE(done, total); }
  void Note(std::string_view sentence) override { notes.emplace_back(sentence); }
  std::vector<std::string> notes;
};

struct Clients {
  std::vector<std::unique_ptr<net::HttpClient>> http;
  std::vector<std::unique_ptr<RegistryClient>> clients;
  RegistryClient& Add(const TestRegistry& registry, const std::string& repository) {
    http.push_back(net::MakeHttpClient());
    clients.push_back(std::make_unique<RegistryClient>(*http.back(), *ParseImageReference(registry.host() + "/" + repository + ":v1"), Tls::kNever, std::nullopt));
    Patience patience;
    patience.tries = 4;
    patience.answered_before = true;
    patience.sleep = [](std::chrono::milliseconds) {};
    clients.back()->SetPatience(patience);
    return *clients.back();
  }
};

struct Trip {
  Clients clients;
  CopyEnds ends;
  CopyOptions options;
  Quiet watcher;
  Trip& From(const TestRegistry& registry, const std::string& repository) {
    for (int i = 0; i < 3; ++i) ends.sources.push_back(RegistrySource(clients.Add(registry, repository), registry.host()));
    return *this;
  }
  Trip& To(const TestRegistry& registry, const std::string& repository, const std::string& mount = "") {
    for (int i = 0; i < 3; ++i) {
      auto& client = clients.Add(registry, repository);
      client.SetMountSource(mount);
      ends.targets.push_back(RegistryTarget(client, !mount.empty()));
    }
    return *this;
  }
  Trip& From(const ImageFiles& files) {
    for (int i = 0; i < 3; ++i) ends.sources.push_back(LayoutSource(files));
    return *this;
  }
  Trip& To(const std::string& path) {
    for (int i = 0; i < 3; ++i) ends.targets.push_back(LayoutTarget(path));
    return *this;
  }
  Result<CopyReport> Go(const std::string& from = "v1", const std::string& tag = "v1") { return Copy(ends, from, tag, options, watcher); }
};

struct Folder {
  Folder() { path = ::mkdtemp(name); }
  ~Folder() { std::filesystem::remove_all(path); }
  char name[32] = "/tmp/bulwark-copy-XXXXXX";
  std::string path;
};

// All manifests by digest; tags left out.
inline std::map<std::string, std::string> ByDigest(const std::map<std::string, std::string>& manifests) {
  std::map<std::string, std::string> out;
  for (const auto& [key, bytes] : manifests)
    if (key.starts_with("sha256:")) out[key] = bytes;
  return out;
}

}  // namespace bulwark::remote
