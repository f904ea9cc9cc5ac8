// After libcurl's url.c (detect_proxy) and noproxy.c, 7.88: docs "CURLOPT_PROXY" and "CURLOPT_NOPROXY".
#include "net/proxy.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>

#include <arpa/inet.h>

#include "base/strings.h"

namespace bulwark::net {
namespace {

std::string FirstOf(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (auto value = environment(name); value && !value->empty()) return *value;
  return {};
}

std::string_view WithoutBrackets(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) return host.substr(1, host.size() - 2);
  return host;
}

using Address = std::array<unsigned char, 16>;

// The bits of an address; nullopt: a name.
std::optional<int> ParseAddress(std::string_view text, Address& into) {
  const std::string copy(text);
  if (::inet_pton(AF_INET, copy.c_str(), into.data()) == 1) return 32;
  if (::inet_pton(AF_INET6, copy.c_str(), into.data()) == 1) return 128;
  return std::nullopt;
}

bool IsInNetwork(const Address& address, int bits, std::string_view token) {
  const std::size_t slash = token.find('/');
  Address network{};
  if (ParseAddress(WithoutBrackets(token.substr(0, slash)), network) != bits) return false;
  const auto whole = static_cast<std::uint64_t>(bits);
  auto prefix = slash == token.npos ? whole : ParseUint(token.substr(slash + 1)).value_or(UINT64_MAX);
  if (prefix > whole) return false;
  for (std::size_t i = 0; prefix > 0; ++i) {
    const int here = prefix < 8 ? static_cast<int>(prefix) : 8;
    if ((address[i] ^ network[i]) >> (8 - here)) return false;
    prefix -= static_cast<std::uint64_t>(here);
  }
  return true;
}

bool IsNameBelow(std::string_view host, std::string_view token) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (token.ends_with('.')) token.remove_suffix(1);
  if (token.starts_with('.')) token.remove_prefix(1);
  if (token.empty() || host.size() < token.size()) return false;
  const std::size_t before = host.size() - token.size();
  return EqualsIgnoreCase(host.substr(before), token) && (before == 0 || host[before - 1] == '.');
}

bool IsExcepted(std::string_view host, std::string_view list) {
  host = WithoutBrackets(host);
  Address address{};
  const auto bits = ParseAddress(host, address);
  constexpr std::string_view kBetween = ", \t";
  for (;;) {
    const std::size_t start = list.find_first_not_of(kBetween);
    if (start == list.npos) return false;
    list.remove_prefix(start);
    const std::string_view token = list.substr(0, list.find_first_of(kBetween));
    list.remove_prefix(token.size());
    if (token == "*" || (bits ? IsInNetwork(address, *bits, token) : IsNameBelow(host, token))) return true;
  }
}

}  // namespace

std::optional<std::string> FromProcess(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::string ProxyFor(std::string_view scheme, std::string_view host, const Environment& environment) {
  if (IsExcepted(host, FirstOf(environment, {"no_proxy", "NO_PROXY"}))) return {};
  if (scheme == "https") return FirstOf(environment, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  return FirstOf(environment, {"http_proxy", "all_proxy", "ALL_PROXY"});
}

}  // namespace bulwark::net
