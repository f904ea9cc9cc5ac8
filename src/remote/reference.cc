#include "remote/reference.h"

#include <algorithm>
#include <cctype>

#include "base/limits.h"
#include "base/strings.h"

namespace bulwark::remote {
namespace {

bool LowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*, distribution-spec "Pulling manifests".
bool ValidComponent(std::string_view text) {
  if (text.empty() || !LowerOrDigit(text.front()) || !LowerOrDigit(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (LowerOrDigit(text[i])) { ++i; continue; }
    std::size_t end = i;
    while (end < text.size() && text[end] == text[i]) ++end;
    std::size_t run = end - i;
    bool fits = text[i] == '-' || (text[i] == '.' && run == 1) || (text[i] == '_' && run <= 2);
    if (!fits || !LowerOrDigit(text[end])) return false;
    i = end;
  }
  return true;
}

bool ValidPath(std::string_view path) {
  if (path.empty() || path.size() > limits::kNameBytes) return false;
  auto parts = Split(path, '/');
  return std::all_of(parts.begin(), parts.end(), ValidComponent);
}

bool ValidTag(std::string_view tag) {
  if (tag.empty() || tag.size() > limits::kTagBytes || tag[0] == '.' || tag[0] == '-') return false;
  return std::all_of(tag.begin(), tag.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
  });
}

// Letters, digits, dots and dashes, or a bracketed IPv6 address, with an optional port. Not ASCII: refused.
bool ValidHost(std::string_view host) {
  std::string_view port;
  if (host.starts_with("[")) {
    auto close = host.find(']');
    if (close == std::string_view::npos) return false;
    std::string_view address = host.substr(1, close - 1);
    if (address.empty() || !std::all_of(address.begin(), address.end(), [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.'; }))
      return false;
    if (close + 1 == host.size()) return true;
    if (host[close + 1] != ':') return false;
    port = host.substr(close + 2);
  } else {
    auto colon = host.find(':');
    std::string_view name = host.substr(0, colon);
    if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-'; }))
      return false;
    if (colon == std::string_view::npos) return true;
    port = host.substr(colon + 1);
  }
  auto number = ParseUint(port);
  return number && *number >= 1 && *number <= 65535;
}

bool LooksLikeHost(std::string_view first) {
  return first == "localhost" || first.find_first_of(".:[") != std::string_view::npos ||
         std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

std::string ImageReference::str() const {
  std::string out = host + "/" + repository;
  if (!tag.empty()) out += ":" + tag;
  if (digest) out += "@" + digest->str();
  return out;
}

std::string ImageReference::api_reference() const { return digest ? digest->str() : tag; }

Result<ImageReference> ParseImageReference(std::string_view text) {
  auto bad = [](std::string_view what) { return Error{Errc::kInvalid, "not an image reference: " + std::string(what)}; };
  const std::string start = ToLower(text.substr(0, 8));
  if (start.starts_with("http://") || start == "https://")
    return bad("references have no scheme: write HOST/NAME:TAG (--plain-http asks a registry that has no TLS)");
  ImageReference out;
  std::string_view rest = text;
  if (auto at = rest.find('@'); at != std::string_view::npos) {
    auto digest = Digest::Parse(rest.substr(at + 1));
    if (!digest) return digest.error().Wrap("not an image reference");
    out.digest = *digest;
    rest = rest.substr(0, at);
  }
  if (auto slash = rest.find('/'); slash != std::string_view::npos && LooksLikeHost(rest.substr(0, slash))) {
    if (!ValidHost(rest.substr(0, slash))) return bad("the host name is not one");
    out.host = ToLower(rest.substr(0, slash));
    rest.remove_prefix(slash + 1);
  } else {
    out.host = "docker.io";
  }
  if (auto colon = rest.find(':'); colon != std::string_view::npos) {
    if (!ValidTag(rest.substr(colon + 1))) return bad("the tag has other characters than letters, digits, '_', '.', '-', or is too long");
    out.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  } else if (!out.digest) {
    out.tag = "latest";
  }
  if (!ValidPath(rest)) return bad("the repository is not lower-case words joined by '/', '.', '_' or '-'");
  out.repository = rest;
  if (out.host == "index.docker.io" || out.host == "registry-1.docker.io") out.host = "docker.io";
  if (out.host == "docker.io" && rest.find('/') == std::string_view::npos) out.repository = "library/" + out.repository;
  return out;
}

bool IsLoopback(std::string_view host) {
  if (host.starts_with("[::1]")) return true;
  std::string_view name = host.substr(0, host.find(':'));
  return name == "localhost" || name.ends_with(".localhost") ||
         (name.starts_with("127.") && std::count(name.begin(), name.end(), '.') == 3 &&
          std::all_of(name.begin(), name.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); }));
}

bool IsTag(std::string_view text) { return ValidTag(text); }

std::string TagOf(std::string_view name) {
  if (ValidTag(name)) return std::string(name);
  const auto colon = name.rfind(':');
  if (colon == std::string_view::npos || !ParseImageReference(name)) return {};
  const std::string_view tag = name.substr(colon + 1);
  return ValidTag(tag) ? std::string(tag) : std::string();
}

std::string BaseUrl(const ImageReference& reference, Tls tls) {
  if (reference.host == "docker.io") return "https://registry-1.docker.io";
  const bool plain = tls == Tls::kNever || (tls == Tls::kUsual && IsLoopback(reference.host));
  return (plain ? "http://" : "https://") + reference.host;
}

}  // namespace bulwark::remote
