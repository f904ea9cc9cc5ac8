#include <algorithm>
#include <cstdlib>

#include "service/analysis_messages.h"

// Whatever decodes encodes to the same bytes again: there is one spelling of each message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bulwark::ByteSpan bytes(data, size);
  auto same = [&](const bulwark::Bytes& again) { return std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()); };
  auto worker = bulwark::service::DecodeFromWorker(bytes);
  if (worker.ok() && !same(bulwark::service::Encode(*worker))) std::abort();
  auto server = bulwark::service::DecodeFromServer(bytes);
  if (server.ok() && !same(bulwark::service::Encode(*server))) std::abort();
  return 0;
}
