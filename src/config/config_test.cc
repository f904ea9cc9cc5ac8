#include "config/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/byte_source.h"
#include "config/keys.h"

namespace bulwark::config {
namespace {

std::string ErrorOf(std::string_view yaml) {
  auto config = ParseConfig(yaml);
  return config.ok() ? "" : config.error().message;
}

const std::string kFull = std::string(BW_SOURCE_DIR) + "/src/config/testdata/fuzz/config/full.yaml";

// DESIGN 2.18: without configuration, loopback only.
TEST(Config, DefaultsAreSafe) {
  Config config;
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_TRUE(ParseAddress(config.listeners[0].address)->loopback);
  EXPECT_FALSE(config.allow_insecure_listen);
  EXPECT_EQ(config.sandbox, Sandbox::kOn);
  EXPECT_TRUE(CheckListeners(config).ok());
  for (const char* empty : {"", "# nothing\n", "---\n", "{}"}) EXPECT_EQ(ErrorOf(empty), "") << empty;
}

// The fallbacks of the table are what a default Config has: the file of all fallbacks gives the default Config.
TEST(Config, TheTableTellsTheDefaults) {
  Config fallbacks, plain;
  fallbacks.advisory_sources.emplace_back();
  for (const Key& key : Keys()) {
    if (key.fallback.empty()) continue;
    formats::YamlNode value;
    value.text = std::string(key.fallback);
    ASSERT_TRUE(key.set(value, fallbacks).ok()) << key.path;
  }
  EXPECT_EQ(fallbacks.listeners[0].name, plain.listeners[0].name);
  EXPECT_EQ(fallbacks.listeners[0].address, plain.listeners[0].address);
  EXPECT_EQ(fallbacks.listeners[0].tls_min_version, plain.listeners[0].tls_min_version);
  EXPECT_EQ(fallbacks.data_directory, plain.data_directory);
  EXPECT_EQ(fallbacks.advisory_update, plain.advisory_update);
  EXPECT_EQ(fallbacks.advisory_sources[0], AdvisorySource());
  EXPECT_EQ(fallbacks.sandbox, plain.sandbox);
  EXPECT_EQ(fallbacks.sparse, plain.sparse);
  EXPECT_EQ(fallbacks.workers, plain.workers);
  EXPECT_EQ(fallbacks.uploads_per_user, plain.uploads_per_user);
  EXPECT_EQ(fallbacks.upload_lifetime, plain.upload_lifetime);
  EXPECT_EQ(fallbacks.blob_bytes, plain.blob_bytes);
  EXPECT_EQ(fallbacks.log_level, plain.log_level);
}

TEST(Config, ReadsEveryKey) {
  auto config = LoadConfig(kFull);
  ASSERT_TRUE(config.ok()) << config.error().message;
  ASSERT_EQ(config->listeners.size(), 2u);
  EXPECT_TRUE(config->listeners[0].tls());
  EXPECT_EQ(config->listeners[0].tls_min_version, "1.3");
  EXPECT_EQ(config->external_url, "https://registry.example.com");
  std::string folder = std::filesystem::path(kFull).parent_path().string();
  EXPECT_EQ(config->listeners[0].tls_cert, folder + "/tls/cert.pem");
  EXPECT_EQ(config->data_directory, folder + "/data");
  EXPECT_EQ(config->advisory_database, folder + "/advisories.bwa");
  EXPECT_EQ(config->advisory_update, std::chrono::hours(1));
  ASSERT_EQ(config->advisory_sources.size(), 2u);
  EXPECT_EQ(config->advisory_sources[0].from, "osv/npm");
  EXPECT_EQ(config->advisory_sources[0].urls.size(), 2u);
  EXPECT_EQ(config->advisory_sources[0].whole, std::vector<std::string>{"npm"});
  EXPECT_FALSE(config->advisory_sources[0].plain_http);
  const AdvisorySource& central = config->advisory_sources[1];
  EXPECT_EQ(central.name + " " + central.format, "central bulwark");
  EXPECT_EQ(central.ca_file, folder + "/ca.pem");
  EXPECT_EQ(central.credentials_file, folder + "/central.login");
  EXPECT_TRUE(central.plain_http);
  EXPECT_EQ(central.max_bytes, 1000u);
  EXPECT_EQ(config->workers, 4u);
  EXPECT_EQ(config->uploads_per_user, 10u);
  EXPECT_EQ(config->upload_lifetime, std::chrono::hours(1));
  EXPECT_EQ(config->blob_bytes, 1'000'000u);
  EXPECT_EQ(config->sparse, Sparse::kAll);
  ASSERT_EQ(config->policies.size(), 1u);
  EXPECT_EQ(config->policies[0].Find("policy")->text, "production");
  EXPECT_EQ(config->log_level, "debug");
}

TEST(Config, RefusesWithTheLine) {
  EXPECT_EQ(ErrorOf("sandbox: on\nstorge: {}\n"), "line 2: bulwark.yaml has no key storge; did you mean storage?");
  EXPECT_EQ(ErrorOf("storage:\n  dir: x\n"), "line 2: storage has no key dir");
  EXPECT_EQ(ErrorOf("listeners:\n  - addres: x\n"), "line 2: listeners[] has no key addres; did you mean address?");
  EXPECT_EQ(ErrorOf("sandbox: no\n"), "line 1: sandbox must be one of on, off");
  EXPECT_EQ(ErrorOf("analysis: {workers: 5000}\n"), "line 1: analysis.workers must be from 0 to 1024");
  for (const char* bad :
       {"analysis: {workers: -1}", "analysis: {workers: '4'}", "analysis: 4", "listeners: []", "listeners: {}", "listeners: [a]",
        "limits: {upload_lifetime: 5}", "limits: {upload_lifetime: 1s}", "external_url: registry.example.com",
        "external_url: https://a/b", "external_url: 'https://a b'", "external_url: https://", "policies: {}", "storage: {directory: ''}",
        "storage: {directory: [a]}", "listeners: [{address: '127.0.0.1'}]", "listeners: [{address: 'registry.example.com:5000'}]",
        "listeners: [{address: '127.0.0.1:70000'}]", "listeners: [{address: '127.0.0.1:5000', tls: {cert: a}}]",
        "listeners: [{address: '127.0.0.1:1'}, {name: b, address: '127.0.0.1:1'}]",
        "listeners: [{address: '127.0.0.1:1'}, {address: '127.0.0.1:2'}]", "listeners: [{tls: {min_version: '1.0'}}]",
        "advisories: {update: 5}", "advisories: {update: 1s}", "advisories: {update: 365d}", "advisories: {sources: []}",
        "advisories: {sources: [{urls: 'https://a/b'}]}", "advisories: {sources: [{urls: []}]}", "advisories: {sources: [{url: 'https://a/b'}]}",
        "advisories: {sources: [{format: exe}]}", "advisories: {sources: [{plain_http: true}]}", "advisories: {sources: [{max_bytes: 0}]}",
        "allow_insecure_listen: true", "log: {level: trace}", "[]", "a", "sandbox: on\nsandbox: on", "sandbox: &a on"}) {
    EXPECT_TRUE(ErrorOf(bad).starts_with("line ")) << bad << " gave: " << ErrorOf(bad);
  }
}

TEST(Config, SaysWhatAReloadCannotTakeOver) {
  auto keys = [](std::string_view a, std::string_view b) { return KeysThatNeedAStart(*ParseConfig(a), *ParseConfig(b)); };
  using Keys = std::vector<std::string_view>;
  EXPECT_EQ(keys("log: {level: info}", "# moved\nlog: {level: debug}\npolicies: [{policy: p}]"), Keys());
  EXPECT_EQ(keys("listeners: [{address: '127.0.0.1:1'}]", "\nlisteners: [{address: '127.0.0.1:1'}]"), Keys());
  EXPECT_EQ(keys("listeners: [{address: '127.0.0.1:1'}]", "listeners: [{address: '127.0.0.1:2'}]"), Keys{"listeners"});
  EXPECT_EQ(keys("{}", "limits: {uploads_per_user: 1, upload_lifetime: 1h}"),
            (Keys{"limits.uploads_per_user", "limits.upload_lifetime"}));
  EXPECT_EQ(keys("advisories: {sources: [{from: kev}]}", "\nadvisories: {sources: [{from: kev}]}"), Keys());
  EXPECT_EQ(keys("{}", "advisories: {update: 1h, sources: [{from: kev}]}"), (Keys{"advisories.update", "advisories.sources"}));
}

TEST(Config, AClockBehindTheAuditLogIsAllowedInWords) {
  EXPECT_NE(ErrorOf("allow_clock_before_audit: true"), "");
  EXPECT_TRUE(ParseConfig("allow_clock_before_audit: " + std::string(kClockWords))->allow_clock_before_audit);
}

// DESIGN 2.18: off loopback without TLS only in words.
TEST(Config, RefusesClearTextOffLoopback) {
  EXPECT_NE(ErrorOf("listeners:\n  - address: 0.0.0.0:5000\n").find("line 2: 0.0.0.0:5000 is reachable"), std::string::npos);
  EXPECT_NE(ErrorOf("listeners: [{address: '[::]:5000'}]"), "");
  EXPECT_NE(ErrorOf("listeners: [{address: '10.0.0.1:5000'}]"), "");
  EXPECT_EQ(ErrorOf("listeners: [{address: '0.0.0.0:5000', tls: {cert: c, key: k}}]"), "");
  EXPECT_EQ(ErrorOf("listeners: [{address: '0.0.0.0:5000'}]\nallow_insecure_listen: " + std::string(kInsecureWords)), "");
  for (const char* loopback : {"127.0.0.1:0", "127.9.9.9:1", "[::1]:5000", "localhost:5000"}) {
    EXPECT_EQ(ErrorOf(std::string("listeners: [{address: '") + loopback + "'}]"), "") << loopback;
  }
}

TEST(Config, AddressesAreLiteral) {
  for (const char* bad : {"", ":5000", "5000", "127.0.0.1", "127.1:5000", "0x7f000001:5000", "010.0.0.1:5000", "[127.0.0.1]:1", "::1:5000",
                          "[localhost]:1", "[]:1", "127.0.0.1:05000", "127.0.0.1:-1", "127.0.0.1:"}) {
    EXPECT_FALSE(ParseAddress(bad).ok()) << bad;
  }
  auto v6 = ParseAddress("[::ffff:127.0.0.1]:1");  // reaches v4 loopback, but is not ::1: treated as public
  ASSERT_TRUE(v6.ok());
  EXPECT_FALSE(v6->loopback);
}

TEST(Config, MissingFile) { EXPECT_EQ(LoadConfig("/nonexistent/bulwark.yaml").error().code, Errc::kNotFound); }

// docs/config.schema.json is made from the table; BW_UPDATE_TESTDATA=1 writes it.
TEST(ConfigSchema, IsPublished) {
  std::string path = std::string(BW_SOURCE_DIR) + "/docs/config.schema.json";
  if (std::getenv("BW_UPDATE_TESTDATA") != nullptr) {
    ASSERT_TRUE(WriteFileAtomically(path, ConfigSchema()).ok());
  }
  auto published = ReadFile(path, 1 << 20);
  ASSERT_TRUE(published.ok()) << published.error().message;
  EXPECT_EQ(*published, ConfigSchema());
}

TEST(ConfigSchema, AcceptsWhatTheReaderAccepts) {
  if (std::system("python3 -c 'import jsonschema, yaml' 2>/dev/null") != 0) {
    GTEST_SKIP() << "python3-jsonschema or python3-yaml is not installed";
  }
  // BaseLoader-like reading would make numbers text; the safe loader of YAML 1.1 makes `on` a bool, so that is undone.
  std::string script = "python3 -c 'import json,sys,yaml,jsonschema\n"
                       "s=json.load(open(sys.argv[1])); d=yaml.safe_load(open(sys.argv[2])); d[\"sandbox\"]=\"on\"\n"
                       "v=jsonschema.Draft202012Validator(s); v.check_schema(s); v.validate(d)\n"
                       "d[\"storge\"]={}\n"
                       "sys.exit(0 if list(v.iter_errors(d)) else 1)' " +
                       std::string(BW_SOURCE_DIR) + "/docs/config.schema.json " + kFull;
  EXPECT_EQ(std::system(script.c_str()), 0);
}

// docs/config.md names every key.
TEST(ConfigSchema, IsDocumented) {
  auto page = ReadFile(std::string(BW_SOURCE_DIR) + "/docs/config.md", 1 << 20);
  ASSERT_TRUE(page.ok()) << page.error().message;
  for (const Key& key : Keys()) EXPECT_NE(page->find("`" + std::string(key.path) + "`"), std::string::npos) << key.path;
}

}  // namespace
}  // namespace bulwark::config
