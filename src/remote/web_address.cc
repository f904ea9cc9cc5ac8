#include "remote/web_address.h"

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/strings.h"

namespace bulwark::remote {

std::optional<Origin> OriginOf(std::string_view url) {
  auto colon = url.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view rest = url.substr(colon + 3);
  std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (host.empty() || host.find_first_of("@\\ ") != std::string_view::npos) return std::nullopt;
  Origin out{ToLower(url.substr(0, colon)), ToLower(host)};
  const std::string_view standard = out.scheme == "https" ? ":443" : out.scheme == "http" ? ":80" : "";
  if (!standard.empty() && out.host.ends_with(standard)) out.host.resize(out.host.size() - standard.size());
  return out;
}

bool IsInternalHost(std::string_view host) {
  std::string name = ToLower(host);
  if (name.starts_with('[')) name = name.substr(1, name.find(']') - 1);
  else name = name.substr(0, name.find(':'));
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  in6_addr six{};
  in_addr four{};
  if (::inet_pton(AF_INET6, name.c_str(), &six) == 1) {
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&six);
    if (!mapped) return IN6_IS_ADDR_LOOPBACK(&six) || IN6_IS_ADDR_UNSPECIFIED(&six) || IN6_IS_ADDR_LINKLOCAL(&six) || (six.s6_addr[0] & 0xfe) == 0xfc;
    std::memcpy(&four, six.s6_addr + 12, sizeof four);
  } else if (::inet_aton(name.c_str(), &four) == 0) {  // as resolvers read it: "0x7f.1" and "2130706433" are addresses too
    return false;
  }
  const std::uint32_t address = ntohl(four.s_addr);
  const auto in = [&](std::uint32_t network, int bits) { return address >> (32 - bits) == network >> (32 - bits); };
  return in(0, 8) || in(10u << 24, 8) || in(127u << 24, 8) || in(0xa9fe0000, 16) || in(0xac100000, 12) || in(0xc0a80000, 16) || in(0x64400000, 10);
}

std::optional<std::string> SameOriginUrl(const std::string& base, std::string_view location) {
  std::string url(location);
  if (url.starts_with("/") && !url.starts_with("//")) url = base + url;
  auto to = OriginOf(url), from = OriginOf(base);
  if (!to || to != from) return std::nullopt;
  return url;
}

std::string UrlEncode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) out.push_back(static_cast<char>(c));
    else out += {'%', kHex[c >> 4], kHex[c & 15]};
  }
  return out;
}

}  // namespace bulwark::remote
