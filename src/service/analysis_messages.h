#pragma once
// What server and analysis worker say to each other (docs/formats/worker-messages.md). Both ends decode strictly; what
// comes from a worker is foreign.

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "image/merge.h"

namespace bulwark::service {

// Random, made for one job: an answer that does not carry it belongs to no job of ours.
using Nonce = std::array<std::uint8_t, 16>;

// How much of the blob there is, and whether that is all.
struct Extent {
  std::uint64_t size = 0;
  bool finished = false;
  auto operator<=>(const Extent&) const = default;
};

// ---- from the server ----

// The first message; the blob's descriptor comes with it.
struct StartMessage {
  Nonce nonce{};
  Extent extent;
  bool again = false;                 // read `unread` of `record` again
  std::vector<image::Unread> unread;  // without their layer
  Bytes record;                       // encoded
};
struct GrowMessage {
  Extent extent;
};

// ---- from the worker ----

struct ProgressMessage {
  std::uint64_t read = 0;  // bytes of the blob
  bool waits = false;      // for a GrowMessage: nothing will come before it
};
struct RecordMessage {
  Nonce nonce{};
  Bytes record;  // encoded
};
struct FailedMessage {
  Nonce nonce{};
  std::string reason;
};

using FromServer = std::variant<StartMessage, GrowMessage>;
using FromWorker = std::variant<ProgressMessage, RecordMessage, FailedMessage>;

Bytes Encode(const FromServer& message);
Bytes Encode(const FromWorker& message);
Result<FromServer> DecodeFromServer(ByteSpan bytes);  // kCorrupt
Result<FromWorker> DecodeFromWorker(ByteSpan bytes);  // kCorrupt

}  // namespace bulwark::service
