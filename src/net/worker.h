#pragma once
// One thread of the server: its event loop, its listening sockets, its connections. Internal to net/.

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/sync.h"
#include "net/session.h"

namespace bulwark::net {

// What the threads of one server share.
struct SharedState {
  SessionContext sessions;
  std::size_t connection_limit = 0;
  std::atomic<std::size_t> connections{0};

  TlsContext tls() const {
    MutexLock lock(mutex);
    return tls_context;
  }
  void set_tls(TlsContext context) {
    MutexLock lock(mutex);
    tls_context = std::move(context);
  }
  mutable Mutex mutex;
  TlsContext tls_context BW_GUARDED_BY(mutex);  // the sessions that began under an older one keep it
};

class Worker {
 public:
  explicit Worker(SharedState& shared);

  // Before Start. kUnavailable: the port is taken. Port 0 is replaced by the one given.
  Status Listen(Endpoint& endpoint);
  void Start(std::function<void()> on_end);
  void BeginStop();  // any thread: no new connections, idle ones end
  void CutAll();     // any thread
  void Join();

 private:
  struct Listener {
    boost::asio::ip::tcp::acceptor acceptor;
    bool tls;
  };

  boost::asio::awaitable<void> Accept(Listener& listener);
  void Admit(boost::asio::ip::tcp::socket socket, bool tls);
  boost::asio::awaitable<void> Hold(std::shared_ptr<Session> session);
  bool MakeRoom();
  boost::asio::awaitable<void> Sweep();

  SharedState& shared_;
  boost::asio::io_context io_{1};  // one thread runs it
  boost::asio::steady_timer sweep_timer_{io_};
  std::list<Listener> listeners_;
  std::list<Session*> sessions_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace bulwark::net
