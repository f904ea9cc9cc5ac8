// bulwark serve

#include "app/serve.h"
#include "cli/verbs.h"

namespace bulwark::cli {

int RunServe(const ServeArguments& a) {
  return app::Serve({a.config, a.listen, a.data, a.database, a.tls_certificate, a.tls_key, a.external_url});
}

}  // namespace bulwark::cli
