#include "app/server.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "app/feed_upkeep.h"
#include "app/first_admin.h"
#include "app/paths.h"
#include "app/upkeep.h"
#include "audit/audit.h"
#include "auth/auth.h"
#include "auth/bootstrap.h"
#include "base/log.h"
#include "http/api/api.h"
#include "http/registry/registry.h"
#include "http/router.h"
#include "sandbox/worker.h"
#include "service/analysis.h"
#include "service/collection.h"
#include "service/data.h"
#include "service/inputs.h"
#include "service/service.h"
#include "service/tables.h"
#include "service/verdict_rows.h"
#include "storage/blob/file_driver.h"
#include "storage/collector.h"
#include "storage/content.h"
#include "storage/db/sqlite_database.h"
#include "storage/directory_lock.h"
#include "storage/disk_reserve.h"

namespace bulwark::app {
namespace {

constexpr std::size_t kPoolThreads = 48;  // requests that block on database, disk and held pulls
constexpr unsigned kJudges = 2;
constexpr std::chrono::milliseconds kStopGrace{10'000};
constexpr std::string_view kFirstProject = "library";

// A worker that follows an upload mostly waits for the client, so there are more of them than processors.
unsigned DefaultWorkers() { return std::clamp(4 * std::thread::hardware_concurrency(), 16u, 128u); }

Result<service::FeedView> Feeds(const config::Config& config) {
  service::FeedView out{FeedCachePath(config.data_directory), {}};
  BW_TRY(auto sources, advisory::ResolveSources(config.advisory_sources));
  for (advisory::FetchSource& source : sources) out.names.push_back(std::move(source.name));
  return out;
}

Result<std::vector<policy::Policy>> Policies(const config::Config& config) {
  std::vector<policy::Policy> out;
  for (const formats::YamlNode& node : config.policies) {
    BW_TRY(policy::Policy policy, policy::ReadPolicy(node));
    out.push_back(std::move(policy));
  }
  return out;
}

Result<net::HttpServerOptions> ListenOptions(const config::Config& config, ThreadPool& pool) {
  net::HttpServerOptions out;
  out.pool = &pool;
  for (const config::Listener& listener : config.listeners) {
    BW_TRY(net::Endpoint endpoint, net::ParseEndpoint(listener.address));
    endpoint.tls = listener.tls();
    if (listener.tls()) {
      net::TlsFiles files{listener.tls_cert, listener.tls_key, listener.tls_min_version == "1.3"};
      if (out.tls && *out.tls != files)
        return Error{Errc::kUnsupported, "listeners with different certificates or TLS versions are not supported yet"};
      out.tls = std::move(files);
    }
    out.listen.push_back(std::move(endpoint));
  }
  return out;
}

// Nothing that has expired may live again because a clock went back (attacks: clock-attacks).
Status CheckClock(storage::Database& database, const Clock& clock, const config::Config& config) {
  constexpr Millis kSkew = std::chrono::minutes(5);
  BW_TRY(auto last, database.Read([](const storage::ReadTx& tx) { return audit::LastTime(tx); }));
  const Time now = clock.Now();
  if (!last || now >= *last - kSkew) return {};
  const std::string text = "the clock says " + FormatTime(now) + ", but the last audit record is of " + FormatTime(*last);
  if (!config.allow_clock_before_audit)
    return Error{Errc::kUnavailable, text + "; set the clock, or see allow_clock_before_audit in docs/config.md"};
  LogWarning(text + "; allowed by the configuration");
  audit::Event event;
  event.at = now;
  event.actor = "system";
  event.action = "clock.accept";
  event.object = "server";
  event.reason = text;
  return database.Write([&](storage::Tx& tx) { return audit::Record(tx, event); });
}

Status Migrate(storage::Database& database) {
  for (auto migrations : {storage::ContentMigrations(), auth::Migrations(), audit::Migrations(), service::Migrations()})
    BW_CHECK(database.Migrate(migrations));
  return {};
}

}  // namespace

// In the order of construction; destroyed backwards, listeners first.
struct Server::State {
  config::Config config;
  SystemClock clock;
  std::optional<storage::DirectoryLock> lock;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<storage::BlobDriver> blobs;
  std::unique_ptr<storage::Collector> collector;
  std::unique_ptr<auth::Authenticator> authenticator;
  std::unique_ptr<sandbox::WorkerPool> workers;
  std::unique_ptr<service::Analyzer> analyzer;
  std::unique_ptr<service::Service> service;
  std::unique_ptr<service::Data> data;
  std::unique_ptr<service::Collection> collection;
  std::unique_ptr<Upkeep> upkeep, disk_upkeep;
  std::unique_ptr<FeedUpkeep> feeds;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<http::RegistryDeps> registry_deps;
  std::unique_ptr<http::ApiDeps> api_deps;
  std::unique_ptr<http::Router> router;
  std::unique_ptr<net::HttpServer> http;

  Status OpenStorage();
  Status OpenAccounts(const std::optional<std::string>& admin_password);
  Status OpenService(const std::string& worker_program);
  Status Listen();
  Status Reload(const config::Config& read);
  audit::Event ReloadEvent(std::string_view action) const;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Server>> Server::Start(const config::Config& config,
                                              const std::optional<std::string>& admin_password,
                                              const std::string& worker_program) {
  BW_CHECK(config::CheckListeners(config));
  auto state = std::make_unique<State>();
  state->config = config;
  BW_CHECK(state->OpenStorage());
  // From here on the data directory is ours, and what the last process left half done is cleaned up.
  BW_CHECK(state->OpenAccounts(admin_password));
  BW_CHECK(state->OpenService(worker_program));
  BW_CHECK(state->Listen());
  return std::unique_ptr<Server>(new Server(std::move(state)));  // NOLINT: the constructor is private
}

Status Server::State::OpenStorage() {
  const std::string& directory = config.data_directory;
  BW_TRY(lock, storage::DirectoryLock::Take(directory));
  if (Status kept = storage::DiskReserve(directory).Keep(); !kept.ok()) LogWarning(kept.error().message);
  BW_TRY(database, storage::OpenSqlite(DatabasePath(directory), storage::PosixFileSystem(), {.quiet = service::QuietTables()}));
  BW_CHECK(Migrate(*database));
  BW_CHECK(CheckClock(*database, clock, config));
  BW_TRY(blobs, storage::OpenFileDriver(directory, storage::PosixFileSystem()));
  collector = std::make_unique<storage::Collector>(*database, *blobs, clock, service::ForgetRepository);
  BW_TRY(auto recovered, collector->Recover());
  if (recovered.spools + recovered.adopted + recovered.blobs > 0)
    LogInfo("recovered: " + std::to_string(recovered.spools) + " spools removed, " + std::to_string(recovered.blobs) +
            " blobs removed, " + std::to_string(recovered.adopted) + " blobs adopted");
  return {};
}

Status Server::State::OpenAccounts(const std::optional<std::string>& admin_password) {
  BW_TRY(auto shown_once, auth::Bootstrap(*database, clock, admin_password));
  if (shown_once) BW_CHECK(ShowFirstPassword(config.data_directory, *shown_once));
  BW_CHECK(database->Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(storage::EnsureProject(tx, kFirstProject, clock.Now()));
    return {};
  }));
  authenticator = auth::MakeAuthenticator(*database, clock);
  return {};
}

Status Server::State::OpenService(const std::string& worker_program) {
  sandbox::WorkerOptions options;
  options.program = worker_program;
  options.mode = config.sandbox == config::Sandbox::kOff ? sandbox::Mode::kOff : sandbox::Mode::kRequired;
  options.at_once = config.workers > 0 ? config.workers : DefaultWorkers();
  BW_TRY(workers, sandbox::MakeWorkerPool(options));
  analyzer = service::MakeAnalyzer(*workers);
  BW_TRY(auto index, service::Data::Load(AdvisoryFile(config)));
  service::ServiceOptions service_options;
  BW_TRY(service_options.policies, Policies(config));
  service_options.blob_bytes = config.blob_bytes;
  service_options.uploads_per_user = config.uploads_per_user;
  service_options.upload_lifetime = config.upload_lifetime;
  service_options.sparse = config.sparse;
  LogInfo("advisory data of " + FormatDate(index->data_date()) + ", " + std::to_string(index->records()) + " records");
  BW_TRY(service, service::Service::Open({*database, *blobs, *authenticator, *analyzer, clock}, std::move(index),
                                         std::move(service_options)));
  service->StartBackground(kJudges);
  BW_TRY(service::FeedView feed_view, Feeds(config));
  data = std::make_unique<service::Data>(*service, AdvisoryFile(config), std::move(feed_view));
  feeds = std::make_unique<FeedUpkeep>(config, worker_program, clock);
  collection = std::make_unique<service::Collection>(*service, *collector);
  using std::chrono::seconds;
  upkeep = std::make_unique<Upkeep>(std::vector<Chore>{
      {"collection", seconds(60), [this] { return collection->RunDue(); }},
      {"advisory data", seconds(5), [this] { return data->ReloadIfChanged(); }},
      {"first password", seconds(5), [this] { return RemoveUsedPassword(config.data_directory, *database); }},
  });
  // On a thread of its own: the disk may fill while a collection takes minutes.
  disk_upkeep = std::make_unique<Upkeep>(std::vector<Chore>{
      {"disk reserve", seconds(5), [reserve = storage::DiskReserve(config.data_directory)]() mutable { return reserve.Keep(); }},
  });
  return {};
}

Status Server::State::Listen() {
  pool = std::make_unique<ThreadPool>("http", kPoolThreads);
  http::RouterOptions options;
  options.external_url = config.external_url;
  options.on_refusal = http::RecordRefusals(*database, clock);
  router = std::make_unique<http::Router>(*authenticator, *pool, std::move(options));
  registry_deps =
      std::make_unique<http::RegistryDeps>(http::RegistryDeps{service->registry(), *authenticator, *pool, clock});
  api_deps = std::make_unique<http::ApiDeps>(*service, *data, *collection);
  router->Add(http::RegistryRoutes(*registry_deps));
  router->Add(http::ApiRoutes(*api_deps));
  auto ready = [this]() -> Status {
    return database->Read([](const storage::ReadTx& tx) -> Status {
      BW_CHECK(service::CurrentEpochs(tx));
      return {};
    });
  };
  router->Add(http::OperationalRoutes(ready, [this] { return router->Metrics() + data->Metrics(); }));
  BW_TRY(net::HttpServerOptions listen, ListenOptions(config, *pool));
  listen.on_exchange = router->Observer();
  BW_TRY(http, net::StartHttpServer(std::move(listen), router->Handler()));
  return {};
}

Server::~Server() {
  if (state_->collection) state_->collection->Stop();
  if (state_->service) state_->service->StopWaiting();  // else the grace goes to those who wait for a verdict
  if (state_->http) state_->http->Stop(kStopGrace, [this] { state_->service->StopAnalysis(); });
  state_->http.reset();
  state_->pool.reset();
  state_->feeds.reset();
  state_->upkeep.reset();
  state_->disk_upkeep.reset();
  if (state_->service) state_->service->StopBackground();
}

const std::vector<net::Endpoint>& Server::endpoints() const { return state_->http->endpoints(); }

Status Server::Reload(const config::Config& config) {
  Status done = state_->Reload(config);
  if (!done) RefuseReload(done.error());
  return done;
}

void Server::RefuseReload(const Error& error) {
  audit::Event event = state_->ReloadEvent("config.refuse");
  event.outcome = audit::Outcome::kRefused;
  event.reason = error.message;
  Status recorded = state_->database->Write([&](storage::Tx& tx) { return audit::Record(tx, event); });
  if (!recorded) LogError("audit: " + recorded.error().message);
}

audit::Event Server::State::ReloadEvent(std::string_view action) const {
  audit::Event event;
  event.at = clock.Now();
  event.actor = "system";
  event.action = action;
  event.object = "config";
  return event;
}

Status Server::State::Reload(const config::Config& read) {
  BW_TRY(auto policies, Policies(read));
  BW_CHECK(Feeds(read));
  const bool tls =
      std::any_of(config.listeners.begin(), config.listeners.end(), [](const config::Listener& l) { return l.tls(); });
  if (tls) BW_CHECK(http->ReloadTls());
  // From here on nothing of the file can be refused any more.
  audit::Event event = ReloadEvent("config.reload");
  event.reason = "policies";
  for (const policy::Policy& policy : policies) event.reason += " " + policy.name + "@" + policy.revision.substr(0, 12);
  BW_TRY(bool changed, service->inputs().Configure(std::move(policies), [&](storage::Tx& tx) { return audit::Record(tx, event); }));
  if (changed) service->Wake();
  for (std::string_view key : config::KeysThatNeedAStart(config, read))
    LogWarning("reload: " + std::string(key) + " is another one now; that takes a restart");
  LogInfo(changed ? "reload: policies taken over" : "reload: the policies are what they were");
  // Its own matter, with its own record (data.change): the configuration is taken over already.
  if (Status data_read = data->ReloadIfChanged(); !data_read)
    LogError("reload: the advisory data in use stays: " + data_read.error().message);
  return {};
}

}  // namespace bulwark::app
