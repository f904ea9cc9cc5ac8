#include "remote/patience.h"

#include <algorithm>
#include <thread>

#include "base/strings.h"

namespace bulwark::remote {

bool Patience::MayChange(const Result<net::HttpClientResponse>& answer) {
  if (!answer) return answer.error().code == Errc::kUnavailable;
  return answer->status == 429 || (answer->status >= 502 && answer->status <= 504);
}

void Patience::Wait(int failures, const Result<net::HttpClientResponse>& answer) const {
  auto wait = std::min(longest_wait, first_wait * (1 << std::clamp(failures - 1, 0, 10)));
  if (answer) {
    auto header = answer->Header("retry-after");
    auto seconds = header ? ParseUint(Trim(*header)) : std::nullopt;
    const auto most = static_cast<std::uint64_t>(longest_wait.count()) / 1000;
    if (seconds) wait = std::max<std::chrono::milliseconds>(wait, std::chrono::seconds(std::min(*seconds, most)));
  }
  if (sleep) sleep(wait);
  else std::this_thread::sleep_for(wait);
}

}  // namespace bulwark::remote
