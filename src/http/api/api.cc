#include "http/api/api.h"

#include <iterator>

namespace bulwark::http {

std::vector<Route> ApiRoutes(ApiDeps& deps) {
  std::vector<Route> out;
  for (auto* rows : {ProjectRoutes, ImageRoutes, PolicyRoutes, ExceptionRoutes, UserRoutes, OperationRoutes, CollectionRoutes}) {
    std::vector<Route> some = rows(deps);
    out.insert(out.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return out;
}

}  // namespace bulwark::http
