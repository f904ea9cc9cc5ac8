#pragma once
// The whole server as one object: what Serve runs and what tests start in their own process.

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/config.h"
#include "net/http_server.h"

namespace bulwark::app {

class Server {
 public:
  // Locks the data directory, opens it, starts workers and listeners. `admin_password`: for the first administrator,
  // where there is none yet. `worker_program`: the binary that is started as `PROGRAM worker`.
  static Result<std::unique_ptr<Server>> Start(const config::Config& config,
                                               const std::optional<std::string>& admin_password,
                                               const std::string& worker_program = "/proc/self/exe");
  ~Server();  // stops: no new connections, running requests may end, batches are written

  const std::vector<net::Endpoint>& endpoints() const;
  Status Reload();  // certificates and advisory data

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::app
