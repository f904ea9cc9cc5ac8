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
  // where there is none yet. kUnavailable: the clock is behind the audit log. `worker_program`: the binary that is started as `PROGRAM worker`.
  static Result<std::unique_ptr<Server>> Start(const config::Config& config,
                                               const std::optional<std::string>& admin_password,
                                               const std::string& worker_program = "/proc/self/exe");
  ~Server();  // stops: no new connections, running requests may end, batches are written

  const std::vector<net::Endpoint>& endpoints() const;
  // Takes over what a running server can: policies, log level, certificates, advisory data; what else differs needs a
  // start, and a warning says so. On failure the configuration stays as it was, and the audit log says why; advisory
  // data that cannot be used stays as it was by itself.
  Status Reload(const config::Config& config);
  // In place of Reload where there is no configuration to take over: recorded, nothing changes.
  void RefuseReload(const Error& error);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::app
