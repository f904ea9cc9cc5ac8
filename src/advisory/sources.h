#pragma once
// Sources of advisory data that `bulwark db update` fetches: what the configuration says, completed from the one table of
// known public ones.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace bulwark::advisory {

// A public source. `name` ends in "/" where a part follows, which takes the place of "{}" in the other texts.
struct KnownSource {
  std::string_view name;
  std::string_view format;  // what the file name ends in, for EachDocument
  std::string_view whole;   // the ecosystem of which it says all that is known; empty: none by itself
  std::string_view url, mirror;
};
std::span<const KnownSource> KnownSources();

inline constexpr std::string_view kFinishedFormat = "bulwark";  // an advisory file, taken as it is

struct FetchSource {
  std::string name;  // of a-z, A-Z, 0-9, ".", "-": part of file names
  std::vector<std::string> urls;
  std::string format;
  std::vector<std::string> whole;
  std::string ca_file, credentials_file;
  bool plain_http = false;
  std::uint64_t max_bytes = 0;
};

// kInvalid, naming the source: unknown, without address or format, an address that is not https (http needs loopback or
// plain_http) or holds a log-in, no name.
Result<FetchSource> ResolveSource(const config::AdvisorySource& configured);
// All of them; also kInvalid for two of one name, and for a finished file beside another source.
Result<std::vector<FetchSource>> ResolveSources(const std::vector<config::AdvisorySource>& configured);

}  // namespace bulwark::advisory
