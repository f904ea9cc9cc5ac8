#pragma once
// How long a client puts up with a registry that is busy or a connection that is cut.

#include <chrono>
#include <cstdint>
#include <functional>

#include "net/http_client.h"

namespace bulwark::remote {

// What is small is answered in this time, redirects included: manifests, tokens, lists, whether a blob is there. Blobs have a least
// rate (net::HttpClientOptions) and the size that their descriptor says; when they are sent, the answer has this time.
inline constexpr std::chrono::seconds kAnswerTime{120};
inline constexpr std::chrono::seconds kScanTime{900};  // a manifest's PUT: some registries look at the image before they answer
inline constexpr std::uint64_t kAnswerBytes = 1 << 20;  // a token, an error; manifests and lists may have limits::kManifestBytes

struct Patience {
  int tries = 1;                                        // of one request, without progress in between
  std::chrono::milliseconds first_wait{500};            // doubled each time
  std::chrono::milliseconds longest_wait{30'000};       // also of a Retry-After
  bool answered_before = false;                         // else the first connection that fails is an error at once: a wrong host name
  std::function<void(std::chrono::milliseconds)> sleep = nullptr;  // empty: the thread sleeps

  // Whether the same request may be answered otherwise a moment later: 429, 502, 503, 504, or no answer.
  static bool MayChange(const Result<net::HttpClientResponse>& answer);
  // Waits after the `failures`-th failure: Retry-After in seconds if the registry named it (RFC 9110 section 10.2.3).
  void Wait(int failures, const Result<net::HttpClientResponse>& answer) const;
};

}  // namespace bulwark::remote
