#include "config/keys.h"

#include "base/strings.h"

namespace bulwark::config {
namespace {

using formats::YamlError;
using formats::YamlNode;

template <auto field>
Status SetText(const YamlNode& value, Config& config) {
  config.*field = value.text;
  return {};
}

template <auto field>
Status SetListenerText(const YamlNode& value, Config& config) {
  config.listeners.back().*field = value.text;
  return {};
}

template <auto field>
Status SetSourceText(const YamlNode& value, Config& config) {
  config.advisory_sources.back().*field = value.text;
  return {};
}

template <auto field>
Status SetSourceTexts(const YamlNode& value, Config& config) {
  BW_TRY(config.advisory_sources.back().*field, formats::YamlTexts(value, "the list"));
  return {};
}

Status SetSourceHttp(const YamlNode& value, Config& config) {
  config.advisory_sources.back().plain_http = value.text == "on";
  return {};
}

Status SetSourceBytes(const YamlNode& value, Config& config) {
  config.advisory_sources.back().max_bytes = *ParseUint(value.text);
  return {};
}

// A duration or a word, which no type of the table is.
Status SetUpdate(const YamlNode& value, Config& config) {
  config.advisory_update = Millis(0);
  if (value.text == "off") return {};
  auto every = ParseDuration(value.text);
  if (!every.ok() || *every < std::chrono::minutes(1) || *every > std::chrono::hours(24 * 30))
    return YamlError(value, "advisories.update must be off or a duration from 1m to 30d");
  config.advisory_update = *every;
  return {};
}

template <auto field>
Status SetCount(const YamlNode& value, Config& config) {
  using Number = std::remove_reference_t<decltype(config.*field)>;
  config.*field = static_cast<Number>(*ParseUint(value.text));  // checked against the row's range
  return {};
}

Status SetListenerAddress(const YamlNode& value, Config& config) {
  auto address = ParseAddress(value.text);
  if (!address.ok()) return YamlError(value, address.error().message);
  config.listeners.back().address = value.text;
  return {};
}

// A switch that opens a hole is a sentence, so that nobody flips it unread.
Status SetInsecure(const YamlNode& value, Config& config) {
  if (value.text != kInsecureWords) {
    return YamlError(value, "allow_insecure_listen must say in words: " + std::string(kInsecureWords));
  }
  config.allow_insecure_listen = true;
  return {};
}

Status SetClockBeforeAudit(const YamlNode& value, Config& config) {
  if (value.text != kClockWords)
    return YamlError(value, "allow_clock_before_audit must say in words: " + std::string(kClockWords));
  config.allow_clock_before_audit = true;
  return {};
}

// Scheme, host and port: everything else would end up inside links and realms.
Status SetExternalUrl(const YamlNode& value, Config& config) {
  std::string_view rest = value.text;
  bool https = rest.starts_with("https://");
  if (!https && !rest.starts_with("http://")) return YamlError(value, "external_url must begin with https:// or http://");
  rest.remove_prefix(https ? 8 : 7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  constexpr std::string_view kHost = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
  if (rest.empty() || rest.size() > 255 || rest.find_first_not_of(kHost) != std::string_view::npos) {
    return YamlError(value, "external_url must be scheme, host and port only, such as https://registry.example.com");
  }
  config.external_url = (https ? "https://" : "http://") + std::string(rest);
  return {};
}

Status SetSandbox(const YamlNode& value, Config& config) {
  config.sandbox = value.text == "off" ? Sandbox::kOff : Sandbox::kOn;
  return {};
}

Status SetSparse(const YamlNode& value, Config& config) {
  config.sparse = value.text == "all" ? Sparse::kAll : value.text == "refuse" ? Sparse::kRefuse : Sparse::kIndexes;
  return {};
}

Status SetLifetime(const YamlNode& value, Config& config) {
  config.upload_lifetime = *ParseDuration(value.text);  // the reader has checked it
  if (config.upload_lifetime < std::chrono::minutes(1)) return YamlError(value, "upload_lifetime must be at least 1m");
  return {};
}

Status SetPolicies(const YamlNode& value, Config& config) {
  config.policies = value.items;
  return {};
}

constexpr Key kKeys[] = {
    {"listeners[].name", KeyType::kText, "public", "Names the listener in logs and rules.", "",
     SetListenerText<&Listener::name>},
    {"listeners[].address", KeyType::kText, "127.0.0.1:5000",
     "IP address (or localhost) and port. Off loopback it needs TLS.", "", SetListenerAddress},
    {"listeners[].tls.cert", KeyType::kPath, "", "PEM file with the certificate chain.", "",
     SetListenerText<&Listener::tls_cert>},
    {"listeners[].tls.key", KeyType::kPath, "", "PEM file with the private key.", "", SetListenerText<&Listener::tls_key>},
    {"listeners[].tls.min_version", KeyType::kChoice, "1.2", "Lowest version of TLS that is accepted.", "1.2|1.3",
     SetListenerText<&Listener::tls_min_version>},
    {"allow_insecure_listen", KeyType::kText, "",
     "Listening off loopback without TLS; must be the sentence: passwords and images may cross the network in clear text", "",
     SetInsecure},
    {"allow_clock_before_audit", KeyType::kText, "",
     "Starts although the clock is behind the last audit record; must be the sentence: the clock is right and the audit log is ahead of it",
     "", SetClockBeforeAudit},
    {"external_url", KeyType::kText, "", "How clients reach the registry; links and token realms are built from it.", "",
     SetExternalUrl},
    {"storage.directory", KeyType::kPath, "bulwark-data", "Blobs, database and keys.", "", SetText<&Config::data_directory>},
    {"advisories.database", KeyType::kPath, "",
     "Advisory file made by `bulwark db build`; without it the one in the data directory, else the embedded starter data.", "",
     SetText<&Config::advisory_database>},
    {"advisories.update", KeyType::kText, "off", "How often the server looks for newer advisories at its sources, such as 1h.", "", SetUpdate},
    {"advisories.sources[].name", KeyType::kText, "", "Names the source in files, messages and measures; by default made of `from`.", "",
     SetSourceText<&AdvisorySource::name>},
    {"advisories.sources[].from", KeyType::kText, "",
     "A known source: osv/ECOSYSTEM, alpine/RELEASE/REPOSITORY, debian, kev or epss.", "", SetSourceText<&AdvisorySource::from>},
    {"advisories.sources[].urls", KeyType::kTexts, "", "Where the file is, mirrors behind; the first that answers is taken.", "",
     SetSourceTexts<&AdvisorySource::urls>},
    {"advisories.sources[].format", KeyType::kChoice, "",
     "How the file is read; by default as `from` or the address says. `bulwark` is a finished advisory file, such as another Bulwark serves.",
     "json|json.gz|json.zst|jsonl|jsonl.gz|jsonl.zst|csv|csv.gz|zip|tar|tar.gz|tar.zst|bulwark", SetSourceText<&AdvisorySource::format>},
    {"advisories.sources[].whole", KeyType::kTexts, "",
     "Ecosystems of which it says all that is known: a package without a record counts as safe.", "", SetSourceTexts<&AdvisorySource::whole>},
    {"advisories.sources[].ca_file", KeyType::kPath, "", "PEM file with a certificate authority to trust beside the system's.", "",
     SetSourceText<&AdvisorySource::ca_file>},
    {"advisories.sources[].credentials_file", KeyType::kPath, "",
     "File with user:password, or with a bearer token; sent to the origin of the address only.", "", SetSourceText<&AdvisorySource::credentials_file>},
    {"advisories.sources[].plain_http", KeyType::kChoice, "off", "`on` lets addresses be http; loopback ones may always.", "on|off", SetSourceHttp},
    {"advisories.sources[].max_bytes", KeyType::kCount, "1073741824", "Largest download, in bytes.", "1..8589934592", SetSourceBytes},
    {"sandbox", KeyType::kChoice, "on",
     "`off` analyses images without seccomp and landlock where the kernel has none.", "on|off", SetSandbox},
    {"analysis.workers", KeyType::kCount, "0", "Layers analysed at the same time, at most 256 MiB each; 0: four a processor, from 16 to 128.", "0..1024",
     SetCount<&Config::workers>},
    {"limits.uploads_per_user", KeyType::kCount, "1000", "Open upload sessions of one user.", "1..100000",
     SetCount<&Config::uploads_per_user>},
    {"limits.upload_lifetime", KeyType::kDuration, "24h", "An upload that rests longer is dropped.", "", SetLifetime},
    {"limits.blob_bytes", KeyType::kCount, "68719476736", "Largest blob that is accepted, in bytes.", "1..1099511627776",
     SetCount<&Config::blob_bytes>},
    {"registry.sparse", KeyType::kChoice, "indexes",
     "Manifests with absent parts: none, indexes without some children, or all, also images without some layers.",
     "refuse|indexes|all", SetSparse},
    {"policies", KeyType::kPolicies, "", "Policies as in docs/policy.md; read-only in the API.", "", SetPolicies},
    {"log.level", KeyType::kChoice, "info", "What is logged to standard error.", "debug|info|warning|error",
     SetText<&Config::log_level>},
};

}  // namespace

std::span<const Key> Keys() { return kKeys; }

std::span<const List> Lists() {
  static constexpr List kLists[] = {
      {"listeners", [](Config& c) { c.listeners.clear(); }, [](std::uint32_t line, Config& c) { c.listeners.emplace_back().line = line; }},
      {"advisories.sources", [](Config& c) { c.advisory_sources.clear(); },
       [](std::uint32_t line, Config& c) { c.advisory_sources.emplace_back().line = line; }},
  };
  return kLists;
}

}  // namespace bulwark::config
