#include "remote/web_address.h"

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
