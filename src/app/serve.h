#pragma once
// `bulwark serve`: builds every object, wires it, serves until a signal says stop.

#include <cstdint>
#include <string>

#include "base/result.h"

namespace bulwark::app {

// Empty fields: what the configuration file says, or its defaults.
struct Options {
  std::string config;           // bulwark.yaml
  std::string listen;           // host:port in place of the listeners of the file
  std::string data;             // data directory
  std::string database;         // advisory file
  std::string tls_certificate;  // PEM; with tls_key, for `listen`
  std::string tls_key;
  std::string external_url;
};

// Exit status of the process (cli/exit_code.h): 0 stopped by SIGTERM or SIGINT, 2 the options or the configuration are
// wrong, 3 it could not start. Call it from main's thread, before there are others. SIGHUP reads the
// configuration, certificates and advisory data again (Server::Reload).
int Serve(const Options& options);

// Every connection, blob and worker is a file: raises the soft limit of open files to the hard one. The limit now.
Result<std::uint64_t> RaiseFileLimit();

}  // namespace bulwark::app
