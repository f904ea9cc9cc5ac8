#pragma once
// bulwark.yaml -> one immutable Config (DESIGN 2.22). docs/config.md explains the keys, docs/config.schema.json is made from
// the same table (config/keys.cc).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "formats/yaml.h"

namespace bulwark::config {

struct Listener {
  std::string name = "public";
  std::string address = "127.0.0.1:5000";  // host:port; the host an IP literal or "localhost"; port 0: any free one
  std::string tls_cert, tls_key;           // PEM files; both or none
  std::string tls_min_version = "1.2";     // "1.2" or "1.3"
  std::uint32_t line = 0;                  // in the file; 0: not from a file

  bool tls() const { return !tls_cert.empty(); }
  bool operator==(const Listener&) const = default;
};

struct Address {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  bool loopback = false;
};
// "127.0.0.1:5000", "[::1]:5000", "localhost:5000". kInvalid for names (they could resolve to anything) and bad ports.
Result<Address> ParseAddress(std::string_view text);

// A source of advisory data; advisory::ResolveSource says what of it is wrong.
struct AdvisorySource {
  std::string name;                // in file names, messages and measures; empty: from `from`
  std::string from;                // a known source, "osv/npm"; empty: `urls` and `format` say it all
  std::vector<std::string> urls;   // the first that answers is taken; empty: those of `from`
  std::string format;              // how the file is read, a word of the table; empty: as `from` or the address says
  std::vector<std::string> whole;  // ecosystems of which this source says all that is known, beside those of `from`
  std::string ca_file;             // PEM, beside the system's anchors
  std::string credentials_file;    // "user:password" or a bearer token
  bool plain_http = false;         // off loopback
  std::uint64_t max_bytes = 1ull << 30;  // of the download
  std::uint32_t line = 0;          // in the file; 0: not from a file

  bool operator==(const AdvisorySource&) const = default;
};

enum class Sandbox : std::uint8_t { kOn, kOff };
// Manifests whose parts are not all in the repository: none, indexes that lack children, also images that lack layers.
enum class Sparse : std::uint8_t { kRefuse, kIndexes, kAll };

// Read once, never changed; a reload makes a new one or keeps the old one. Relative paths of a file have been joined to
// the folder of that file.
struct Config {
  std::vector<Listener> listeners = {Listener{}};  // at least one
  bool allow_insecure_listen = false;       // clear text off loopback, said in words (kInsecureWords)
  bool allow_clock_before_audit = false;    // a clock behind the audit log, said in words (kClockWords)
  std::string external_url;                 // "https://registry.example.com"; empty: from the listener
  std::string data_directory = "bulwark-data";
  std::string advisory_database;            // file; empty: DATA/advisories.bwa if it is there, else the embedded starter data
  Millis advisory_update{0};                // how often the server looks for newer advisories; 0: never
  std::vector<AdvisorySource> advisory_sources;
  Sandbox sandbox = Sandbox::kOn;
  std::uint32_t workers = 0;                // analysis at the same time; 0: app decides
  std::uint32_t uploads_per_user = 1000;    // open upload sessions
  Millis upload_lifetime = std::chrono::hours(24);
  std::uint64_t blob_bytes = 64ull << 30;   // largest blob accepted
  Sparse sparse = Sparse::kIndexes;         // what is accepted of manifests with absent parts
  std::vector<formats::YamlNode> policies;  // for policy::ReadPolicy; read-only in the API
  std::string log_level = "info";           // "debug", "info", "warning", "error"
};

// What `allow_insecure_listen` must say.
inline constexpr std::string_view kInsecureWords = "passwords and images may cross the network in clear text";

// What `allow_clock_before_audit` must say.
inline constexpr std::string_view kClockWords = "the clock is right and the audit log is ahead of it";

// kInvalid with line and key for anything unknown, of the wrong type or contradictory, and for what CheckListeners says.
Result<Config> ParseConfig(std::string_view yaml);
// Reads a file; also kNotFound, kIo, kLimit.
Result<Config> LoadConfig(const std::string& path);
// Refuses listening off loopback without TLS unless the configuration allows it in words. For those who change listeners
// afterwards (`serve --listen`).
Status CheckListeners(const Config& config);
// The keys in which the two differ and that only a start reads; a reload takes over the rest.
std::vector<std::string_view> KeysThatNeedAStart(const Config& running, const Config& read);
// JSON Schema (draft 2020-12) of bulwark.yaml, as published in docs/config.schema.json.
std::string ConfigSchema();

}  // namespace bulwark::config
