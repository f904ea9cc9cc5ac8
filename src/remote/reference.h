#pragma once
// Image references as people type them: "[host[:port]/]path[:tag][@digest]" (distribution reference grammar).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace bulwark::remote {

struct ImageReference {
  std::string host;        // "registry.example.com:5000"; "docker.io" where none is written
  std::string repository;  // "team/app"; "library/app" on docker.io for one component
  std::string tag;         // "latest" where neither tag nor digest is written
  std::optional<Digest> digest;

  std::string str() const;              // "host/repository:tag@digest"
  std::string api_reference() const;    // what goes into /v2/<name>/manifests/<reference>: the digest wins
};

// kInvalid with what is wrong. The first component is a host if it has a dot, a colon, upper case or is "localhost".
Result<ImageReference> ParseImageReference(std::string_view text);

// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}
bool IsTag(std::string_view text);
// The tag in a name that a layout or archive gives to an image: itself, or that of a whole reference; empty if it has none.
std::string TagOf(std::string_view name);

enum class Tls : std::uint8_t {
  kUsual,  // everywhere but at loopback hosts
  kNever,
  kAlways,
};
// "http://localhost:5000" or "https://registry.example.com"; docker.io has its own host, always with TLS.
std::string BaseUrl(const ImageReference& reference, Tls tls);
bool IsLoopback(std::string_view host);

}  // namespace bulwark::remote
