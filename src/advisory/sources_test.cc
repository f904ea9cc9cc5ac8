// What the configuration of sources means. The addresses are those that their publishers document (docs/operations.md).

#include "advisory/sources.h"

#include <gtest/gtest.h>

namespace bulwark::advisory {
namespace {

config::AdvisorySource From(const std::string& from) {
  config::AdvisorySource out;
  out.from = from;
  return out;
}

config::AdvisorySource At(const std::string& url) {
  config::AdvisorySource out;
  out.name = "x";
  out.urls = {url};
  return out;
}

TEST(FetchSources, KnownOnesAreComplete) {
  auto npm = ResolveSource(From("osv/npm"));
  ASSERT_TRUE(npm.ok()) << npm.error().message;
  EXPECT_EQ(npm->name, "osv-npm");
  EXPECT_EQ(npm->urls.at(0), "https://osv-vulnerabilities.storage.googleapis.com/npm/all.zip");
  EXPECT_EQ(npm->format, "zip");
  EXPECT_EQ(npm->whole, std::vector<std::string>{"npm"});
  EXPECT_EQ(ResolveSource(From("osv/Red Hat"))->urls.at(0), "https://osv-vulnerabilities.storage.googleapis.com/Red%20Hat/all.zip");
  EXPECT_EQ(ResolveSource(From("alpine/v3.20/main"))->urls, std::vector<std::string>{"https://secdb.alpinelinux.org/v3.20/main.json"});
  EXPECT_TRUE(ResolveSource(From("debian"))->whole.empty());
  EXPECT_EQ(ResolveSource(From("epss"))->format, "csv.gz");
  for (const KnownSource& known : KnownSources()) {
    auto source = ResolveSource(From(std::string(known.name) + (known.name.ends_with('/') ? "part" : "")));
    EXPECT_TRUE(source.ok()) << known.name;
  }
  for (const char* bad : {"osv/", "osv/../x", "osv//x", "osv/a?b", "osv/a%2f", "kev/x", "nobody", "OSV/npm"}) EXPECT_FALSE(ResolveSource(From(bad)).ok()) << bad;
}

TEST(FetchSources, AddressesAreTlsUnlessLoopbackOrSaid) {
  for (const char* good : {"https://a.example/x.json", "http://127.0.0.1:1/x.json", "http://[::1]:1/x.json", "http://localhost/x.json", "http://127.9.9.9/x.json"})
    EXPECT_TRUE(ResolveSource(At(good)).ok()) << good;
  for (const char* bad : {"http://a.example/x.json", "http://127.0.0.1.example/x.json", "http://127.0.0.1@a.example/x.json", "http://a.example:80@127.0.0.1/x.json",
                          "https://u:p@a.example/x.json", "ftp://a.example/x.json", "file:///x.json", "//a/x.json", "x.json", "https://a.example/x y.json", "http://[::2]/x.json",
                          "http:///x.json", "http://", "http://[", "HTTP://a.example/x.json"})
    EXPECT_FALSE(ResolveSource(At(bad)).ok()) << bad;
  auto plain = At("http://a.example/x.json");
  plain.plain_http = true;
  EXPECT_TRUE(ResolveSource(plain).ok());
}

TEST(FetchSources, FormatIsSaidOrSeen) {
  EXPECT_EQ(ResolveSource(At("https://a.example/x.tar.zst?y=z.json"))->format, "tar.zst");
  EXPECT_EQ(ResolveSource(At("https://a.example/x.bwa"))->format, "bulwark");
  EXPECT_FALSE(ResolveSource(At("https://a.example/data")).ok());
  auto said = At("https://a.example/data");
  said.format = "jsonl.gz";
  EXPECT_EQ(ResolveSource(said)->format, "jsonl.gz");
}

TEST(FetchSources, NamesAreFilesAndDiffer) {
  for (const char* bad : {"", "../x", "a/b", ".x", "a b", "a_b"}) {
    auto source = At("https://a.example/x.json");
    source.name = bad;
    EXPECT_FALSE(ResolveSource(source).ok()) << bad;
  }
  EXPECT_FALSE(ResolveSources({At("https://a.example/x.json"), At("https://b.example/x.json")}).ok());
  auto finished = At("https://a.example/x.bwa");
  EXPECT_TRUE(ResolveSources({finished}).ok());
  EXPECT_FALSE(ResolveSources({finished, From("kev")}).ok());
}

}  // namespace
}  // namespace bulwark::advisory
