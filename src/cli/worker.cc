// bulwark worker: what the sandbox starts. Not for people.

#include "cli/verbs.h"
#include "sandbox/worker.h"
#include "service/analysis.h"

namespace bulwark::cli {

int RunWorker() { return sandbox::WorkerMain(service::AnalysisJob); }

}  // namespace bulwark::cli
