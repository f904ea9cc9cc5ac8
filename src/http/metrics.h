#pragma once
// Counters of the HTTP side, and their text form (Prometheus exposition format 0.0.4). Labels name routes, never repositories.

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace bulwark::http {

class HttpMetrics {
 public:
  // One row of counters; index in order of the calls. Before serving.
  std::uint32_t AddRoute(std::string_view method, std::string_view pattern);
  void Count(std::uint32_t route, int status, std::uint64_t received, std::uint64_t sent);  // any thread
  void Begin() { in_flight_.fetch_add(1, std::memory_order_relaxed); }
  void End() { in_flight_.fetch_sub(1, std::memory_order_relaxed); }
  std::string Text() const;

 private:
  struct Row {
    std::string labels;
    std::array<std::atomic<std::uint64_t>, 6> by_class{};  // 1xx … 5xx
  };
  std::deque<Row> rows_;
  std::atomic<std::uint64_t> received_{0}, sent_{0};
  std::atomic<std::int64_t> in_flight_{0};
};

}  // namespace bulwark::http
