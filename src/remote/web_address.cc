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
  if (!standard.empty() && out.host.ends_with(standard)) out.host.erase(out.host.size() - standard.size());
  return out;
}

namespace {

bool IsInternalFour(in_addr four) {
  const std::uint32_t address = ntohl(four.s_addr);
  const auto in = [&](std::uint32_t network, int bits) { return address >> (32 - bits) == network >> (32 - bits); };
  return in(0, 8) || in(10u << 24, 8) || in(127u << 24, 8) || in(0xa9fe0000, 16) || in(0xac100000, 12) || in(0xc0a80000, 16) || in(0x64400000, 10);
}

bool IsInternalSix(const in6_addr& six) {
  static constexpr std::uint8_t kNat64[12] = {0, 0x64, 0xff, 0x9b};            // RFC 6052: the last four bytes are what is reached
  static constexpr std::uint8_t kLocalNat64[6] = {0, 0x64, 0xff, 0x9b, 0, 1};  // RFC 8215: of a network's own
  if (IN6_IS_ADDR_LOOPBACK(&six) || IN6_IS_ADDR_UNSPECIFIED(&six)) return true;
  if (IN6_IS_ADDR_LINKLOCAL(&six) || IN6_IS_ADDR_SITELOCAL(&six)) return true;
  if ((six.s6_addr[0] & 0xfe) == 0xfc || std::memcmp(six.s6_addr, kLocalNat64, sizeof kLocalNat64) == 0) return true;
  const bool holds_four = IN6_IS_ADDR_V4MAPPED(&six) || IN6_IS_ADDR_V4COMPAT(&six) ||
                          std::memcmp(six.s6_addr, kNat64, sizeof kNat64) == 0;
  in_addr four{};
  std::memcpy(&four, six.s6_addr + 12, sizeof four);
  return holds_four && IsInternalFour(four);
}

}  // namespace

bool IsInternalHost(std::string_view host) {
  std::string name = ToLower(host);
  if (name.starts_with('[')) name = name.substr(1, name.find_first_of("]%") - 1);  // without a zone
  else name = name.substr(0, name.find(':'));
  if (name.ends_with('.')) name.pop_back();
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  in6_addr six{};
  in_addr four{};
  if (::inet_pton(AF_INET6, name.c_str(), &six) == 1) return IsInternalSix(six);
  // As resolvers read it: "0x7f.1" and "2130706433" are addresses too.
  return ::inet_aton(name.c_str(), &four) != 0 && IsInternalFour(four);
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
