#include "http/metrics.h"

#include <algorithm>

namespace bulwark::http {

std::uint32_t HttpMetrics::AddRoute(std::string_view method, std::string_view pattern) {
  rows_.emplace_back();
  rows_.back().labels = "method=\"" + std::string(method) + "\",route=\"" + std::string(pattern) + "\"";
  return static_cast<std::uint32_t>(rows_.size() - 1);
}

void HttpMetrics::Count(std::uint32_t route, int status, std::uint64_t received, std::uint64_t sent) {
  const auto status_class = static_cast<std::size_t>(std::clamp(status / 100, 1, 5));
  rows_[route].by_class[status_class].fetch_add(1, std::memory_order_relaxed);
  received_.fetch_add(received, std::memory_order_relaxed);
  sent_.fetch_add(sent, std::memory_order_relaxed);
}

std::string HttpMetrics::Text() const {
  std::string out =
      "# HELP bulwark_http_requests_total Requests answered, by route and class of status.\n"
      "# TYPE bulwark_http_requests_total counter\n";
  for (const Row& row : rows_)
    for (std::size_t i = 1; i < row.by_class.size(); ++i)
      if (const std::uint64_t n = row.by_class[i].load(std::memory_order_relaxed))
        out += "bulwark_http_requests_total{" + row.labels + ",class=\"" + std::to_string(i) + "xx\"} " + std::to_string(n) + "\n";
  const auto single = [&out](std::string_view name, std::string_view type, std::string_view help, auto value) {
    out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ").append(type);
    out.append("\n").append(name).append(" ").append(std::to_string(value)).append("\n");
  };
  single("bulwark_http_received_bytes_total", "counter", "Bytes of request bodies.", received_.load(std::memory_order_relaxed));
  single("bulwark_http_sent_bytes_total", "counter", "Bytes of answer bodies.", sent_.load(std::memory_order_relaxed));
  single("bulwark_http_in_flight", "gauge", "Requests being answered.", in_flight_.load(std::memory_order_relaxed));
  return out;
}

}  // namespace bulwark::http
