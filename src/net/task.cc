#include "net/task.h"

#include <exception>
#include <memory>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"

namespace bulwark::net {

namespace asio = boost::asio;

namespace {

bool RunCaught(const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const std::exception& e) {
    LogError(std::string("blocking work ended by an exception: ") + e.what());
    return false;
  }
}

}  // namespace

Task<void> OnPool(ThreadPool& pool, std::function<void()> work) {
  auto executor = co_await asio::this_coro::executor;
  // The handler is the suspended coroutine: it is only ever touched on its own executor. The pool's task hands it over
  // whole, so that not even its destructor runs on a pool thread. Tracked work keeps the event loop running meanwhile.
  auto initiate = [&pool, &work, executor](auto handler) {
    auto tracked = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    pool.Post([work = std::move(work), tracked, shared]() mutable {
      const bool done = RunCaught(work);
      work = nullptr;  // what it captured by reference belongs to the coroutine, which may be gone after the next line
      asio::post(tracked, [shared = std::move(shared), done] { (*shared)(done); });
    });
  };
  const bool done = co_await asio::async_initiate<decltype(asio::use_awaitable), void(bool)>(std::move(initiate), asio::use_awaitable);
  if (!done) co_return Error{Errc::kInternal, "internal error"};
  co_return Status();
}

}  // namespace bulwark::net
