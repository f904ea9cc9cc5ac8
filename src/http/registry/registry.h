#pragma once
// /v2: the OCI Distribution API 1.1 over service::Registry. Adapters only: a row parses, makes one call, answers.

#include <vector>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/thread_pool.h"
#include "http/router.h"
#include "service/registry.h"

namespace bulwark::http {

// What the handlers work with; outlives the router.
struct RegistryDeps {
  service::Registry& registry;
  auth::Authenticator& authenticator;
  ThreadPool& pool;        // for uploads: bytes of bodies are hashed and written there
  const Clock& clock;
};

// Every row of /v2, /v2/token included.
std::vector<Route> RegistryRoutes(RegistryDeps& deps);

// Rows by noun, put together by RegistryRoutes.
std::vector<Route> BlobRoutes(RegistryDeps& deps);
std::vector<Route> UploadRoutes(RegistryDeps& deps);
std::vector<Route> ManifestRoutes(RegistryDeps& deps);
std::vector<Route> ListRoutes(RegistryDeps& deps);
std::vector<Route> TokenRoutes(RegistryDeps& deps);

}  // namespace bulwark::http
