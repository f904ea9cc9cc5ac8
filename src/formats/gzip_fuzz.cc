// Inflates the input, then again from every seek point: the tails must agree.

#include <cstdlib>

#include "formats/gzip.h"

using bulwark::Bytes;
using bulwark::ByteSpan;
using bulwark::MemorySource;
using bulwark::formats::GzipReader;
using bulwark::formats::InflatePoint;

namespace {

constexpr std::size_t kMost = 1 << 20;

Bytes ReadSome(GzipReader& reader, std::size_t step) {
  Bytes out, buffer(step);
  while (out.size() < kMost) {
    auto n = reader.Read(buffer);
    if (!n) std::abort();  // memory does not fail
    if (*n == 0) break;
    out.insert(out.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*n));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<InflatePoint> points;
  MemorySource source({data, size});
  GzipReader reader(source);
  reader.CapturePoints(4096, [&](InflatePoint p) {
    if (points.size() < 8) points.push_back(std::move(p));
  });
  Bytes whole = ReadSome(reader, 3000);
  for (const InflatePoint& p : points) {
    if (p.inflated > whole.size()) continue;
    std::uint64_t at = GzipReader::ResumeOffset(p);
    if (at > size) std::abort();
    MemorySource rest({data + at, size - static_cast<std::size_t>(at)});
    GzipReader again(rest, p);
    Bytes tail = ReadSome(again, 5000);
    std::size_t n = std::min(tail.size(), whole.size() - static_cast<std::size_t>(p.inflated));
    if (!std::equal(tail.begin(), tail.begin() + static_cast<std::ptrdiff_t>(n),
                    whole.begin() + static_cast<std::ptrdiff_t>(p.inflated)))
      std::abort();
  }
  return 0;
}
