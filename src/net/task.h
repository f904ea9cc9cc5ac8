#pragma once
// Coroutines of the server: Task<T> is an awaitable of Result<T>. A coroutine stays on the thread of the connection it
// serves; blocking work goes through RunBlocking. g++ 12: never co_await in a statement expression, in a catch block, or
// with a temporary bound to a reference argument.

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>

#include "base/result.h"
#include "base/thread_pool.h"

namespace bulwark::net {

template <typename T>
using Task = boost::asio::awaitable<Result<T>>;

// Runs `work` on the pool and resumes on the executor of the awaiting coroutine. kInternal if it threw (also logged).
Task<void> OnPool(ThreadPool& pool, std::function<void()> work);

// The same for a callable that returns Result<T>. What it captures by reference may live in the awaiting coroutine.
template <typename F>
Task<typename std::invoke_result_t<F&>::value_type> RunBlocking(ThreadPool& pool, F body) {
  std::optional<std::invoke_result_t<F&>> result;
  std::function<void()> work = [&result, &body] { result.emplace(body()); };
  auto ran = co_await OnPool(pool, std::move(work));
  if (!ran.ok()) co_return std::move(ran).error();
  co_return std::move(*result);
}

}  // namespace bulwark::net
