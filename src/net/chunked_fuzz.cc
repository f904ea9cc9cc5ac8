// The decoder gives the same bytes and the same end however the input is cut, and never more than came in.
#include <cstdlib>
#include <vector>

#include "net/chunked.h"

using namespace bulwark;
using namespace bulwark::net;

namespace {

struct Outcome {
  std::vector<std::uint8_t> body;
  std::size_t consumed = 0;
  bool done = false, failed = false;
};

Outcome Decode(ByteSpan bytes, std::size_t in_step, std::size_t out_step) {
  Outcome outcome;
  ChunkedDecoder decoder;
  std::vector<std::uint8_t> out(out_step);
  while (!decoder.done() && !decoder.failed()) {
    const auto in = bytes.subspan(outcome.consumed, std::min(in_step, bytes.size() - outcome.consumed));
    const auto progress = decoder.Decode(in, out);
    outcome.consumed += progress.consumed;
    outcome.body.insert(outcome.body.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(progress.produced));
    if (progress.consumed == 0 && progress.produced == 0) break;
  }
  outcome.done = decoder.done();
  outcome.failed = decoder.failed();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan bytes(data, size);
  const Outcome whole = Decode(bytes, size ? size : 1, size + 1);
  for (std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{7}}) {
    const Outcome pieces = Decode(bytes, step, step + 1);
    if (pieces.body != whole.body || pieces.done != whole.done || pieces.failed != whole.failed || pieces.consumed != whole.consumed)
      std::abort();
  }
  if (whole.body.size() > size) std::abort();
  return 0;
}
