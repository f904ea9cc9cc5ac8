#pragma once
// Which proxy the environment names for an address. Decided here, with libcurl's rules, and not by libcurl, so that it is known
// whose address a connection leads to.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bulwark::net {

// The value of a variable of the environment; nullopt or empty: it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> FromProcess(const char* name);

// For `scheme` ("http", "https") and `host` (without port; IPv6 with or without brackets): the text of the first of http_proxy
// (never HTTP_PROXY: CGI), or https_proxy and HTTPS_PROXY, then all_proxy and ALL_PROXY. Empty: none, or no_proxy (NO_PROXY) names
// the host: "*", names with what is below them, addresses and networks ("10.0.0.0/8"), with commas or spaces between them.
std::string ProxyFor(std::string_view scheme, std::string_view host, const Environment& environment = FromProcess);

}  // namespace bulwark::net
