#include "service/service.h"

#include "service/background.h"
#include "service/engine.h"
#include "service/facts.h"
#include "service/gate.h"
#include "service/inputs.h"
#include "service/layer_store.h"
#include "service/pull_recorder.h"
#include "service/registry_parts.h"
#include "service/rights.h"

namespace bulwark::service {

// In the order of construction: what comes later uses what comes before.
struct Service::State {
  State(const ServiceParts& p, ServiceOptions options)
      : parts(p),
        pool("analysis", options.analysis_threads),
        layers(p.database, p.blobs, p.analyzer, pool),
        facts(layers, p.blobs),
        inputs(p.database, std::move(options.policies)),
        engine(p.database, facts, inputs, p.clock),
        rights(p.database, p.authenticator, p.clock),
        gate(p.database, p.blobs, engine, rights, p.clock),
        pulls(p.database, p.clock),
        manifests(p.database),
        deps{p.database, p.blobs, p.analyzer, layers, engine, rights, gate, pulls, p.clock, options.blob_bytes,
             {options.uploads_per_user, options.upload_lifetime}, options.sparse, manifests},
        registry(MakeRegistry(deps)) {}

  ServiceParts parts;
  ThreadPool pool;
  LayerStore layers;
  FactsMaker facts;
  InputStore inputs;
  Engine engine;
  Rights rights;
  Gate gate;
  PullRecorder pulls;
  ManifestCache manifests;
  RegistryDeps deps;
  RegistryService registry;
  std::unique_ptr<Background> background;
};

Service::Service(std::unique_ptr<State> state) : state_(std::move(state)) {}
Service::~Service() { StopBackground(); }

Result<std::unique_ptr<Service>> Service::Open(const ServiceParts& parts, std::shared_ptr<const advisory::Index> index,
                                               ServiceOptions options) {
  auto state = std::make_unique<State>(parts, std::move(options));
  BW_CHECK(state->inputs.Open(std::move(index)));
  BW_CHECK(state->engine.QueueOutdatedFacts());
  return std::unique_ptr<Service>(new Service(std::move(state)));  // NOLINT: the constructor is private
}

void Service::StartBackground(unsigned workers) {
  state_->background =
      std::make_unique<Background>(state_->engine, state_->pulls, state_->layers, *state_->registry.uploads, workers);
}

void Service::StopWaiting() { state_->engine.StopWaiting(); }
void Service::StopAnalysis() { state_->layers.Stop(); }

void Service::StopBackground() {
  StopWaiting();
  StopAnalysis();
  state_->background.reset();
}

Registry& Service::registry() { return *state_->registry.registry; }
Engine& Service::engine() { return state_->engine; }
Gate& Service::gate() { return state_->gate; }
InputStore& Service::inputs() { return state_->inputs; }
PullRecorder& Service::pulls() { return state_->pulls; }
Rights& Service::rights() { return state_->rights; }
const ServiceParts& Service::parts() const { return state_->parts; }
void Service::Wake() {
  if (state_->background) state_->background->Wake();
}

}  // namespace bulwark::service
