// Reading bulwark.yaml by the table of keys.cc.

#include "config/config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/byte_source.h"
#include "base/log.h"
#include "base/strings.h"
#include "config/keys.h"

namespace bulwark::config {
namespace {

using formats::YamlError;
using formats::YamlMember;
using formats::YamlNode;

constexpr std::uint64_t kConfigFileBytes = 1 << 20;
constexpr std::size_t kListItems = 64;
constexpr std::size_t kTexts = 32;

// "least..most" of a count's row.
std::pair<std::uint64_t, std::uint64_t> RangeOf(const Key& key) {
  std::size_t dots = key.range.find("..");
  return {*ParseUint(key.range.substr(0, dots)), *ParseUint(key.range.substr(dots + 2))};
}

Status CheckType(const Key& key, const YamlNode& value) {
  switch (key.type) {
    case KeyType::kText:
    case KeyType::kPath: BW_CHECK(formats::YamlText(value, key.path)); return {};
    case KeyType::kDuration: BW_CHECK(formats::YamlDuration(value, key.path)); return {};
    case KeyType::kCount: {
      BW_TRY(std::uint64_t count, formats::YamlUint(value, key.path));
      auto [least, most] = RangeOf(key);
      if (count >= least && count <= most) return {};
      return YamlError(value, fmt::format("{} must be from {} to {}", key.path, least, most));
    }
    case KeyType::kChoice: {
      auto words = Split(key.range, '|');
      bool known = value.kind == YamlNode::Kind::kScalar && std::find(words.begin(), words.end(), value.text) != words.end();
      if (known) return {};
      return YamlError(value, fmt::format("{} must be one of {}", key.path, fmt::join(words, ", ")));
    }
    case KeyType::kTexts: {
      BW_TRY(auto texts, formats::YamlTexts(value, key.path));
      if (value.kind == YamlNode::Kind::kSequence && !texts.empty() && texts.size() <= kTexts) return {};
      return YamlError(value, fmt::format("{} must be a list of 1 to {} texts", key.path, kTexts));
    }
    case KeyType::kPolicies: break;
  }
  if (value.kind == YamlNode::Kind::kSequence) return {};
  return YamlError(value, fmt::format("{} must be a list", key.path));
}

class Reader {
 public:
  explicit Reader(Config& config) : config_(config) {}

  // The mapping whose keys begin with `prefix` in the table ("", "storage.", "listeners[].").
  Status Mapping(const YamlNode& node, const std::string& prefix) {
    std::string what = prefix.empty() ? "bulwark.yaml" : prefix.substr(0, prefix.size() - 1);
    BW_CHECK(formats::YamlOnlyKeys(node, what, KnownUnder(prefix)));
    for (const YamlMember& member : node.members) BW_CHECK(Value(member, prefix + member.key));
    return {};
  }

 private:
  static std::vector<std::string_view> KnownUnder(const std::string& prefix) {
    std::vector<std::string_view> known;
    for (const Key& key : Keys()) {
      if (!key.path.starts_with(prefix)) continue;
      std::string_view rest = key.path.substr(prefix.size());
      known.push_back(rest.substr(0, rest.find_first_of(".[")));
    }
    return known;
  }

  Status Value(const YamlMember& member, const std::string& path) {
    for (const Key& key : Keys()) {
      if (key.path == path) {
        BW_CHECK(CheckType(key, member.value));
        return key.set(member.value, config_);
      }
      if (key.path.starts_with(path + ".")) return Mapping(member.value, path + ".");
      if (key.path.starts_with(path + "[]")) return Items(member.value, path);
    }
    return YamlError(member.line, "unknown key " + path);
  }

  Status Items(const YamlNode& node, const std::string& path) {
    if (node.kind != YamlNode::Kind::kSequence || node.items.empty() || node.items.size() > kListItems) {
      return YamlError(node, fmt::format("{} must be a list of 1 to {} mappings", path, kListItems));
    }
    const auto lists = Lists();
    const auto list = std::find_if(lists.begin(), lists.end(), [&](const List& l) { return l.path == path; });
    list->clear(config_);
    for (const YamlNode& item : node.items) {
      list->add(item.line, config_);
      BW_CHECK(Mapping(item, path + "[]."));
    }
    return {};
  }

  Config& config_;
};

Error At(const Listener& listener, std::string message) {
  if (listener.line > 0) return YamlError(listener.line, message);
  return {Errc::kInvalid, std::move(message)};
}

void Join(const std::filesystem::path& folder, std::string& path) {
  if (!path.empty() && path.front() != '/') path = (folder / path).lexically_normal().string();
}

}  // namespace

Result<Address> ParseAddress(std::string_view text) {
  Error bad{Errc::kInvalid, fmt::format("{} is not an address such as 127.0.0.1:5000 or [::1]:5000", Printable(text, 100))};
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  auto port = ParseUint(text.substr(colon + 1));
  if (!port || *port > 65535) return bad;
  std::string_view host = text.substr(0, colon);
  bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  Address address{std::string(host), static_cast<std::uint16_t>(*port), host == "localhost"};
  in_addr v4{};
  in6_addr v6{};
  if (bracketed && inet_pton(AF_INET6, address.host.c_str(), &v6) == 1) {
    address.loopback = IN6_IS_ADDR_LOOPBACK(&v6);
  } else if (!bracketed && inet_pton(AF_INET, address.host.c_str(), &v4) == 1) {
    address.loopback = (ntohl(v4.s_addr) >> 24) == 127;
  } else if (!address.loopback || bracketed) {
    return bad;
  }
  return address;
}

Status CheckListeners(const Config& config) {
  std::set<std::string> names, addresses;
  for (const Listener& listener : config.listeners) {
    auto address = ParseAddress(listener.address);
    if (!address.ok()) return At(listener, address.error().message);
    if (listener.tls_cert.empty() != listener.tls_key.empty()) return At(listener, "tls needs both cert and key");
    if (!names.insert(listener.name).second) return At(listener, "two listeners are named " + Printable(listener.name, 64));
    if (address->port != 0 && !addresses.insert(listener.address).second) {
      return At(listener, "two listeners use " + listener.address);
    }
    if (address->loopback || listener.tls() || config.allow_insecure_listen) continue;
    return At(listener, fmt::format("{} is reachable from other machines without TLS: give tls.cert and tls.key, or listen on "
                                    "127.0.0.1, or write allow_insecure_listen: \"{}\"",
                                    listener.address, kInsecureWords));
  }
  return {};
}

Result<Config> ParseConfig(std::string_view yaml) {
  Config config;
  BW_TRY(auto documents, formats::ParseYamlDocuments(yaml));
  if (documents.size() > 1) return YamlError(documents[1], "a second document; only one is accepted");
  // A file of comments only is the configuration of someone who wants the defaults.
  if (documents.empty() || documents[0].null()) return config;
  BW_CHECK(Reader(config).Mapping(documents[0], ""));
  BW_CHECK(CheckListeners(config));
  return config;
}

Result<Config> LoadConfig(const std::string& path) {
  BW_TRY(std::string text, ReadFile(path, kConfigFileBytes));
  auto config = ParseConfig(text);
  if (!config.ok()) return config.error().Wrap(path);
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  Join(folder, config->data_directory);
  Join(folder, config->advisory_database);
  for (Listener& listener : config->listeners) {
    Join(folder, listener.tls_cert);
    Join(folder, listener.tls_key);
  }
  for (AdvisorySource& source : config->advisory_sources) {
    Join(folder, source.ca_file);
    Join(folder, source.credentials_file);
  }
  return config;
}

std::vector<std::string_view> KeysThatNeedAStart(const Config& running, const Config& read) {
  std::vector<std::string_view> out;
  auto differs = [&](std::string_view key, bool same) {
    if (!same) out.push_back(key);
  };
  differs("listeners", std::equal(running.listeners.begin(), running.listeners.end(), read.listeners.begin(), read.listeners.end(),
                                  [](Listener a, const Listener& b) {
                                    a.line = b.line;  // moved in the file, not changed
                                    return a == b;
                                  }));
  differs("external_url", running.external_url == read.external_url);
  differs("storage.directory", running.data_directory == read.data_directory);
  differs("advisories.database", running.advisory_database == read.advisory_database);
  differs("advisories.update", running.advisory_update == read.advisory_update);
  differs("advisories.sources", std::equal(running.advisory_sources.begin(), running.advisory_sources.end(), read.advisory_sources.begin(),
                                           read.advisory_sources.end(), [](AdvisorySource a, const AdvisorySource& b) {
                                             a.line = b.line;
                                             return a == b;
                                           }));
  differs("sandbox", running.sandbox == read.sandbox);
  differs("analysis.workers", running.workers == read.workers);
  differs("limits.uploads_per_user", running.uploads_per_user == read.uploads_per_user);
  differs("limits.upload_lifetime", running.upload_lifetime == read.upload_lifetime);
  differs("limits.blob_bytes", running.blob_bytes == read.blob_bytes);
  differs("registry.sparse", running.sparse == read.sparse);
  return out;
}

}  // namespace bulwark::config
