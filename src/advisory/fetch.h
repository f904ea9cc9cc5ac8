#pragma once
// One file of advisory data over HTTP: conditional, resumed, from the first mirror that answers. What came is foreign
// bytes; nothing here reads them.

#include <optional>
#include <string>

#include "advisory/sources.h"
#include "base/clock.h"
#include "base/result.h"

namespace bulwark::advisory {

// By what a server tells whether its file changed (RFC 9110 section 8.8). They hold for the address that gave them only.
struct Validators {
  std::string url, etag, last_modified;
};

struct FetchOptions {
  unsigned attempts = 3;                           // at one address
  Millis first_pause = std::chrono::seconds(1);    // doubled each time, with jitter
  Millis longest_pause = std::chrono::seconds(60); // a server that asks for more is asked in the next round
  std::uint32_t connect_timeout_s = 15, stall_timeout_s = 60, minimum_rate = 1024, total_timeout_s = 2 * 3600;
};

struct Fetched {
  bool unchanged = false;   // the server says that what `known` names is still what it has
  Validators validators;    // of the new file
  std::uint64_t bytes = 0;
};

// Downloads to `part`, synced. What a connection that broke left there is gone on with if the server has the same file still
// (strong ETag, If-Range); `part` + ".from" tells which it was. `known`: of a file that the caller has whole.
// The last address's error: kUnavailable, kLimit, kInvalid (credentials file), kUnsupported (a web page, a content coding), kIo.
// `retry_after`: set where a server asked for patience.
Result<Fetched> Fetch(const FetchSource& source, const Validators* known, const std::string& part, const FetchOptions& options,
                      std::optional<Millis>& retry_after);

}  // namespace bulwark::advisory
