#pragma once
// Addresses that a registry names: where they lead decides what may go along.

#include <optional>
#include <string>
#include <string_view>

namespace bulwark::remote {

// Scheme and host with port, in lower case; without the port that the scheme has anyway.
struct Origin {
  std::string scheme, host;
  bool operator==(const Origin&) const = default;
};
// nullopt for what is no absolute address, or one with a log-in inside.
std::optional<Origin> OriginOf(std::string_view url);

// "localhost" and addresses of loopback, link-local, private and unspecified networks, with or without a port. Names that
// resolve to such are not known here.
bool IsInternalHost(std::string_view host);

// A Location or Link of an answer from `base` ("https://host"): absolute or beginning with one slash. nullopt where it leads
// to another origin.
std::optional<std::string> SameOriginUrl(const std::string& base, std::string_view location);

// Percent-encodes all but the unreserved characters (RFC 3986 section 2.3).
std::string UrlEncode(std::string_view text);

}  // namespace bulwark::remote
