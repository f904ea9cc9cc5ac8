#include "app/serve.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <csignal>
#include <cstdio>

#include "app/server.h"
#include "auth/bootstrap.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace bulwark::app {
namespace {

constexpr int kStopped = 0, kUsage = 2, kCouldNot = 3;

int Failed(const Error& error, int status) {
  LogError(error.message);
  return status;
}

Result<config::Config> Configure(const Options& options) {
  config::Config config;
  if (!options.config.empty()) { BW_TRY(config, config::LoadConfig(options.config)); }
  if (!options.listen.empty()) {
    config::Listener listener;
    listener.address = options.listen;
    listener.tls_cert = options.tls_certificate;
    listener.tls_key = options.tls_key;
    config.listeners = {std::move(listener)};
  } else if (!options.tls_certificate.empty() || !options.tls_key.empty()) {
    config.listeners.front().tls_cert = options.tls_certificate;
    config.listeners.front().tls_key = options.tls_key;
  }
  if (!options.data.empty()) config.data_directory = options.data;
  if (!options.database.empty()) config.advisory_database = options.database;
  if (!options.external_url.empty()) config.external_url = options.external_url;
  BW_CHECK(config::CheckListeners(config));
  return config;
}

void SetLevel(const std::string& level) {
  if (level == "debug") SetLogLevel(LogLevel::kDebug);
  if (level == "info") SetLogLevel(LogLevel::kInfo);
  if (level == "warning") SetLogLevel(LogLevel::kWarning);
  if (level == "error") SetLogLevel(LogLevel::kError);
}

// Threads made after this inherit the mask, so that only WaitForSignal takes the signals.
sigset_t BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

void Reload(Server& server, const Options& options) {
  auto config = Configure(options);
  if (!config) {
    LogError("reload: the configuration in use stays: " + config.error().message);
    return server.RefuseReload(config.error());
  }
  if (Status reloaded = server.Reload(*config); !reloaded) {
    LogError("reload: " + reloaded.error().message);
    return;
  }
  SetLevel(config->log_level);
}

void RunUntilStopped(Server& server, const Options& options, const sigset_t& signals) {
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) return;
    if (signal != SIGHUP) {
      LogInfo("stopping");
      return;
    }
    Reload(server, options);
  }
}

}  // namespace

Result<std::uint64_t> RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoError("read the limit of open files");
  if (limit.rlim_cur == limit.rlim_max) return static_cast<std::uint64_t>(limit.rlim_cur);
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoError("raise the limit of open files");
  return static_cast<std::uint64_t>(limit.rlim_cur);
}

int Serve(const Options& options) {
  ::umask(S_IRWXG | S_IRWXO);  // the database, also as SQLite makes it, is nobody else's to read
  // Large blocks (19 MiB for each password hash) go back to the system at once; by default the allocator would learn to
  // keep one for every thread.
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
  ::mallopt(M_ARENA_MAX, 8);
  auto password = auth::TakeAdminPassword();  // first of all: no thread and no child sees it in the environment
  if (!password) return Failed(password.error(), kUsage);
  sigset_t signals = BlockSignals();
  auto config = Configure(options);
  if (!config) return Failed(config.error(), config.error().code == Errc::kIo ? kCouldNot : kUsage);
  SetLevel(config->log_level);
  if (auto files = RaiseFileLimit(); !files) LogWarning(files.error().message);
  auto server = Server::Start(*config, *password);
  if (!server) return Failed(server.error(), server.error().code == Errc::kInvalid ? kUsage : kCouldNot);
  for (const net::Endpoint& endpoint : (*server)->endpoints()) {
    bool six = endpoint.address.find(':') != std::string::npos;
    LogInfo("listening on " + std::string(endpoint.tls ? "https://" : "http://") +
            (six ? "[" + endpoint.address + "]" : endpoint.address) + ":" + std::to_string(endpoint.port));
  }
  RunUntilStopped(**server, options, signals);
  return kStopped;
}

}  // namespace bulwark::app
